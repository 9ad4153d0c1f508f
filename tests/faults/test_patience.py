"""A run does not give up while there is time: the attempts do not count, only its limit does."""

from __future__ import annotations

import pytest

from tests.support import faults
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.faulty_source import Fault, FaultySource
from tests.support.installation import Installation
from tests.support.price_audit import PriceAudit

LATEST = "/quotes/latest"
TIMES = 5
"""More failures than five tries outlast."""


def test_source_failing_repeatedly_loses_no_hour(
    program: Installation, source: FaultySource, table: PriceAudit
) -> None:
    """The hour is stored at the sixth try; the log has one line of the failures within the minute."""
    source.faults.push(faults.gateway_error(503), path=LATEST, times=TIMES)
    run = program.run_job()
    assert run.code == 0, run.log
    assert len([request for request in source.requests if request.path.endswith(LATEST)]) == TIMES + 1
    assert run.log.count("retry scheduled") == 1
    assert "stamina" not in run.log
    table.assert_right(3)


def test_database_failing_repeatedly_is_retried(
    program: Installation, front: ClickHouseFront, table: PriceAudit
) -> None:
    """Rows go in by the run that fetched them, not by the next."""
    front.fail("error", "INSERT", times=TIMES, code=252)
    run = program.run_job()
    assert run.code == 0, run.log
    assert "stamina" not in run.log
    assert (program.spooled, len(table.rows())) == ([], 3)


@pytest.mark.parametrize(
    ("fault", "words", "requests"),
    [(faults.refused(1010), "the month's credits are used up", 1), (faults.gateway_error(503), "HTTP 503", TIMES + 1)],
)
def test_spool_is_stored_although_the_source_fails(
    fault: Fault,
    words: str,
    requests: int,
    program: Installation,
    front: ClickHouseFront,
    *,
    source: FaultySource,
    table: PriceAudit,
) -> None:
    """The source is given up in time for what waits in the spool to be stored."""
    front.refuse()
    assert program.run_job(RUN_TIMEOUT_SECONDS="3").code == 1
    front.listen()
    source.requests.clear()
    source.faults.push(fault, path=LATEST, times=99)
    run = program.run_job(RUN_TIMEOUT_SECONDS="20")
    assert (run.code, len(run.errors), words in run.errors[0]) == (1, 1, True), run.log
    assert "not done within" not in run.log
    assert len([request for request in source.requests if request.path.endswith(LATEST)]) >= requests
    assert program.spooled == []
    table.assert_right(3)
