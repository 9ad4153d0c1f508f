"""The monitor of HEALTHCHECK_URL hears of every run, and can do it no harm."""

from __future__ import annotations

import signal
import socket
from datetime import datetime, timezone

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from adapters.files.locks import ProcessLock
from tests.support import faults
from tests.support.faulty_source import FaultySource
from tests.support.installation import JOB, Installation
from tests.support.price_audit import PriceAudit

CHECK = "/ping/5f0e1d2c-check-of-tests"


@pytest.fixture
def monitor(httpserver: HTTPServer, program: Installation) -> HTTPServer:
    """A monitor that takes every ping; its address is one more secret."""
    httpserver.expect_request(f"{CHECK}/start", method="POST").respond_with_data("OK")
    httpserver.expect_request(f"{CHECK}/fail", method="POST").respond_with_data("OK")
    httpserver.expect_request(CHECK, method="POST").respond_with_data("OK")
    program.settings["HEALTHCHECK_URL"] = httpserver.url_for(CHECK)
    program.secrets += (CHECK.rpartition("/")[2],)
    return httpserver


def pings(monitor: HTTPServer) -> list[str]:
    """The events that the monitor was told, in order; ``""`` is success."""
    return [request.path.removeprefix(CHECK) for request, _ in monitor.log]


def test_failed_run_pings_the_failure_with_its_log(
    monitor: HTTPServer, program: Installation, source: FaultySource
) -> None:
    source.faults.push(faults.refused(1001), path="/quotes/latest")
    assert program.run_job().code == 1
    assert pings(monitor) == ["/start", "/fail"]
    told = monitor.log[-1][0].get_data(as_text=True)
    assert "coin chosen" in told
    assert "This API Key is invalid" in told.splitlines()[-1]
    assert source.key not in told


@pytest.mark.parametrize(
    ("settings", "words"), [({}, "This API Key is invalid"), ({"SYMBOLS": ""}, "at least one symbol")]
)
def test_failed_run_alerts_once_its_lock_is_free(
    program: Installation, source: FaultySource, settings: dict[str, str], words: str
) -> None:
    """ALERT_COMMAND receives the log on stdin; a success, a dry run and a run that found the lock held send nothing."""
    found = program.root / "alert"
    program.settings["ALERT_COMMAND"] = f"ls {program.lock_note} >> {found} 2>&1; cat >> {found}"
    assert program.run_job().code == 0
    source.faults.push(faults.refused(1001), path="/quotes/latest")
    with ProcessLock(program.data / "locks" / f"{JOB}.lock", task="other", clock=program.clock):
        assert program.run_job().code == 75
    assert not found.exists()
    assert program.run_job(**settings).code in {1, 2}
    no_lock, first, *lines = found.read_text().splitlines()
    assert "No such file" in no_lock
    assert first == f"data-processor on {socket.gethostname()}: {JOB} run failed"
    assert words in "\n".join(lines)


def test_alert_ended_by_ctrl_c_is_one_line(program: Installation) -> None:
    """The command may wait for something; its session is its own."""
    ended = program.run_job(SYMBOLS="", ALERT_COMMAND="kill -INT $PPID; cat")
    assert ended.code == 130
    assert "ended by Ctrl-C" in ended.log.splitlines()[-1]


@pytest.mark.parametrize(("name", "value"), [("SYMBOLS", ""), ("CLICKHOUSE_PORT", "x"), ("DATA_PATH", " ")])
def test_wrong_settings_ping_the_failure(monitor: HTTPServer, program: Installation, name: str, value: str) -> None:
    """The address itself is right."""
    assert program.run_job(**{name: value}).code == 2
    assert pings(monitor) == ["/start", "/fail"]
    assert f"{name}: " in monitor.log[-1][0].get_data(as_text=True)


def test_heal_pings_a_check_of_its_own(monitor: HTTPServer, program: Installation, source: FaultySource) -> None:
    """Start and end of a heal go to HEALTHCHECK_URL_HEAL alone; a dry one, one without it and a backfill none."""
    own = "/ping/heal-check"
    for event in ("/start", "/fail", ""):
        monitor.expect_request(f"{own}{event}", method="POST").respond_with_data()
    url = monitor.url_for(own)
    assert program.run_job("backfill", "3").code == program.run_job("heal", "3").code == 0
    assert program.run_job("heal", "3", "--dry-run", HEALTHCHECK_URL_HEAL=url).code == 0
    assert pings(monitor) == []
    assert program.run_job("heal", "3", HEALTHCHECK_URL_HEAL=url).code == 0
    source.faults.push(faults.refused(1001), path="/key/info")
    assert program.run_job("heal", "3", HEALTHCHECK_URL_HEAL=url).code == 1
    assert [request.path for request, _ in monitor.log] == [f"{own}/start", own, f"{own}/start", f"{own}/fail"]


def test_sigterm_pings_the_failure(monitor: HTTPServer, program: Installation, source: FaultySource) -> None:
    """Of the run that has the lock; another one meanwhile pings nothing."""
    job, _ = faults.hung(program, source)
    assert program.run_job().code == 75
    assert job.end(signal.SIGTERM).code == 143
    assert pings(monitor) == ["/start", "/fail"]


def test_sigterm_while_the_monitor_is_pinged(program: Installation) -> None:
    """The signal ends the process, which a shell shows as 143; what it leaves behind hinders no later run."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        job = program.start_job(HEALTHCHECK_URL=f"http://127.0.0.1:{server.getsockname()[1]}{CHECK}")
        connection, _ = server.accept()
        with connection:
            assert job.end(signal.SIGTERM).code == -signal.SIGTERM
    assert program.run_job().code == 0


@pytest.mark.parametrize("kind", ["refused", "silent", "500", "redirect", "no address"])
def test_failing_monitor_does_not_fail_the_run(
    kind: str, program: Installation, httpserver: HTTPServer, table: PriceAudit
) -> None:
    answer = Response(status=302, headers={"Location": "/elsewhere"}) if kind == "redirect" else Response(status=500)
    httpserver.expect_request(CHECK).respond_with_response(answer)
    httpserver.expect_request(f"{CHECK}/start").respond_with_response(answer)
    program.secrets += (CHECK.rpartition("/")[2],)
    began = datetime.now(timezone.utc)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never says a word
        url = {
            "refused": f"http://127.0.0.1:9{CHECK}",
            "silent": f"http://127.0.0.1:{silent.getsockname()[1]}{CHECK}",
            "no address": f"http://no-such-host.invalid{CHECK}",
        }.get(kind, httpserver.url_for(CHECK))
        run = program.run_job(HEALTHCHECK_URL=url)
    assert (datetime.now(timezone.utc) - began).total_seconds() < 20
    assert run.code == 0, run.log
    assert "monitor not reached" in run.log
    assert "/elsewhere" not in [request.path for request, _ in httpserver.log]
    table.assert_right()
