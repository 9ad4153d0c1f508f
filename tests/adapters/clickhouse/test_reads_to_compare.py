"""What a comparison of the two sources reads of their tables."""

from __future__ import annotations

import math

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.retry import RetryPolicy
from adapters.clickhouse.binance_clickhouse_adapter import BINANCE_PRICES, BinanceClickHouseAdapter, StoredCandle
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter, StoredQuote
from tests.conftest import NOW
from tests.support.binance import pair_row
from tests.support.price_rows import price_row
from tests.support.price_table import typed

TEN, ELEVEN, TWELVE = (f"2026-11-23 {hour}:00:00" for hour in (10, 11, 12))


@pytest.fixture
def candles(clickhouse: ClickHouseAdapter, database: str) -> BinanceClickHouseAdapter:
    """Binance's table behind each door in turn, not made yet."""
    retry = RetryPolicy(attempts=3)
    return BinanceClickHouseAdapter(
        table=BINANCE_PRICES, clickhouse=clickhouse, database=database, retry=retry, clock=lambda: NOW
    )


def test_quotes_are_those_of_the_symbols_and_the_span(repository: CoinMarketCapClickHouseAdapter) -> None:
    """By symbol and hour, each with the time of the quote, or of its fetching where the source told none."""
    repository.upsert_prices(
        [
            price_row("ETH", 3_000.5, fetched_at="2026-11-23 11:00:07", source_updated_at=None),
            price_row("BTC", 86_000.1, fetched_at="2026-11-23 10:00:07", source_updated_at="2026-11-23 09:59:00"),
            price_row("BTC", 86_001.2, fetched_at="2026-11-23 12:00:07"),
            price_row("SOL", 140.0, fetched_at="2026-11-23 10:00:07"),
        ]
    )
    assert repository.quotes(["ETH", "BTC", "XRP"], first=TEN, last=ELEVEN) == [
        StoredQuote("BTC", TEN, 86_000.1, "USD", "2026-11-23 09:59:00"),
        StoredQuote("ETH", ELEVEN, 3_000.5, "USD", "2026-11-23 11:00:07"),
    ]


def test_a_price_that_is_no_number_comes_as_it_is(
    repository: CoinMarketCapClickHouseAdapter, embedded: ClickHouseAdapter, database: str
) -> None:
    """What another program wrote is left for the comparison to judge."""
    columns = typed("symbol", "fetched_at", "price")
    embedded.insert(f"{database}.crypto_prices", columns, [("BTC", TEN, math.nan), ("BTC", ELEVEN, math.inf)])
    found = repository.quotes(["BTC"], first=TEN, last=ELEVEN)
    assert [(one.datetime, str(one.price)) for one in found] == [(TEN, "nan"), (ELEVEN, "inf")]


def test_candles_are_those_of_the_symbols_and_the_span(candles: BinanceClickHouseAdapter) -> None:
    """By symbol and hour; what an hour that goes on does not have yet is None."""
    candles.ensure_ready()
    whole = pair_row("BTC", 86_000.1, low=85_900.3, high=86_100.2, fetched_at=TEN)
    open_alone = pair_row("BTC", 86_050.4, high=None, low=None, close=None, fetched_at=ELEVEN)
    later = pair_row("ETH", pair="ETHEUR", currency="EUR", fetched_at=TWELVE)
    candles.upsert_prices([later, open_alone, whole, pair_row("SOL", fetched_at=TEN)])
    assert candles.candles(["BTC", "ETH"], first=TEN, last=ELEVEN) == [
        StoredCandle("BTC", TEN, "BTCUSDT", 86_000.1, 85_900.3, 86_100.2, "USDT"),
        StoredCandle("BTC", ELEVEN, "BTCUSDT", 86_050.4, None, None, "USDT"),
    ]


def test_without_a_table_there_is_nothing(
    candles: BinanceClickHouseAdapter,
    clickhouse: ClickHouseAdapter,
    database: str,
) -> None:
    """Neither of the one source nor of the other, and nothing is made."""
    quotes = CoinMarketCapClickHouseAdapter(
        clickhouse=clickhouse, database=database, retry=RetryPolicy(attempts=3), clock=lambda: NOW
    )
    assert quotes.quotes(["BTC"], first=TEN, last=ELEVEN) == []
    assert candles.candles(["BTC"], first=TEN, last=ELEVEN) == []
    assert not candles.table_exists()
