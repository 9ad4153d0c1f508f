"""Reads of a span of hours: only that span, each key once, and nothing where nothing was made."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.retry import RetryPolicy
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import (
    CoinMarketCapClickHouseAdapter,
    CoinMarketCapHolesAdapter,
    CoinMarketCapReads,
    Hole,
)
from adapters.clickhouse.etl_runs_clickhouse_adapter import OK, EtlRunsAdapter, RunRecord
from tests.support.price_rows import price_row

FIRST, LAST = "2026-11-23 10:00:00", "2026-11-23 12:00:00"


@pytest.fixture
def reads(clickhouse: ClickHouseAdapter, database: str) -> CoinMarketCapReads:
    """The reads, behind each door in turn."""
    return CoinMarketCapReads(clickhouse=clickhouse, database=database, retry=RetryPolicy(attempts=1))


def test_prices_of_the_span_by_symbol_and_hour(
    reads: CoinMarketCapReads, repository: CoinMarketCapClickHouseAdapter
) -> None:
    """Both ends are inside, what lies before and after is not read, and null market caps stay unknown."""
    hours = [f"2026-11-23 {hour:02d}:20:00" for hour in (9, 10, 12, 13)]
    repository.upsert_prices(price_row(symbol, fetched_at=hour) for symbol in ("ETH", "BTC") for hour in hours)
    repository.upsert_prices([price_row("BTC", 5.0, fetched_at=hours[1], market_cap=None)])

    found = reads.prices(FIRST, LAST)

    assert [(one.symbol, one.datetime) for one in found] == [
        (symbol, hour) for symbol in ("BTC", "ETH") for hour in (FIRST, LAST)
    ]
    assert found[0][2:6] == ("Bitcoin", 5.0, None, "USD")
    assert reads.symbols(FIRST, LAST) == {"BTC", "ETH"}
    assert reads.symbols("2026-11-23 11:00:00", "2026-11-23 11:00:00") == set()
    assert reads.count_rows() == 8


def test_a_row_written_again_later_is_updated(
    clickhouse: ClickHouseAdapter,
    reads: CoinMarketCapReads,
    make_repository: Callable[..., CoinMarketCapClickHouseAdapter],
) -> None:
    """A backfilled row, long after its hour, is no update; one written again a minute after its insert is."""
    now = datetime.now().astimezone()
    first, later = (
        make_repository(clickhouse, lambda moment=moment: moment) for moment in (now, now + timedelta(minutes=1))
    )
    first.ensure_ready()
    first.upsert_prices([price_row("BTC", fetched_at=FIRST), price_row("ETH", fetched_at=FIRST)])
    later.upsert_prices([price_row("BTC", fetched_at=FIRST), price_row("ETH", 7.0, fetched_at=FIRST)])

    assert [(one.symbol, one.is_updated) for one in reads.prices(FIRST, LAST)] == [("BTC", False), ("ETH", True)]


def test_what_was_not_made_yet_is_empty(reads: CoinMarketCapReads, database: str) -> None:
    """Without a table there is nothing to read: not ready, no hole, no run, and no error."""
    assert not reads.is_ready()
    assert reads.name == f"{database}.crypto_prices_hourly"
    assert reads.holes(FIRST, LAST) == frozenset()
    assert reads.runs(FIRST) == []


def test_an_empty_table_is_ready(reads: CoinMarketCapReads, repository: CoinMarketCapClickHouseAdapter) -> None:
    """A table without rows can be read: there is nothing in it."""
    assert repository.count_rows() == 0
    assert reads.is_ready()
    assert reads.prices(FIRST, LAST) == []
    assert reads.count_rows() == 0


def test_holes_of_the_span(clickhouse: ClickHouseAdapter, database: str, reads: CoinMarketCapReads) -> None:
    """The holes between the two hours, both inside, each once however often it was noted."""
    holes = CoinMarketCapHolesAdapter(clickhouse=clickhouse, database=database, retry=RetryPolicy(attempts=1))
    for noted_at in ("2026-11-23 13:00:00", "2026-11-24 13:00:00"):
        holes.note([Hole("BTC", hour, 1, noted_at, "run-1") for hour in ("2026-11-23 09:00:00", FIRST, LAST)])

    assert reads.holes(FIRST, LAST) == {("BTC", FIRST), ("BTC", LAST)}


def test_runs_since_a_time_the_latest_first(
    clickhouse: ClickHouseAdapter, database: str, reads: CoinMarketCapReads
) -> None:
    """Runs of every job that began then or later, with all that the record holds."""
    runs = [
        RunRecord(f"run-{number}", "cmc_hourly_prices", "run", started, started, OK, credits=number)
        for number, started in enumerate(("2026-11-23 09:59:59", FIRST, LAST))
    ]
    EtlRunsAdapter(clickhouse=clickhouse, database=database, keep_days=7_300).record(runs)

    assert reads.runs(FIRST) == [runs[2], runs[1]]
