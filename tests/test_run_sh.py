"""run.sh: what it shows, what it hands to Python, and how it sets itself up. No test here reaches a network."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.bare_checkout import RUN_SH, BareCheckout

COMMANDS = re.findall(r"^([a-z][a-z_]*)\(\) \{$", RUN_SH.read_text(), re.MULTILINE)
README = RUN_SH.with_name("README.md")
EXPORT = "poetry export --no-interaction --only {groups} --output {venv}/.requirements-{group}"
PIP = ".venv/bin/python -m pip install --no-input --disable-pip-version-check"


@pytest.fixture
def checkout(tmp_path: Path) -> BareCheckout:
    """A checkout in which nothing is installed."""
    return BareCheckout.make(tmp_path)


@pytest.fixture
def ready(checkout: BareCheckout) -> BareCheckout:
    """A checkout with everything installed, and no call on record."""
    assert checkout.run("test").returncode == 0
    checkout.unsay("calls")
    return checkout


@pytest.mark.parametrize("arguments", [(), ("help",), ("--help",), ("-h",)])
def test_help_lists_every_command(checkout: BareCheckout, arguments: tuple[str, ...]) -> None:
    """Bare, `help` and `--help` list each command with its summary, and the exit codes; nothing is installed."""
    files = checkout.files()
    done = checkout.run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall(r"^  ([a-z_]+) +[A-Z].*\.$", done.stdout, re.MULTILINE) == COMMANDS
    assert re.findall(r"^  (\d+) ", done.stdout, re.MULTILINE) == ["0", "1", "2", "75", "130", "143"]
    assert (checkout.files(), checkout.calls) == (files, [])


def test_readme_has_every_command(checkout: BareCheckout) -> None:
    """README's table has the commands of run.sh with their usage, no more and no fewer, and the same exit codes."""
    readme = README.read_text()
    listed = re.findall(r"^\| `\./run\.sh ([^`]+)` \|", readme, re.MULTILINE)
    assert sorted(listed) == sorted(usage_of(checkout, command) for command in COMMANDS)
    codes = re.findall(r"^  (\d+) +(.+)$", checkout.run("help").stdout, re.MULTILINE)
    assert re.findall(r"^\| (\d+) \| (.+) \|$", readme, re.MULTILINE) == codes


def usage_of(checkout: BareCheckout, command: str) -> str:
    """The command's usage line, without the path."""
    return checkout.run("help", command).stdout.splitlines()[0].removeprefix("Usage: ./run.sh ")


