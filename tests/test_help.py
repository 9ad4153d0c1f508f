"""Help: every command explains itself from one place, by an example that is one, on a screen of 80 columns."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from crons.exits import EXIT_CODES
from crons.run import main as run_job
from main import app
from tests.support.bare_checkout import COMMANDS, RUN_SH

OPERATING = RUN_SH.with_name("docs") / "operating.md"
OTHER_PROGRAMS = {
    "cron_run": ["crons.run"],
    "cron_backfill": ["crons.run", "cmc_hourly_prices", "backfill"],
    "cron_heal": ["crons.run", "cmc_hourly_prices", "heal"],
    "bench": ["benchmarks"],
}
"""Module and arguments behind those commands of run.sh that are not in `main`."""
OPERATOR_COMMANDS = sorted(get_command(app).commands)  # type: ignore[attr-defined]  # an app with commands is a group
PASSED_ON = {"test": "[PYTEST ARGUMENTS]"}
"""Usage in docs/operating.md of what a command hands to another program."""


@cache
def help_of(command: str) -> str:
    """What the program behind a command says of its use, on a screen of 80 columns."""
    program = OTHER_PROGRAMS.get(command, ["main", command])
    environment = {"PYTHONPATH": "src", "PATH": os.environ["PATH"], "COLUMNS": "80"}
    return subprocess.run(
        [sys.executable, "-m", *program, "--help"],
        cwd=RUN_SH.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_operator_commands_are_those_of_run_sh() -> None:
    """What run.sh lists is in `main`, but for what has a program of its own; nothing is in one of them alone."""
    assert sorted({*OPERATOR_COMMANDS, *OTHER_PROGRAMS}) == sorted(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_a_summary_an_example_and_the_exit_codes(command: str) -> None:
    """The summary of the list, a whole command line of that command, each exit code; no line is wider than 80."""
    told = help_of(command)
    lines = [line.strip() for line in told.splitlines()]
    assert summary_of(command) in lines
    assert len(summary_of(command)) <= 60
    assert any(re.match(rf"Example: \./run\.sh {command}\b", line) for line in lines)
    for code, meaning in EXIT_CODES.items():
        assert f"{code:<4} {meaning}" in lines
    assert max(map(len, told.splitlines())) <= 80
    assert "[[" not in told


@cache
def listed() -> dict[str, str]:
    """Each command of the list with its summary."""
    shown = subprocess.run(["bash", str(RUN_SH), "help"], capture_output=True, text=True, check=True).stdout
    return dict(re.findall(r"^  ([a-z_]+) +([A-Z].*)$", shown, re.MULTILINE))


def summary_of(command: str) -> str:
    """Its line in the list."""
    return listed()[command]


def test_readme_has_every_command_with_its_options() -> None:
    """The table of docs/operating.md has exactly the commands of run.sh, with all options and arguments of each."""
    usages = re.findall(r"^\| `\./run\.sh ([^`]+)` \|", OPERATING.read_text(), re.MULTILINE)
    assert sorted(usage.split()[0] for usage in usages) == sorted(COMMANDS)
    for usage in usages:
        command, *arguments = usage.split()
        if command in PASSED_ON:
            assert usage == f"{command} {PASSED_ON[command]}"
            continue
        told = help_of(command)
        options = set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", told, re.MULTILINE))
        assert set(re.findall(r"--[a-z-]+", usage)) == options - {"--help"}, command
        for word in re.findall(r"\b[A-Z]+\b", " ".join(arguments)):
            assert word in told, command


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


@pytest.mark.parametrize(
    ("arguments", "command"), [([], "cron_run"), (["backfill"], "cron_backfill"), (["heal"], "cron_heal")]
)
def test_help_of_a_job_has_an_example(arguments: list[str], command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The program that cron starts shows the command that people type."""
    with pytest.raises(SystemExit) as end:
        run_job(["cmc_hourly_prices", *arguments, "--help"])
    assert end.value.code == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"usage: ./run.sh {command} " in told
    assert f"Example: ./run.sh {command} " in told


@pytest.mark.parametrize("arguments", ["heal 0", "heal x", "heal 1 2", "heal --max-credits -1", "heal --max-credits x"])
def test_a_wrong_heal_is_a_usage_error(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, before anything is read or asked."""
    with pytest.raises(SystemExit) as end:
        run_job(["cmc_hourly_prices", *arguments.split()])
    assert end.value.code == 2
    assert "usage: ./run.sh cron_heal " in capsys.readouterr().err


def test_a_backfill_without_hours_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """What is missing is said with the next step."""
    assert run_job(["cmc_hourly_prices", "backfill"]) == 2
    assert "give either HOURS or --from" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", ["clean --bogus", "clean --yes x", "restore", "demo x"])
def test_arguments_that_cannot_be_meant_do_nothing(arguments: str) -> None:
    """They are a usage error with the command's usage: clean ends no job before it is refused."""
    done = CliRunner().invoke(app, arguments.split(), prog_name="./run.sh")
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"Usage: ./run.sh {arguments.partition(' ')[0]}" in done.stderr
