"""The monitor learns what a run did, and a run does not depend on it."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from pytest_httpserver import HTTPServer

from adapters._bases.errors import SourceRejected
from configurations.logs import set_up_logging
from crons.job import RunReport
from crons.runner import monitored
from tests.support.settings import make_settings

NOW = datetime(2026, 11, 23, 9, 5, 7, tzinfo=timezone.utc)


@pytest.fixture
def url(httpserver: HTTPServer) -> str:
    """A monitor's address with a query, as healthchecks.io's slugs have."""
    for event in ("/start", "/fail", ""):
        httpserver.expect_request(f"/ping/secret{event}", method="POST", query_string="create=1").respond_with_data()
    return httpserver.url_for("/ping/secret?create=1")


def pings(httpserver: HTTPServer) -> list[tuple[str, str]]:
    """The pings that came: what follows the address, and the body."""
    return [
        (request.path.removeprefix("/ping/secret"), request.get_data(as_text=True)) for request, _ in httpserver.log
    ]


def test_no_address_no_ping() -> None:
    """The run's report comes back, and that is all."""
    report = RunReport(inserted=3)
    assert monitored(None, lambda: report, clock=lambda: NOW) is report


def test_good_run_pings_start_and_success(url: str, httpserver: HTTPServer) -> None:
    """Its start and its end, without a word."""
    monitored(url, RunReport, clock=lambda: NOW)
    assert pings(httpserver) == [("/start", ""), ("", "")]


def test_run_with_failures_pings_failure(url: str, httpserver: HTTPServer) -> None:
    """They are the last lines of the ping."""
    monitored(url, lambda: RunReport(failures=["no valid price"]), clock=lambda: NOW)
    event, text = pings(httpserver)[-1]
    assert event == "/fail"
    assert text.splitlines()[-1] == "no valid price"


@pytest.mark.parametrize(
    ("error", "words"), [(SourceRejected("the key is not valid"), "the key is not valid"), (KeyError("x"), "KeyError")]
)
def test_run_that_raises_pings_failure(url: str, httpserver: HTTPServer, error: Exception, words: str) -> None:
    """The error passes through; the ping has its message, of an unexpected one only the kind."""

    def run() -> RunReport:
        raise error

    with pytest.raises(type(error)):
        monitored(url, run, clock=lambda: NOW)
    event, text = pings(httpserver)[-1]
    assert event == "/fail"
    assert words in text


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/secret", "http://no-such-host.invalid/secret"])
def test_unreachable_monitor_is_a_warning(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Twice, for start and end; the address, which is a secret, is in none."""
    set_up_logging(make_settings(log_format="json"), lambda: NOW)
    report = RunReport()
    assert monitored(url, lambda: report, clock=lambda: NOW) is report
    log = capsys.readouterr().err
    assert log.count("HEALTHCHECK_URL") == 2
    assert "secret" not in log
