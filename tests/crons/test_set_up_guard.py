"""A set-up that is older than the checkout: what lacks is one line with what to run, and the monitor hears of it."""

from __future__ import annotations

import shutil
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from commands.check import check_set_up
from commands.screen import stale_groups
from crons.set_up_guard import lacks
from tests.support.installation import Installation
from tests.support.stepped_clock import SteppedClock

NOW = datetime(2026, 11, 23, 9, 5, 7, tzinfo=timezone.utc)
CHECKS = {"run": "/ping/hourly-secret", "heal": "/ping/heal-secret"}
GONE = "raise ModuleNotFoundError(\"No module named '{0}'\", name='{0}')\n"


@pytest.fixture
def program(tmp_path: Path) -> Installation:
    """A checkout whose folder ``shims`` goes before what is installed."""
    made = Installation.make(tmp_path / "checkout", clock=SteppedClock(NOW), settings={})
    shims = made.root / "shims"
    shims.mkdir()
    made.settings["PYTHONPATH"] = f"{shims}:{made.root / 'src'}"
    return made


@pytest.fixture
def monitor(httpserver: HTTPServer, program: Installation) -> HTTPServer:
    """A check for the run and one for the heal, both in ``.env``."""
    for path in CHECKS.values():
        for event in ("/start", "/fail", ""):
            httpserver.expect_request(f"{path}{event}", method="POST", query_string="create=1").respond_with_data()
    run, heal = (httpserver.url_for(f"{CHECKS[kind]}?create=1") for kind in ("run", "heal"))
    (program.root / ".env").write_text(
        f"# mine\nexport HEALTHCHECK_URL='{run}'  # hourly\nHEALTHCHECK_URL_HEAL={heal}\n"
    )
    return httpserver


@pytest.mark.parametrize(
    ("package", "text"),
    [
        ("structlog", GONE.format("structlog")),
        ("pydantic_settings", GONE.format("pydantic_settings")),
        ("pydantic_settings", "class Other: ...\n"),
        ("msgspec", GONE.format("msgspec")),
    ],
    ids=["not there", "another not there", "another version", "loaded late"],
)
@pytest.mark.parametrize("arguments", [[], ["heal", "24"]], ids=["run", "heal"])
def test_a_package_that_is_not_there_is_one_line_and_a_ping(
    program: Installation, monitor: HTTPServer, package: str, text: str, arguments: list[str]
) -> None:
    """Exit code 1, no traceback, what to run; the check of that command is told, without a secret in the log."""
    (program.root / "shims" / f"{package}.py").write_text(text)
    done = program.start("-m", "crons.run", "cmc_hourly_prices", *arguments).ended()
    assert done.code == 1
    [line] = done.log.splitlines()
    assert f"the set-up lacks {package}" in line
    assert "./run.sh install" in line
    assert "secret" not in line
    [(request, _)] = monitor.log
    assert request.path == f"{CHECKS['heal' if arguments else 'run']}/fail"
    assert "./run.sh install" in request.get_data(as_text=True)


@pytest.mark.parametrize("arguments", [["backfill", "5"], ["heal", "5", "--dry-run"]])
def test_what_a_person_watches_pings_nobody(program: Installation, monitor: HTTPServer, arguments: list[str]) -> None:
    """As when it runs."""
    (program.root / "shims" / "structlog.py").write_text(GONE.format("structlog"))
    assert program.start("-m", "crons.run", "cmc_hourly_prices", *arguments).ended().code == 1
    assert monitor.log == []


def test_a_package_that_is_needed_late_is_no_defect_of_the_program(program: Installation) -> None:
    """One that is imported in the middle of a run: the same words."""
    (program.root / "shims" / "httpx.py").write_text(GONE.format("httpx"))
    done = program.start("-m", "main", "check").ended()
    assert "the set-up lacks httpx" in done.log + done.out
    assert "defect" not in done.log
    assert "./run.sh install" in done.log + done.out


@pytest.mark.parametrize(
    ("error", "package"),
    [
        (ModuleNotFoundError("x", name="msgspec"), "msgspec"),
        (ImportError("x", name="stamina.instrumentation"), "stamina"),
        (ModuleNotFoundError("x", name="adapters.http.gone"), ""),
        (ModuleNotFoundError("x", name="crons"), ""),
        (ImportError("x"), ""),
        (ValueError("x"), ""),
        (None, ""),
    ],
    ids=str,
)
def test_our_own_modules_are_no_package(error: BaseException | None, package: str) -> None:
    """One of them that is not there is a defect of the program, or of the checkout."""
    assert lacks(error) == package


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout that run.sh set up: a stamp for each file, as it writes them."""
    (tmp_path / ".venv").mkdir()
    for group, name in (("main", "requirements.txt"), ("engine", "requirements-engine.txt")):
        shutil.copy(Path(__file__).parents[2] / name, tmp_path / name)
        with (tmp_path / name).open() as file:
            sum_of = subprocess.run(["cksum"], stdin=file, capture_output=True, text=True, check=True).stdout.strip()
        (tmp_path / ".venv" / f".installed-{group}").write_text(f"{sum_of} 3.11\n")
    return tmp_path


@pytest.mark.parametrize(
    "changed", [[], ["requirements.txt"], ["requirements-engine.txt", "requirements.txt"]], ids=str
)
def test_a_set_up_older_than_the_checkout_is_seen(root: Path, changed: list[str]) -> None:
    """Each file that has changed since is named, with what to run."""
    for name in changed:
        with (root / name).open("a") as file:
            file.write("new-package==1.0\n")
    assert sorted(stale_groups(root)) == changed
    found = check_set_up(stale_groups(root))
    assert (found.state, found.next_step) == (("warn", "./run.sh install") if changed else ("ok", ""))
    assert all(name in found.detail for name in changed)


def test_a_set_up_of_another_kind_is_not_judged(tmp_path: Path) -> None:
    """Without a stamp it was not made by run.sh."""
    (tmp_path / ".venv").mkdir()
    assert stale_groups(tmp_path) == []
    assert stale_groups(tmp_path / "nowhere") == []