def test_help_starts_next_to_nothing(checkout: BareCheckout) -> None:
    """It needs no Python and no set-up, only bash and two small tools: that is why it answers at once."""
    for tool in {path.name for path in checkout.bin.iterdir()} - {"bash", "env", "cat", "readlink"}:
        checkout.remove(tool)
    done = checkout.run("help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\nCommands\n" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("form", ["{} --help", "{} -h", "help {}", "{} x --help"])
def test_every_command_has_help(checkout: BareCheckout, command: str, form: str) -> None:
    """A command's help shows its usage, summary and exit codes, and touches nothing."""
    files = checkout.files()
    done = checkout.run(*form.format(command).split())
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(rf"Usage: \./run\.sh {command}[^\n]*\n\n[A-Z][^\n]*\.\n", done.stdout)
    assert "75   another run holds the lock" in done.stdout
    assert (checkout.files(), checkout.calls) == (files, [])


@pytest.mark.parametrize("command", COMMANDS)
def test_help_that_cannot_be_written_does_nothing_else(checkout: BareCheckout, command: str) -> None:
    """On a full disk `clean --help` fails; it never turns into `clean`."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [checkout.root / "run.sh", command, "--help"],
            env=checkout.environment,
            stdout=full,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    assert done.returncode != 0
    assert checkout.calls == []


@pytest.mark.parametrize("word", ["nope", "_install_groups", "./x", "Check", "cd", "printf", "", "check() {\nx"])
@pytest.mark.parametrize("form", ["command", "help"])
def test_unknown_command_is_a_usage_error(checkout: BareCheckout, word: str, form: str) -> None:
    """A word that is no command ends in exit code 2 with the help on stderr; helpers and builtins are no commands."""
    done = checkout.run(*(["help", word] if form == "help" else [word]))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"unknown command: {word}\n")
    assert "\nCommands\n" in done.stderr


def test_function_from_the_environment_is_no_command(checkout: BareCheckout) -> None:
    """A function that bash takes over from the environment cannot be called through run.sh."""
    done = checkout.run("evil", environment={"BASH_FUNC_evil%%": "() { echo hello; }"})
    assert (done.returncode, done.stdout) == (2, "")


def test_backfill_without_a_name_is_a_usage_error(checkout: BareCheckout) -> None:
    """What is missing is said with the command's own help, before anything is installed."""
    done = checkout.run("cron_backfill")
    assert done.returncode == 2
    assert "Usage: ./run.sh cron_backfill NAME HOURS" in done.stderr
    assert checkout.calls == []


@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        ("check", "-m main check"),
        ("setup_db", "-m main setup_db"),
        ("drop_db --yes", "-m main drop_db --yes"),
        ("restore backups/x", "-m main restore backups/x"),
        ("kill", "-m main kill"),
        ("cron_run", "-m crons.run cmc_hourly_prices"),
        ("cron_run other", "-m crons.run other"),
        ("cron_run OTHER", "-m crons.run OTHER"),
        ("cron_run --quiet", "-m crons.run cmc_hourly_prices --quiet"),
        ("cron_heal", "-m crons.run cmc_hourly_prices heal"),
        ("cron_heal 24 --all", "-m crons.run cmc_hourly_prices heal 24 --all"),
        ("cron_heal x 24 --max-credits 5", "-m crons.run x heal 24 --max-credits 5"),
        ("cron_heal X", "-m crons.run X heal"),
        ("jobs", "-m main jobs"),
        ("status x --json", "-m main status x --json"),
        ("verify", "-m main verify"),
        ("setup_cron", "-m main setup_cron"),
        ("setup_cron x --dry-run", "-m main setup_cron x --dry-run"),
        ("remove_cron x", "-m main remove_cron x"),
        ("cron_backfill x 168", "-m crons.run x backfill 168"),
        ("cron_backfill x 168 --dry-run", "-m crons.run x backfill 168 --dry-run"),
        ("demo", "-m sandbox.demo"),
        ("test tests/crons -q", "-m pytest tests/crons -q"),
    ],
)
def test_commands_go_to_python(ready: BareCheckout, arguments: str, call: str) -> None:
    """Each command becomes the checkout's own Python, in the checkout, with its arguments as they are."""
    with ready.start(*arguments.split()) as process:
        assert process.wait(timeout=30) == 0
    assert ready.calls == [f"run {call}"]
    pid, cwd, path = (ready.state / "process").read_text().splitlines()
    assert (int(pid), cwd, path) == (process.pid, str(ready.root), f"{ready.root}/src")


def test_arguments_keep_their_blanks(ready: BareCheckout) -> None:
    """A schedule is one argument with stars in it, and stays so."""
    ready.run("setup_cron", "--schedule", "0 * * * *")
    assert ready.calls == ["run -m main setup_cron --schedule 0 * * * *"]


@pytest.mark.parametrize("code", [1, 2, 75, 143])
def test_exit_codes_pass_through(ready: BareCheckout, code: int) -> None:
    """What Python ends with is what run.sh ends with."""
    ready.say("failing check", str(code))
    assert ready.run("check").returncode == code


def test_sigterm_reaches_the_job(ready: BareCheckout) -> None:
    """A signal to run.sh is one to the job, because run.sh has become it."""
    os.mkfifo(ready.state / "failing setup_db")
    with ready.start("setup_db") as process:
        writer = os.open(ready.state / "failing setup_db", os.O_WRONLY)
        process.send_signal(signal.SIGTERM)
        os.close(writer)
        assert process.wait(timeout=30) == -signal.SIGTERM


