"""run.sh: what it shows, what it hands to Python, and how it sets itself up. No test here reaches a network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from configurations.config import VERSION
from tests.support.bare_checkout import UV, BareCheckout
from tests.support.eventually import PATIENCE_SECONDS

HASHED = "--no-deps --require-hashes"
MAIN, ENGINE, XLSX, DEV, BENCH = (f"requirements{group}" for group in ("", "-engine", "-xlsx", "-dev", "-bench"))


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


def installed(checkout: BareCheckout) -> list[str]:
    """The files of requirements that were installed, in order."""
    return re.findall(
        rf"install .*{HASHED} --requirement \S+ \S+ \S+/(requirements\S*)\.txt", "\n".join(checkout.calls)
    )


@pytest.mark.parametrize("arguments", [(), ("help",), ("--help",), ("-h",)])
def test_help_installs_nothing(checkout: BareCheckout, arguments: tuple[str, ...]) -> None:
    """It needs no Python, and fits a terminal."""
    files = checkout.files()
    done = checkout.run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall(r"^([A-Z]\w+)$", done.stdout, re.MULTILINE) == ["Start", "Look", "Repair", "Remove", "Develop"]
    assert checkout.run("--version").stdout == f"data-processor {VERSION}\n"
    assert (checkout.files(), checkout.calls) == (files, [])


@pytest.mark.parametrize("word", ["statsu", "cd", "*", "", "check() {\nx", "Exit"])
def test_unknown_command_installs_nothing(checkout: BareCheckout, word: str) -> None:
    done = checkout.run(word)
    assert (done.returncode, done.stdout, checkout.calls) == (2, "", [])
    assert "./run.sh help" in done.stderr


def test_unknown_command_reaches_python_once_installed(ready: BareCheckout) -> None:
    ready.run("statsu")
    assert ready.calls == ["run statsu"]


@pytest.mark.parametrize("arguments", [("status", "--help"), ("cron_run", "x", "-h"), ("help", "status")])
def test_help_of_a_command_needs_no_engine(checkout: BareCheckout, arguments: tuple[str, ...]) -> None:
    """In a fresh clone it waits for the small packages alone."""
    checkout.run(*arguments)
    assert installed(checkout) == [MAIN]
    assert checkout.calls[-1] == ("run status --help" if "help" in arguments else f"run {' '.join(arguments)}")


def test_command_becomes_python_with_its_arguments(ready: BareCheckout, tmp_path: Path) -> None:
    """The same process, in the caller's folder, with arguments as they are, called through links from anywhere."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.symlink_to(ready.root / "run.sh")
    second.symlink_to("first")
    command = [str(second), "setup_cron", "--schedule", "0 * * * *"]
    with subprocess.Popen(command, cwd=tmp_path, env=ready.environment) as process:
        assert process.wait(timeout=PATIENCE_SECONDS) == 0
    assert ready.calls == ["run setup_cron --schedule 0 * * * *"]
    pid, cwd, path, _ = (ready.state / "process").read_text().splitlines()
    assert (int(pid), cwd, path) == (process.pid, str(tmp_path), f"{ready.root}/src")


def test_checkout_without_run_bits_works(ready: BareCheckout) -> None:
    (ready.root / "run.sh").chmod(0o644)
    subprocess.run(["bash", "run.sh", "clean"], cwd=ready.root, env=ready.environment, check=True, capture_output=True)
    assert ready.calls == ["run clean"]


def test_first_command_installs_with_hashes(checkout: BareCheckout) -> None:
    done = checkout.run("check", PYTHONPATH="/elsewhere", PYTHONOPTIMIZE="2")
    assert (done.returncode, done.stdout) == (0, "")
    assert installed(checkout) == [MAIN, ENGINE]
    assert checkout.calls[0] == "venv .venv"
    assert checkout.calls[-1] == "run check"
    assert checkout.installed_with.keys().isdisjoint({"PYTHONPATH", "PYTHONOPTIMIZE"})


