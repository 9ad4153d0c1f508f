"""The developer guide, followed word for word in a copy of the program."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from configurations.config import PROJECT_ROOT
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.crontab_program import CrontabProgram
from tests.support.installation import Finished, Installation
from tests.support.stepped_clock import SteppedClock

GUIDE = (PROJECT_ROOT / "docs" / "adding-a-pipeline.md").read_text()
FILES = dict(re.findall(r"^`([\w./]+)`:\n\n```(?:python|sql)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL))
LINES = re.findall(r"^```python\n(from crons\.jobs\.\w+ import JOB as \w+\n)```$", GUIDE, re.MULTILINE)
COMMANDS = re.findall(r"^ {4}\./run\.sh (.+)$", GUIDE, re.MULTILINE)
JOB = "fx_hourly_rates"
REGISTRY = "src/crons/registry.py"
NOW = datetime(2026, 11, 23, 12, 7, 9, tzinfo=timezone.utc)
"""2026-11-23 15:37:09 in Tehran."""
HOUR = "2026-11-23 15:00:00"
_RUN_AT = PROJECT_ROOT / "tests" / "support" / "run_at.py"


@pytest.fixture
def house(tmp_path: Path, front: ClickHouseFront, database: str, httpserver: HTTPServer) -> Iterator[Installation]:
    """A copy of the program with the guide's pipeline in it, its database a server, its Frankfurter the test's."""
    (tmp_path / "bin").mkdir()
    CrontabProgram(tmp_path / "bin").make()
    settings = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "NO_PROXY": "127.0.0.1",
        "CLICKHOUSE_HOST": "127.0.0.1",
        "CLICKHOUSE_PORT": str(front.port),
        "CLICKHOUSE_USER": front.user,
        "CLICKHOUSE_PASSWORD": front.password,
        "CLICKHOUSE_DB": database,
        "FRANKFURTER_BASE_URL": httpserver.url_for(""),
        "RUN_TIMEOUT_SECONDS": "20",
    }
    made = Installation.make(tmp_path / "checkout", clock=SteppedClock(NOW), settings=settings)
    follow_guide(made.root)
    yield made
    made.end_all()


def follow_guide(root: Path) -> None:
    """Beside a copy of ``src`` put what a developer has beside it; write the guide's files, add its line.

    In a checkout where the guide was followed already, the copy is first taken back to before that.
    """
    shutil.copytree(PROJECT_ROOT / "tests", root / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", ".importlinter"):
        shutil.copy(PROJECT_ROOT / name, root)
    for name, text in FILES.items():
        (root / name).write_text(text)
    registry = root / REGISTRY
    without = registry.read_text().replace(LINES[0], "")
    jobs = re.findall(r"^from crons\.jobs\.\w+ import JOB as \w+\n", without, re.MULTILINE)
    registry.write_text(without.replace(jobs[-1], f"{jobs[-1]}{LINES[0]}"))


def answer(httpserver: HTTPServer, published: str = "2026-11-20", **rates: float) -> None:
    """Have Frankfurter answer with these rates from now on."""
    httpserver.clear()
    body = {"amount": 1.0, "base": "EUR", "date": published, "rates": rates}
    httpserver.expect_request("/v1/latest", query_string="base=EUR&symbols=USD,GBP").respond_with_json(body)
    past = re.compile(r"/v1/[\d-]{10}\.\.[\d-]{10}")

    def answer_past(request: Request) -> Response:
        first, last = (date.fromisoformat(day) for day in request.path.rpartition("/")[2].split(".."))
        days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        return Response(json.dumps({"base": "EUR", "rates": {str(day): rates for day in days}}))

    httpserver.expect_request(past, query_string="base=EUR&symbols=USD,GBP").respond_with_handler(answer_past)


def run_job(house: Installation, *arguments: str, **settings: str) -> Finished:
    """Run the new job, for which it is what the clock says."""
    return house.start(str(_RUN_AT), house.clock().isoformat(), JOB, *arguments, **settings).ended()


def as_started_by_run_sh(command: str) -> list[str]:
    """The arguments of Python behind a command of run.sh."""
    name, *rest = command.split()
    if name in {"cron_backfill", "cron_heal"}:
        job, *others = rest
        return ["-m", "crons.run", job, name.removeprefix("cron_"), *others]
    return {"cron_run": ["-m", "crons.run", *rest], "test": ["-m", "pytest", "-q", *rest]}.get(
        name, ["-m", "main", name, *rest]
    )


def stored(embedded: ClickHouseAdapter, database: str) -> list[tuple[object, ...]]:
    """What the table holds, a row for each that stands there."""
    return embedded.query(f"SELECT symbol, datetime, rate FROM {database}.fx_rates ORDER BY datetime, symbol")


def test_the_guide_adds_one_file_a_room_and_one_line() -> None:
    """Nothing that is there already is touched but the registry; no room gets two files but for the past.

    What is there already is a file with another text than the guide's: a developer who ended it has the guide's own.
    """
    there = {name: (PROJECT_ROOT / name).read_text() for name in FILES if (PROJECT_ROOT / name).exists()}
    assert [name for name, text in there.items() if text != FILES[name]] == []
    rooms = [Path(name).parent.name for name in FILES]
    assert {room: rooms.count(room) for room in rooms if rooms.count(room) > 1} == {"clickhouse": 2, "jobs": 3}
    assert len(FILES) == 9  # one of those three is the test
    assert all((PROJECT_ROOT / name).parent.is_dir() for name in FILES)
    assert len(LINES) == 1


def test_the_commands_of_the_guide_work(house: Installation, httpserver: HTTPServer) -> None:
    """Each one, in its order, its own tests too, ends with exit code 0; and `jobs` lists the job."""
    answer(httpserver, datetime.now(timezone.utc).date().isoformat(), USD=1.1512, GBP=0.8801)
    done = {command: house.start(*as_started_by_run_sh(command)).ended() for command in COMMANDS}
    assert {command: finished.code for command, finished in done.items()} == dict.fromkeys(COMMANDS, 0)
    assert {"jobs", f"cron_run {JOB}", f"cron_heal {JOB} 48", f"status {JOB}", "verify"} <= set(COMMANDS)
    assert "96 stored" in done[f"cron_backfill {JOB} 48"].log
    assert "hours_asked=0" in done[f"cron_heal {JOB} 48"].log
    assert f"./run.sh setup_cron {JOB}" in done["jobs"].out
    assert f"-m crons.run {JOB}" in done[f"setup_cron {JOB} --dry-run"].out
    assert "nothing needs attention" in done[f"status {JOB}"].out


def test_a_second_run_in_the_hour_updates(
    house: Installation, httpserver: HTTPServer, embedded: ClickHouseAdapter, database: str
) -> None:
    """One row for each symbol and hour: new values take the place of the old, the same ones are left alone."""
    answer(httpserver, USD=1.1512, GBP=0.8801)
    assert "inserted=2 updated=0 unchanged=0" in run_job(house).log
    answer(httpserver, USD=1.16, GBP=0.8801)
    assert "inserted=0 updated=1 unchanged=1" in run_job(house).log
    assert stored(embedded, database) == [("GBP", HOUR, 0.8801), ("USD", HOUR, 1.16)]


def test_a_database_that_is_away_costs_no_hour(
    house: Installation, httpserver: HTTPServer, front: ClickHouseFront, embedded: ClickHouseAdapter, database: str
) -> None:
    """What was fetched waits in the spool; the next run stores it under its own hour, also when the source is away."""
    answer(httpserver, USD=1.1512, GBP=0.8801)
    front.refuse()
    assert run_job(house, RUN_TIMEOUT_SECONDS="30").code == 1
    spool = house.data / "spool" / JOB
    assert len(list(spool.glob("*.spool"))) == 1
    front.listen()
    httpserver.clear()
    house.clock.advance(timedelta(hours=1))
    # Room for every try that the policy makes of a source that answers 500, whatever chance adds to its waits.
    failed = run_job(house, RUN_TIMEOUT_SECONDS="30")
    assert (failed.code, len(failed.errors)) == (1, 1)
    assert list(spool.glob("*.spool")) == []
    assert stored(embedded, database) == [("GBP", HOUR, 0.8801), ("USD", HOUR, 1.1512)]


def test_what_the_job_has_not_is_refused(house: Installation) -> None:
    """A source without a past has no backfill and no heal, by hand or by cron: exit code 2, and nothing is asked."""
    job = house.root / "src" / "crons" / "jobs" / f"{JOB}.py"
    lines = job.read_text().splitlines(keepends=True)
    job.write_text("".join(line for line in lines if not line.startswith(("    backfill=", "    heal="))))
    for arguments in (["backfill", "3"], ["heal"]):
        assert run_job(house, *arguments).code == 2
    refused = house.command("setup_cron", JOB, "--heal")
    assert refused.code == 2
    assert "no backfill and no heal" in refused.log


def test_every_command_knows_both_jobs(
    house: Installation, httpserver: HTTPServer, embedded: ClickHouseAdapter, database: str
) -> None:
    """Tables are made, looked at, dropped after a backup and put back, each by its own job."""
    answer(httpserver, datetime.now(timezone.utc).date().isoformat(), USD=1.1512, GBP=0.8801)
    assert house.command("setup_db").code == 0
    assert house.start("-m", "crons.run", JOB).ended().code == 0
    before = stored(embedded, database)
    assert "fx_rates: missing hours" in house.command("verify").out
    assert house.command("setup_cron", JOB).code == 0
    assert (
        "answers with 2 rates" in house.command("check", CMC_BASE_URL="http://127.0.0.1:1", RUN_TIMEOUT_SECONDS="2").out
    )
    dropped = house.command("drop_db", "--yes").out
    restore = re.search(rf"\./run\.sh (restore \S*fx_rates\S* --job {JOB})", dropped)
    assert restore is not None
    assert house.command(*restore[1].split()).code == 0
    assert len(before) == 2
    assert stored(embedded, database) == before


def test_a_job_that_is_merely_registered_needs_nobody(house: Installation) -> None:
    """Not in the crontab and never run: status of all jobs leaves it out; asked for it, it says so."""
    shown = house.command("status")
    assert (shown.code, JOB in shown.out) == (1, False)
    asked = house.command("status", JOB)
    assert (asked.code, f"no successful run yet: ./run.sh cron_run {JOB}" in asked.out) == (1, True)
    assert house.command("setup_cron", JOB).code == 0
    jobs = json.loads(house.command("status", "--json").out)["jobs"]
    assert [job["needs"] for job in jobs] == [
        [f"no successful run yet: ./run.sh cron_run {job['name']}"] for job in jobs
    ]


@pytest.mark.parametrize(
    "check",
    [
        ["ruff", "check", *FILES, REGISTRY],
        ["ruff", "format", "--check", *FILES, REGISTRY],
        ["mypy", "--no-incremental", *FILES, REGISTRY],
        ["lint-imports"],
    ],
    ids=lambda check: " ".join(check[:2]),
)
def test_the_code_of_the_guide_is_up_to_the_house(tmp_path: Path, check: list[str]) -> None:
    """Linted, formatted and typed like all other code; its imports go downwards."""
    shutil.copytree(PROJECT_ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    follow_guide(tmp_path)
    program, *arguments = check
    done = subprocess.run(
        [Path(sys.executable).with_name(program), *arguments],
        cwd=tmp_path,
        env={"PYTHONPATH": "src", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