def test_symlink_and_other_folders_work(ready: BareCheckout, tmp_path: Path) -> None:
    """Called from anywhere, through a chain of links too, it works in its own checkout."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.symlink_to(ready.root / "run.sh")
    second.symlink_to("first")
    assert ready.run("check", script=second, cwd=Path("/")).returncode == 0
    assert (ready.state / "process").read_text().splitlines()[1] == str(ready.root)


def test_backup_is_meant_from_where_the_caller_stands(ready: BareCheckout, tmp_path: Path) -> None:
    """A file named relative to the caller's folder is found, though the work is done in the checkout."""
    (tmp_path / "my backup").touch()
    ready.run("restore", "my backup", cwd=tmp_path)
    assert ready.calls == [f"run -m main restore {tmp_path}/my backup"]


@pytest.mark.parametrize("arguments", [("clean", "--bogus"), ("clean", "--yes", "x"), ("restore",), ("restore", "")])
def test_arguments_that_cannot_be_meant_do_nothing(ready: BareCheckout, arguments: tuple[str, ...]) -> None:
    """They are a usage error with the command's help: clean ends no job before it is refused."""
    done = ready.run(*arguments)
    assert (done.returncode, ready.calls) == (2, [])
    assert f"Usage: ./run.sh {arguments[0]}" in done.stderr


def test_clean_is_four_commands(ready: BareCheckout) -> None:
    """Clean ends the jobs, drops, sets up and runs, in this order."""
    assert ready.run("clean", "--yes").returncode == 0
    assert ready.calls == [
        "run -m main kill",
        "run -m main drop_db --yes",
        "run -m main setup_db",
        "run -m crons.run cmc_hourly_prices",
    ]


def test_clean_ends_at_the_first_failure(ready: BareCheckout) -> None:
    """When the table cannot be dropped, nothing after that happens."""
    ready.say("failing drop_db", "1")
    assert ready.run("clean").returncode == 1
    assert ready.calls == ["run -m main kill", "run -m main drop_db"]


def test_first_command_installs(checkout: BareCheckout) -> None:
    """In a fresh clone a command says that it installs, takes the locked set with its hashes, then does its work."""
    done = checkout.run("check")
    requirements = checkout.root / ".venv/.requirements-main"
    assert done.returncode == 0
    assert "run.sh: installing (main)" in done.stderr
    assert done.stdout == ""
    assert checkout.calls == [
        "venv .venv",
        EXPORT.format(groups="main", group="main", venv=checkout.root / ".venv"),
        f"{PIP} --no-deps --require-hashes --requirement {requirements}",
        "run -m main check",
    ]


def test_second_command_installs_nothing(ready: BareCheckout) -> None:
    """What is installed from this poetry.lock is not installed again."""
    assert ready.run("install").returncode == 0
    assert ready.calls == []


def test_tests_need_the_development_set(checkout: BareCheckout) -> None:
    """The development set is installed by the first command that needs it, and only then."""
    checkout.run("check")
    checkout.unsay("calls")
    checkout.run("test")
    assert checkout.calls[0] == EXPORT.format(groups="main,dev", group="dev", venv=checkout.root / ".venv")
    assert checkout.calls[-1] == "run -m pytest --numprocesses auto --dist loadfile"


def test_changed_lock_installs_again(ready: BareCheckout) -> None:
    """After an update the present set is installed over the old one, into the same environment."""
    ready.change_lock("second")
    assert ready.run("check").returncode == 0
    assert [call.split()[0] for call in ready.calls] == ["poetry", ".venv/bin/python", "run"]


def test_failed_installation_is_tried_again(checkout: BareCheckout) -> None:
    """A failed installation ends in exit code 1 before the command, and the next command installs."""
    checkout.say("failing")
    done = checkout.run("check")
    assert done.returncode == 1
    assert "the installation failed" in done.stderr
    assert not any(call.startswith("run ") for call in checkout.calls)
    checkout.unsay("failing")
    assert checkout.run("check").returncode == 0
    assert checkout.calls[-1] == "run -m main check"


def test_interrupted_installation_begins_anew(ready: BareCheckout) -> None:
    """An environment whose installation was cut off is not trusted."""
    (ready.root / ".venv/.installing").touch()
    assert ready.run("check").returncode == 0
    assert ready.calls[0] == "venv .venv"
    assert not (ready.root / ".venv/.installing").exists()


