"""Reads of a span of hours: only that span, each key once, and nothing where nothing was made."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.hourly_table import Hole
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from tests.support.price_rows import price_row

FIRST, LAST = "2026-11-23 10:00:00", "2026-11-23 12:00:00"


@pytest.fixture
def reads(
    clickhouse: ClickHouseAdapter, make_repository: Callable[..., CoinMarketCapClickHouseAdapter]
) -> CoinMarketCapClickHouseAdapter:
    """The table behind each door in turn, not made yet."""
    return make_repository(clickhouse)


def test_prices_of_the_span_by_symbol_and_hour(
    reads: CoinMarketCapClickHouseAdapter, repository: CoinMarketCapClickHouseAdapter
) -> None:
    """Both ends are inside, what lies before and after is not read, and null market caps stay unknown."""
    hours = [f"2026-11-23 {hour:02d}:20:00" for hour in (9, 10, 12, 13)]
    repository.upsert_prices(price_row(symbol, fetched_at=hour) for symbol in ("ETH", "BTC") for hour in hours)
    repository.upsert_prices([price_row("BTC", 5.0, fetched_at=hours[1], market_cap=None)])

    found = reads.prices(first=FIRST, last=LAST)

    assert [(one.symbol, one.datetime) for one in found] == [
        (symbol, hour) for symbol in ("BTC", "ETH") for hour in (FIRST, LAST)
    ]
    assert found[0][2:6] == ("Bitcoin", 5.0, None, "USD")
    assert reads.symbols(first=FIRST, last=LAST) == {"BTC", "ETH"}
    assert reads.symbols(first="2026-11-23 11:00:00", last="2026-11-23 11:00:00") == set()
    assert reads.count_hours() == 8


def test_a_row_written_again_later_is_updated(
    clickhouse: ClickHouseAdapter,
    reads: CoinMarketCapClickHouseAdapter,
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

    assert [(one.symbol, one.is_updated) for one in reads.prices(first=FIRST, last=LAST)] == [
        ("BTC", False),
        ("ETH", True),
    ]


def test_what_was_not_made_yet_is_empty(reads: CoinMarketCapClickHouseAdapter, database: str) -> None:
    """Without a table there is nothing to read: not ready, no hole, no hour, and no error."""
    assert not reads.is_ready()
    assert reads.view_name == f"{database}.crypto_prices_hourly"
    assert reads.holes(["BTC"], first=FIRST, last=LAST) == []
    assert reads.first_hours(["BTC"]) == {}
    assert reads.stored(["BTC"], first=FIRST, last=LAST, valued_from=FIRST) == {}


def test_an_empty_table_is_ready(
    reads: CoinMarketCapClickHouseAdapter, repository: CoinMarketCapClickHouseAdapter
) -> None:
    """A table without rows can be read: there is nothing in it."""
    assert repository.count_rows() == 0
    assert reads.is_ready()
    assert reads.prices(first=FIRST, last=LAST) == []
    assert reads.count_hours() == 0


def test_holes_of_the_span(reads: CoinMarketCapClickHouseAdapter) -> None:
    """The holes between the two hours, both inside, each once however often it was noted."""
    for noted_at in ("2026-11-23 13:00:00", "2026-11-24 13:00:00"):
        reads.note_holes([Hole("BTC", hour, 1, noted_at, "run-1") for hour in ("2026-11-23 09:00:00", FIRST, LAST)])

    found = [(hole.symbol, hole.datetime) for hole in reads.holes(["BTC"], first=FIRST, last=LAST)]
    assert found == [("BTC", FIRST), ("BTC", LAST)]


def test_first_hours_are_of_the_symbols_asked_for(repository: CoinMarketCapClickHouseAdapter) -> None:
    """The earliest of a symbol's hours; a symbol that was never stored has none."""
    hours = [f"2026-11-23 {hour:02d}:20:00" for hour in (12, 10, 11)]
    repository.upsert_prices(price_row(symbol, fetched_at=hour) for symbol in ("BTC", "ETH") for hour in hours)

    assert repository.first_hours(["BTC", "SOL"]) == {"BTC": FIRST}