def test_only_options_of_fetching_count(checkout: BareCheckout) -> None:
    """Of PIP_*, UV_* and pip.conf, whose index, certificate and timeout count unless a variable says otherwise."""
    checkout.say(
        "pip.conf",
        "global.cert='/general.pem'\nglobal.constraint='/c.txt'\nglobal.no-binary=':all:'\nglobal.timeout='9'\n"
        "global.extra-index-url='\\nhttps://a.example/x\\nhttps://b.example/x'\ninstall.cert='/own.pem'\n",
    )
    kept = {
        "PIP_INDEX_URL": "https://c.example",
        "PIP_TIMEOUT": "7",
        "UV_INDEX_MINE_PASSWORD": "x",
        "UV_CACHE_DIR": "/c",
    }
    named = "PIP_CONSTRAINT PIP_TARGET PIP_USER PIP_REQUIRE_VIRTUALENV PIP_QUIET PIP_PYTHON PIP_ONLY_BINARY UV_TARGET"
    lost = dict.fromkeys([*named.split(), "UV_PYTHON", "UV_OFFLINE", "UV_CONSTRAINT", "UV_NO_BINARY"], "1")
    assert checkout.run("check", **kept, **lost).returncode == 0
    found = {name: value for name, value in checkout.installed_with.items() if name.startswith(("PIP_", "UV_"))}
    found["PIP_EXTRA_INDEX_URL"] = found["PIP_EXTRA_INDEX_URL"].strip()
    assert found == {
        **kept, "PIP_EXTRA_INDEX_URL": "https://a.example/x https://b.example/x", "PIP_CERT": "/own.pem",
        "PIP_CONFIG_FILE": "/dev/null",
    }  # fmt: skip


def test_each_group_is_installed_when_first_needed(checkout: BareCheckout) -> None:
    """The rivals of bench in a folder of their own; changed requirements again, into the same environment."""
    checkout.run("check")
    checkout.unsay("calls")
    checkout.run("test")
    assert (installed(checkout), checkout.calls[-1]) == ([XLSX, DEV], "run test")
    checkout.unsay("calls")
    checkout.run("bench")
    assert (installed(checkout), checkout.calls[0]) == ([BENCH], "venv bench")
    assert ".venv/bench/bin/python -m pip install" in checkout.calls[1]
    checkout.unsay("calls")
    (checkout.root / "requirements.txt").write_text("second")
    checkout.run("check")
    assert (installed(checkout), checkout.calls[-1]) == ([MAIN], "run check")


@pytest.mark.parametrize(
    ("settings", "host", "engine"),
    [
        ("", None, True),
        ('CLICKHOUSE_HOST="Embedded"', None, True),
        ("CLICKHOUSE_HOST=", None, True),
        ("# CLICKHOUSE_HOST=db", None, True),
        ("SYMBOLS=BTC\nCLICKHOUSE_HOST=db.example", None, False),
        ("export CLICKHOUSE_HOST = 'db.example' # ours", None, False),
        ("clickhouse_host=db.example\r", None, False),
        ("CLICKHOUSE_HOST=db\nCLICKHOUSE_HOST=embedded", None, True),
        ("CLICKHOUSE_HOST=db", "embedded", True),
        ("CLICKHOUSE_HOST=embedded", "::1", False),
    ],
)
def test_server_needs_no_engine(checkout: BareCheckout, settings: str, host: str | None, *, engine: bool) -> None:
    """CLICKHOUSE_HOST of the environment, else of .env, decides; ``install`` installs more by its options."""
    (checkout.root / ".env").write_text(settings)
    environment = {"CLICKHOUSE_HOST": host} if host else {}
    checkout.run("check", **environment)
    assert installed(checkout) == [MAIN, *[ENGINE] * engine]
    checkout.run("install", "--xlsx", "--embedded", **environment)
    assert installed(checkout) == [MAIN, ENGINE, XLSX]


@pytest.mark.parametrize("works", [True, False])
def test_uv_installs_if_it_can(checkout: BareCheckout, *, works: bool) -> None:
    """Else pip, which may be configured for an index that uv does not know."""
    checkout.add("uv", UV)
    if not works:
        checkout.say("no_uv")
    assert checkout.run("check", UV_TARGET="/elsewhere").returncode == 0
    assert installed(checkout) == [MAIN, ENGINE] if works else [MAIN, MAIN, ENGINE, ENGINE]
    assert checkout.calls[1].startswith("uv pip install --python .venv/bin/python ")
    assert "UV_TARGET" not in checkout.installed_with