def test_two_commands_install_once(checkout: BareCheckout) -> None:
    """A command that finds another one installing waits for it, and installs nothing itself."""
    checkout.run("install")
    checkout.unsay("calls")
    checkout.change_lock("second")
    os.mkfifo(checkout.state / "gate")
    with checkout.start("check") as first:
        assert first.stderr
        assert any("at the gate" in line for line in first.stderr)
        with checkout.start("setup_db") as second:
            assert second.stderr
            assert "waiting for it" in second.stderr.readline()
            (checkout.state / "gate").write_text("go\n")
            assert first.wait(timeout=30) == second.wait(timeout=30) == 0
    assert sum("pip install" in call for call in checkout.calls) == 1
    assert sorted(checkout.calls[-2:]) == ["run -m main check", "run -m main setup_db"]


def test_other_python_makes_another_environment(ready: BareCheckout) -> None:
    """PYTHON of another version replaces the environment; of the same version it changes nothing."""
    ready.run("check", environment={"PYTHON": "python3"})
    assert ready.calls == ["run -m main check"]
    other = ready.bin / "python3.13"
    other.write_text((ready.bin / "python3").read_text().replace("version=3.11", "version=3.13"))
    other.chmod(0o755)
    done = ready.run("check", environment={"PYTHON": "python3.13"})
    assert "using Python 3.13" in done.stderr
    assert "venv .venv" in ready.calls


@pytest.mark.parametrize("version", ["2.7", "3.9", "3.14", ""])
def test_unfit_python_is_refused(checkout: BareCheckout, version: str) -> None:
    """Without a Python of 3.10 to 3.13 one line says so and what to do."""
    checkout.say("version", version)
    done = checkout.run("check")
    assert done.returncode == 2
    assert "run.sh: no Python of 3.10 to 3.13 on PATH" in done.stderr
    assert checkout.calls == []
    done = checkout.run("check", environment={"PYTHON": "python3"})
    assert done.returncode == 2
    assert "PYTHON=python3 is no Python of 3.10 to 3.13" in done.stderr


def test_python_without_venv_names_the_package(checkout: BareCheckout) -> None:
    """Debian's Python without its venv package is told apart, with the command that installs it."""
    checkout.say("no_venv")
    done = checkout.run("check")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("install it: apt-get install python3-venv")


@pytest.mark.parametrize("poetry", ["1.8.3", "2.1.9", "unknown"])
def test_unfit_poetry_is_replaced_by_a_private_one(checkout: BareCheckout, poetry: str) -> None:
    """A Poetry that is too old is left alone; a private one of a fixed version reads the lock."""
    checkout.say("poetry", poetry)
    assert checkout.run("check").returncode == 0
    assert checkout.calls[1] == "venv .poetry"
    assert re.search(r"\.poetry/bin/python -m pip install .* poetry==[\d.]+ poetry-plugin-export==", checkout.calls[2])
    assert checkout.calls[3].startswith(".poetry/bin/python -m poetry export")


def test_private_poetry_is_kept(checkout: BareCheckout) -> None:
    """The private Poetry is installed once."""
    checkout.remove("poetry")
    checkout.run("check")
    checkout.unsay("calls")
    checkout.run("test")
    assert [call.split()[0] for call in checkout.calls] == [".poetry/bin/python", ".venv/bin/python", "run"]


def test_poetry_without_export_installs_by_itself(checkout: BareCheckout) -> None:
    """A Poetry that cannot export installs the locked set itself, where the index lets it."""
    checkout.say("no_export")
    assert checkout.run("check").returncode == 0
    assert checkout.calls == ["venv .venv", "poetry install --no-interaction --only main", "run -m main check"]


def test_poetry_that_the_index_does_not_serve_is_replaced(checkout: BareCheckout) -> None:
    """Where the index has no JSON API for Poetry, pip takes the exported set from it."""
    checkout.say("no_export")
    checkout.say("no_json")
    done = checkout.run("check")
    assert done.returncode == 0
    assert "could not install from this index" in done.stderr
    assert checkout.calls[-2].startswith(f"{PIP} --no-deps --require-hashes")


def test_machine_without_flock_installs(checkout: BareCheckout) -> None:
    """Where there is no flock, the set-up works without its lock."""
    checkout.remove("flock")
    assert checkout.run("check").returncode == 0
