"""A Binance over HTTP, and runs of its job against it, the rows in ClickHouse over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from crons.job import RunContext
from crons.jobs.binance_hourly_prices import JOB
from crons.resources import Resources
from sandbox.binance import ExchangeStandIn
from sandbox.market import Market, listed_coins
from tests.support.binance import MakeContext
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.settings import make_settings
from tests.support.stepped_clock import SteppedClock

NOW = datetime(2026, 11, 23, 12, 7, 9, tzinfo=timezone.utc)
"""2026-11-23 15:37:09 in Tehran."""
MARKET = Market(listed_coins())


@pytest.fixture
def clock() -> SteppedClock:
    """Stands at `NOW`."""
    return SteppedClock(NOW)


@pytest.fixture
def down() -> set[datetime]:
    """Candles that there are none of, by their start; filled by a test."""
    return set()


@pytest.fixture
def exchange(clock: SteppedClock, down: set[datetime]) -> Iterator[ExchangeStandIn]:
    """Binance, down in the candles of `down`."""
    with ExchangeStandIn(MARKET, clock=clock, is_down=down.__contains__) as stand_in:
        yield stand_in


@pytest.fixture
def binance_context(
    exchange: ExchangeStandIn,
    front: ClickHouseFront,
    database: str,
    tmp_path: Path,
) -> Iterator[MakeContext]:
    """Makes the context of a run; variables of the environment by keyword."""
    opened: list[Resources] = []

    def make(**variables: str) -> RunContext:
        settings = make_settings(
            **{"BINANCE_BASE_URL": exchange.base_url, "SYMBOLS": "BTC,ETH,SOL", **variables},
            clickhouse_host="127.0.0.1",
            clickhouse_port=front.port,
            clickhouse_user=front.user,
            clickhouse_password=front.password,
            clickhouse_db=database,
            data_path=tmp_path,
        )
        opened.append(Resources(settings, task="test", clock=exchange.now))
        return JOB.context("binance_hourly_prices", opened[-1], run_id="r1", step=lambda _step: None)

    yield make
    for parts in opened:
        parts.close()