def test_failed_installation_is_retried(checkout: BareCheckout) -> None:
    """A machine for which there is no engine needs a server."""
    checkout.run("check", "--help")
    checkout.unsay("calls")
    checkout.say("failing")
    done = checkout.run("check")
    assert done.returncode == 1
    assert "the installation failed" in done.stderr
    assert "a ClickHouse server needs no engine" in done.stderr
    assert not any(call.startswith("run ") for call in checkout.calls)
    checkout.unsay("failing")
    assert checkout.run("check").returncode == 0
    assert checkout.calls[-1] == "run check"


def test_interrupted_installation_starts_over(ready: BareCheckout) -> None:
    (ready.root / ".venv/.installing").touch()
    assert ready.run("check").returncode == 0
    assert ready.calls[0] == "venv .venv"
    assert not (ready.root / ".venv/.installing").exists()


def test_two_commands_install_once(checkout: BareCheckout) -> None:
    checkout.run("install")
    checkout.unsay("calls")
    (checkout.root / "requirements.txt").write_text("second")
    os.mkfifo(checkout.state / "gate")
    with checkout.start("check") as first:
        assert first.stderr
        assert any("at the gate" in line for line in first.stderr)
        with checkout.start("setup_db") as second:
            assert second.stderr
            assert "waiting" in second.stderr.readline()
            (checkout.state / "gate").write_text("go\n")
            assert first.wait(timeout=PATIENCE_SECONDS) == second.wait(timeout=PATIENCE_SECONDS) == 0
    assert installed(checkout) == [MAIN]
    assert sorted(checkout.calls[-2:]) == ["run check", "run setup_db"]


def test_other_python_makes_another_environment(ready: BareCheckout) -> None:
    """PYTHON of another version replaces the environment; of the same version it changes nothing."""
    ready.run("check", PYTHON="python3")
    assert ready.calls == ["run check"]
    other = ready.bin / "python3.13"
    other.write_text((ready.bin / "python3").read_text().replace("version=3.11", "version=3.13"))
    other.chmod(0o755)
    done = ready.run("check", PYTHON="python3.13")
    assert "using Python 3.13" in done.stderr
    assert "venv .venv" in ready.calls


@pytest.mark.parametrize("named", [{}, {"PYTHON": "python3"}], ids=["any", "PYTHON"])
@pytest.mark.parametrize(
    ("state", "content", "says"),
    [
        *(("version", version, "3.10 to 3.14") for version in ("2.7", "3.9", "3.15", "")),
        ("no_venv", "", "apt-get install python3-venv"),
    ],
)
def test_unfit_python_is_refused(
    checkout: BareCheckout, state: str, content: str, says: str, named: dict[str, str]
) -> None:
    checkout.say(state, content)
    done = checkout.run("check", **named)
    assert (done.returncode, says in done.stderr, checkout.calls) == (2, True, [])


@pytest.mark.parametrize("says", [None, "flock: 9: Bad file descriptor", "flock: 9: No locks available"])
def test_machine_without_locks_installs(checkout: BareCheckout, says: str | None) -> None:
    """Without the program it is silent; without support of the file system it warns once."""
    (checkout.bin / "flock").unlink()
    if says:
        checkout.add("flock", f"#!/bin/sh\necho '{says}' >&2\nexit 65\n")
    done = checkout.run("check")
    assert (done.returncode, done.stderr.count("no lock on")) == (0, bool(says))
    assert "another command" not in done.stderr


@pytest.mark.parametrize("streams", [">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_installs_whatever_takes_the_output(checkout: BareCheckout, streams: str) -> None:
    command = ["bash", "-c", f'"$0" check {streams}', str(checkout.root / "run.sh")]
    assert subprocess.run(command, env=checkout.environment, cwd=checkout.state, check=False).returncode == 0
    assert checkout.calls[-1] == "run check"


def test_texts_are_read_by_the_same_rules_in_every_language(checkout: BareCheckout) -> None:
    """In Turkish a lower I is not an i."""
    made = ["localedef", "-i", "tr_TR", "-f", "UTF-8", str(checkout.state / "tr_TR.UTF-8")]
    if not shutil.which("localedef") or subprocess.run(made, check=False, capture_output=True).returncode:
        pytest.skip("this machine has no sources of locales")
    (checkout.root / ".env").write_text("clickhouse_host=db.example")
    checkout.run("check", LOCPATH=str(checkout.state), LC_ALL="tr_TR.UTF-8")
    assert installed(checkout) == [MAIN]
    assert (checkout.state / "process").read_text().splitlines()[-1] == "tr_TR.UTF-8"
