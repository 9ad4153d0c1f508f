"""Help: every command explains itself, with an example, on a screen of 80 columns; run.sh lists the same commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from crons.exits import EXIT_CODES
from main import app
from tests.support.bare_checkout import COMMANDS, RUN_SH

OPERATING = RUN_SH.with_name("docs") / "operating.md"


def help_of(command: str) -> str:
    """Its help on a screen of 80 columns."""
    done = CliRunner(env={"COLUMNS": "80"}).invoke(app, [command, "--help"], prog_name="./run.sh")
    assert done.exit_code == 0
    return done.stdout


def test_run_sh_lists_every_command_with_its_summary() -> None:
    shown = subprocess.run(["bash", str(RUN_SH), "help"], capture_output=True, text=True, check=True).stdout
    listed = dict(re.findall(r"^  ([a-z_]+) +([A-Z].*)$", shown, re.MULTILINE))
    assert listed == {name: help_of(name).split("\n\n")[1].strip() for name in COMMANDS}
    assert [*listed] == [*get_command(app).commands]  # type: ignore[attr-defined]  # an app with commands is a group
    assert max(map(len, listed.values())) <= 60


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_and_the_exit_codes(command: str) -> None:
    shown = help_of(command)
    lines = [line.strip() for line in shown.splitlines()]
    assert any(re.match(rf"Example: \./run\.sh {command}\b", line) for line in lines)
    for code, meaning in EXIT_CODES.items():
        assert f"{code:<4} {meaning}" in lines
    assert max(map(len, shown.splitlines())) <= 80
    assert not re.search(r"[<{]\w", shown)


def test_docs_have_every_command_with_its_options() -> None:
    usages = re.findall(r"^\| `\./run\.sh ([^`]+)` \|", OPERATING.read_text(), re.MULTILINE)
    assert sorted(usage.split()[0] for usage in usages) == sorted(COMMANDS)
    for usage in usages:
        command, *arguments = usage.split()
        shown = help_of(command)
        if "ARGUMENTS]" in usage:  # passed on to another program
            assert " ".join(arguments) in shown
            continue
        options = set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", shown, re.MULTILINE))
        assert set(re.findall(r"--[a-z-]+", usage)) == options - {"--help"}, command
        for word in re.findall(r"\b[A-Z]+\b", " ".join(arguments)):
            assert word in shown, command


def test_help_that_cannot_be_written_is_an_error() -> None:
    """On a full disk `clean --help` fails; it never turns into `clean`."""
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [sys.executable, "-m", "main", "clean", "--help"],
            cwd=RUN_SH.parent,
            env={"PYTHONPATH": "src", "PATH": os.environ["PATH"]},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode != 0
    assert "No space left on device" in done.stderr


@pytest.mark.parametrize("arguments", ["clean --bogus", "clean --yes x y", "restore", "demo x", "cron_run a b"])
def test_meaningless_arguments_are_a_usage_error(arguments: str) -> None:
    done = CliRunner().invoke(app, arguments.split(), prog_name="./run.sh")
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"Usage: ./run.sh {arguments.partition(' ')[0]}" in done.stderr


@pytest.mark.parametrize(
    ("typed", "hint"),
    [("stauts", "did you mean status?"), ("Backup", "did you mean backup?"), ("xyz", "./run.sh help lists them")],
)
def test_unknown_command_is_the_last_line(typed: str, hint: str) -> None:
    done = CliRunner().invoke(app, [typed], prog_name="./run.sh")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == f"unknown command: {typed}; {hint}"
