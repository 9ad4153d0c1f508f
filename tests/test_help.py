"""Help: every command shows how it is used, by an example that is one."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from crons.run import main as run_job
from main import app
from tests.support.bare_checkout import RUN_SH

COMMANDS = re.findall(r"^([a-z][a-z_]*)\(\) \{$", RUN_SH.read_text(), re.MULTILINE)
OTHER_PROGRAMS = {
    "cron_run": ["crons.run"],
    "cron_backfill": ["crons.run", "cmc_hourly_prices", "backfill"],
    "cron_heal": ["crons.run", "cmc_hourly_prices", "heal"],
    "bench": ["benchmarks"],
}
"""Module and arguments behind those commands of run.sh that are no operator commands."""
OPERATOR_COMMANDS = sorted(get_command(app).commands)  # type: ignore[attr-defined]  # an app with commands is a group


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_run_sh_has_an_example(command: str) -> None:
    """Each command's help shows a whole command line of that command."""
    done = subprocess.run([str(RUN_SH), command, "--help"], capture_output=True, text=True, check=True)
    assert re.search(rf"Example: .*\./run\.sh {command}\b", done.stdout)


@pytest.mark.parametrize("command", OPERATOR_COMMANDS)
def test_help_of_an_operator_command_has_an_example(command: str) -> None:
    """So does the help of the program behind it, with the exit codes."""
    done = CliRunner().invoke(app, [command, "--help"], prog_name="run.sh", env={"COLUMNS": "400"})
    assert done.exit_code == 0
    assert re.search(rf"Example: \./run\.sh {command}\b", done.stdout)
    assert "75 another run holds the lock" in " ".join(done.stdout.split())
    assert "[[" not in done.stdout


@pytest.mark.parametrize("command", [*OPERATOR_COMMANDS, *OTHER_PROGRAMS])
def test_usage_names_every_option(command: str) -> None:
    """The usage line of run.sh and the program behind it know the same options: none is hidden, none made up."""
    usage = help_of(str(RUN_SH), "help", command).partition("\n")[0]
    program = OTHER_PROGRAMS.get(command, ["main", command])
    told = help_of(sys.executable, "-m", *program, "--help")
    options = set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", told, re.MULTILINE))
    assert set(re.findall(r"--[a-z-]+", usage)) == options - {"--help"}


def help_of(*command: str) -> str:
    """What a command says of its own use."""
    environment = {"PYTHONPATH": "src", "PATH": os.environ["PATH"], "COLUMNS": "400"}
    return subprocess.run(
        command, cwd=RUN_SH.parent, env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_operator_commands_are_behind_run_sh() -> None:
    """No operator command is left without a function in run.sh."""
    assert set(OPERATOR_COMMANDS) <= set(COMMANDS)


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
    assert f"Example: ./run.sh {command} cmc_hourly_prices " in told


@pytest.mark.parametrize("arguments", ["heal 0", "heal x", "heal 1 2", "heal --max-credits -1", "heal --max-credits x"])
def test_a_wrong_heal_is_a_usage_error(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, before anything is read or asked."""
    with pytest.raises(SystemExit) as end:
        run_job(["cmc_hourly_prices", *arguments.split()])
    assert end.value.code == 2
    assert "usage: ./run.sh cron_heal " in capsys.readouterr().err
