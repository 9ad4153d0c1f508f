"""What a run costs, and what its monitor learns of it."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from configurations.config import Secret
from configurations.logs import set_up_logging
from crons.alarms import alert, monitored
from crons.job import Request, RunReport
from crons.registry import JOBS
from crons.runner import execute
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.eventually import eventually
from tests.support.faulty_source import FaultySource
from tests.support.settings import make_settings
from tests.support.stepped_clock import SteppedClock

JOB = JOBS["cmc_hourly_prices"]
NOW = datetime(2026, 11, 23, 12, 7, 9, tzinfo=timezone.utc)
MOST_ROUND_TRIPS = 9


@pytest.mark.parametrize("changes", ["", "insert"])
def test_repeated_run_makes_few_round_trips(
    changes: str, front: ClickHouseFront, database: str, tmp_path: Path
) -> None:
    """In an hour that is stored, and in the next hour; the driver's handshake included."""
    clock = SteppedClock(NOW)
    with FaultySource(clock=clock) as source:
        settings = make_settings(
            **front.variables(database),
            clickhouse_changes=changes,
            cmc_api_key=source.key,
            cmc_base_url=source.base_url,
            data_path=tmp_path,
        )
        reports = []
        for now in (NOW, NOW.replace(minute=20), NOW.replace(hour=13)):
            clock.now = now
            front.statements.clear()
            reports.append(execute(Request("cmc_hourly_prices"), JOB, settings, clock))
            assert len(front.statements) <= MOST_ROUND_TRIPS or len(reports) == 1
    assert reports[1].updated == 3


@pytest.mark.parametrize(
    ("command", "reason"),
    [("exit 3", "exit code 3"), ("sleep 60 & sleep 60", "killed after 0.5 s"), ("head -c 1 > /dev/null", "")],
)
def test_failure_of_an_alert_is_a_warning(
    command: str, reason: str, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Its whole process group is killed when its time is up."""
    set_up_logging(None, lambda: NOW)
    alert(Secret(f"echo $$ > {tmp_path}/group; {command}"), "what", "text\n" * 100_000, limit_seconds=0.5)
    assert capfd.readouterr().err.count("ALERT_COMMAND failed") == bool(reason)
    eventually(lambda: not groups_alive(int((tmp_path / "group").read_text())))


def groups_alive(group: int) -> bool:
    """Whether a process of the group still runs."""
    with suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False


@pytest.mark.parametrize(
    ("error", "words"), [(None, "no valid price"), (KeyError("a secret"), "unexpected error: KeyError")], ids=str
)
def test_failed_run_pings_failure(httpserver: HTTPServer, error: KeyError | None, words: str) -> None:
    """With what stopped it; the address may have a query, as healthchecks.io's slugs have."""
    for event in ("/start", "/fail"):
        httpserver.expect_request(f"/ping{event}", method="POST", query_string="create=1").respond_with_data()
    report = RunReport(failures=["no valid price"])
    with suppress(KeyError), monitored(httpserver.url_for("/ping?create=1"), report, clock=lambda: NOW):
        if error:
            raise error
    [_, (failure, _)] = httpserver.log
    assert failure.path == "/ping/fail"
    assert failure.get_data(as_text=True).splitlines()[-1] == words
