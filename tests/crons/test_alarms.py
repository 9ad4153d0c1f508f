"""What the monitor and ALERT_COMMAND are told."""

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
from crons.job import JobContext, Request
from crons.registry import JOBS, MAIN_JOB
from crons.resources import Resources
from tests.support.eventually import eventually
from tests.support.settings import make_settings

NOW = datetime(2026, 11, 23, 12, 7, 9, tzinfo=timezone.utc)


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
    settings = make_settings(healthcheck_url=httpserver.url_for("/ping?create=1"))
    run = JobContext(Request(MAIN_JOB), JOBS[MAIN_JOB], Resources(settings, task="test", clock=lambda: NOW))
    run.report.failures.append("no valid price")
    with suppress(KeyError), monitored(run):
        if error:
            raise error
    [_, (failure, _)] = httpserver.log
    assert failure.path == "/ping/fail"
    assert failure.get_data(as_text=True).splitlines()[-1] == words
