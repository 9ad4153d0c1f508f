"""The developer guide, followed word for word in a copy of the program."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from configurations.config import PROJECT_ROOT
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.crontab_program import CrontabProgram
from tests.support.installation import Installation
from tests.support.price_table import Sql
from tests.support.process import run_program
from tests.support.stepped_clock import SteppedClock

GUIDE = (PROJECT_ROOT / "docs" / "adding-a-pipeline.md").read_text()
FILES = dict(re.findall(r"^`([\w./]+)`:\n```(?:python|sql)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL))
SETTINGS, NAME = re.findall(r"^```python\n((?: {4}.+\n)+)```$", GUIDE, re.MULTILINE)
COMMANDS = re.findall(r"^ {4}\./run\.sh (.+)$", GUIDE, re.MULTILINE)
JOB = "fx_hourly_rates"
EDITED = {
    "src/configurations/config.py": ("    no_color: str = ", SETTINGS),
    "src/crons/registry.py": ('    "binance_hourly_prices",\n', NAME),
}
"""File to the line before which the guide's lines go, and the lines."""


@pytest.fixture
def house(
    tmp_path: Path, front: ClickHouseFront, database: str, httpserver: HTTPServer, clock: SteppedClock
) -> Iterator[Installation]:
    """A copy of the program with the guide's pipeline in it, its database a server, its Frankfurter the test's."""
    (tmp_path / "bin").mkdir()
    CrontabProgram(tmp_path / "bin").make()
    settings = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "NO_PROXY": "127.0.0.1",
        **front.variables(database),
        "FRANKFURTER_BASE_URL": httpserver.url_for(""),
        "RUN_TIMEOUT_SECONDS": "20",
    }
    made = Installation.make(tmp_path / "checkout", clock=clock, settings=settings)
    follow_guide(made.root)
    yield made
    made.end_all()


def follow_guide(root: Path) -> None:
    """Write the guide's files and lines beside a copy of ``src``, and put there what a developer has."""
    shutil.copytree(PROJECT_ROOT / "tests", root / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", ".importlinter"):
        shutil.copy(PROJECT_ROOT / name, root)
    for name, text in FILES.items():
        (root / name).write_text(text)
    for name, (before, lines) in EDITED.items():
        text = (root / name).read_text()
        assert text.count(before) == 1
        (root / name).write_text(text.replace(before, f"{lines}{before}"))


def answer(httpserver: HTTPServer, **rates: float) -> None:
    """Have Frankfurter answer with these rates of each day."""

    def days(request: Request) -> Response:
        first, last = (date.fromisoformat(day) for day in request.path.rpartition("/")[2].split(".."))
        every = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        return Response(json.dumps({"base": "EUR", "rates": {str(day): rates for day in every}}))

    path = re.compile(r"/v1/[\d-]{10}\.\.[\d-]{10}")
    httpserver.expect_request(path, query_string="base=EUR&symbols=USD,GBP").respond_with_handler(days)


def test_commands_of_the_guide_work(house: Installation, httpserver: HTTPServer, sql: Sql) -> None:
    """Each one, in order, its own test too; and the job is backed up, dropped and restored like any other."""
    answer(httpserver, USD=1.1512, GBP=0.8801)
    *commands, test = COMMANDS
    done = {command: house.command(*command.split()) for command in commands}
    failed = {command: one.log + one.out for command, one in done.items() if one.code and command != "check"}
    assert failed == {}
    tested = run_program(sys.executable, "-m", "pytest", "-q", *test.split()[1:], folder=house.root, PYTHONPATH="src")
    assert tested.returncode == 0, tested.stdout
    assert "answers with 2 rates" in done["check"].out
    assert "96 stored" in done[f"cron_backfill {JOB} 48"].log
    assert "hours_asked=0" in done[f"cron_heal {JOB} 48"].log
    assert JOB in done["jobs"].out
    count = "SELECT count(), uniqExact(symbol, datetime) FROM crypto.fx_rates"
    before = sql(count)
    restore = re.search(r"\./run\.sh (restore \S+)", house.command("drop_db", "--yes").out)
    assert restore is not None
    assert house.command(*restore[1].split()).code == 0
    assert sql(count) == before


def test_source_without_a_past_refuses_past_hours(house: Installation) -> None:
    job = house.root / "src" / "crons" / "jobs" / f"{JOB}.py"
    job.write_text(job.read_text().replace("    backfill=backfill,\n", ""))
    for command in (("cron_backfill", JOB, "3"), ("cron_heal", JOB), ("setup_cron", JOB, "--heal")):
        refused = house.command(*command)
        assert (refused.code, "no backfill and no heal" in refused.log) == (2, True)


@pytest.mark.parametrize(
    "check",
    [
        ["ruff", "check", *EDITED],
        ["ruff", "format", "--check", *EDITED],
        ["mypy", "--no-incremental", *EDITED],
        ["lint-imports"],
    ],
    ids=lambda check: " ".join(check[:2]),
)
def test_code_of_the_guide_passes_the_checks(tmp_path: Path, check: list[str]) -> None:
    """It is linted, formatted and typed like all other code; its imports go downwards."""
    shutil.copytree(PROJECT_ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    follow_guide(tmp_path)
    program, *arguments = check
    files = [name for name in FILES if name.endswith(".py")] if arguments else []
    done = run_program(Path(sys.executable).with_name(program), *arguments, *files, folder=tmp_path, PYTHONPATH="src")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
