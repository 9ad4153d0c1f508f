"""Both sources over HTTP, and runs of their jobs, the rows in ClickHouse over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from adapters._bases.tehran_time import hour_start
from crons.jobs import binance_hourly_prices, cmc_hourly_prices
from sandbox.binance import ExchangeStandIn
from sandbox.market import Market
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.faulty_source import FaultySource
from tests.support.job_runs import MakeContext, contexts
from tests.support.price_table import Sql
from tests.support.stepped_clock import SteppedClock

NOW = datetime(2026, 11, 23, 12, 7, 9, tzinfo=timezone.utc)
"""2026-11-23 15:37:09 in Tehran."""
IDS = {"BTC": 1, "ETH": 1027, "SOL": 5426}
MARKET = Market()
Rows = Callable[[], dict[tuple[str, str], float]]
"""Reads the stored prices by symbol and hour key."""


@pytest.fixture
def database_settings(front: ClickHouseFront, database: str, tmp_path: Path) -> dict[str, object]:
    return {**front.variables(database), "data_path": tmp_path, "symbols": "BTC,ETH,SOL"}


@pytest.fixture
def holes() -> set[tuple[int, datetime]]:
    return set()


@pytest.fixture
def source(clock: SteppedClock, holes: set[tuple[int, datetime]]) -> Iterator[FaultySource]:
    with FaultySource(clock=clock, is_hole=lambda cmc_id, instant: (cmc_id, hour_start(instant)) in holes) as stand_in:
        yield stand_in


@pytest.fixture
def cmc_context(
    source: FaultySource, clock: SteppedClock, database_settings: dict[str, object]
) -> Iterator[MakeContext]:
    usual = {**database_settings, "cmc_api_key": source.key, "cmc_base_url": source.base_url}
    with contexts("cmc_hourly_prices", cmc_hourly_prices.JOB, clock, **usual) as make:
        yield make


@pytest.fixture
def rows(sql: Sql) -> Rows:
    def read() -> dict[tuple[str, str], float]:
        if sql("EXISTS TABLE crypto.crypto_prices") == [(0,)]:
            return {}
        found = sql("SELECT symbol, datetime, cmc_id, price FROM crypto.crypto_prices")
        assert all(IDS[str(symbol)] == cmc_id for symbol, _, cmc_id, _ in found)
        prices = {(str(symbol), str(hour)): float(str(price)) for symbol, hour, _, price in found}
        assert len(prices) == len(found)
        return prices

    return read


@pytest.fixture
def down() -> set[datetime]:
    return set()


@pytest.fixture
def exchange(clock: SteppedClock, down: set[datetime]) -> Iterator[ExchangeStandIn]:
    class Exchange(ExchangeStandIn):
        def candle(self, name: str, opens: int, *, now: datetime) -> list[Any] | None:
            is_down = datetime.fromtimestamp(opens / 1000, timezone.utc) in down
            return None if is_down else super().candle(name, opens, now=now)

    with Exchange(MARKET, clock=clock) as stand_in:
        yield stand_in


@pytest.fixture
def binance_context(
    exchange: ExchangeStandIn, clock: SteppedClock, database_settings: dict[str, object]
) -> Iterator[MakeContext]:
    usual = {**database_settings, "binance_base_url": exchange.base_url}
    with contexts("binance_hourly_prices", binance_hourly_prices.JOB, clock, **usual) as make:
        yield make
