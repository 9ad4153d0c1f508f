"""How often a run asks the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from crons.jobs.cmc_hourly_prices import JOB
from crons.runner import Request, execute
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.faulty_source import FaultySource
from tests.support.settings import make_settings
from tests.support.stepped_clock import SteppedClock

MOST = 9


@pytest.fixture
def clock() -> SteppedClock:
    """Stands in the middle of an hour."""
    return SteppedClock(datetime(2026, 11, 23, 12, 7, 9, tzinfo=timezone.utc))


@pytest.fixture
def run(
    clock: SteppedClock, front: ClickHouseFront, database: str, tmp_path: Path
) -> Iterator[Callable[..., tuple[int, int]]]:
    """Run the job and give what it updated, and how many round trips it made, the driver's handshake included."""
    with FaultySource(clock=clock) as source:

        def run_once(changes: str = "") -> tuple[int, int]:
            front.statements.clear()
            settings = make_settings(
                clickhouse_host="127.0.0.1",
                clickhouse_port=front.port,
                clickhouse_user=front.user,
                clickhouse_password=front.password,
                clickhouse_db=database,
                clickhouse_changes=changes,
                cmc_api_key=source.key,
                cmc_base_url=source.base_url,
                symbols="BTC,ETH,SOL",
                data_path=tmp_path,
            )
            report = execute(Request("cmc_hourly_prices", JOB), settings, clock)
            return report.updated, front.round_trips

        yield run_once


@pytest.mark.parametrize("changes", ["", "insert"])
def test_a_repeated_run_asks_little(run: Callable[..., tuple[int, int]], clock: SteppedClock, changes: str) -> None:
    """A run in an hour that is stored, and one in the next hour, make at most `MOST` round trips."""
    run(changes)
    clock.now = clock.now.replace(minute=20)
    updated, again = run(changes)
    clock.now = clock.now.replace(hour=13)
    _, next_hour = run(changes)

    assert updated == 3
    assert max(again, next_hour) <= MOST
