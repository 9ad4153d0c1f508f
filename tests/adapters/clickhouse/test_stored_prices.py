"""What the report reads of any hourly table, on the real engine."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated, NamedTuple

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.columns import Column
from adapters._bases.hourly_repository import HourlyRepository
from adapters._bases.hourly_table import HourlyTable
from adapters._bases.retry import RetryPolicy
from adapters._bases.stored_prices import StoredPrice
from adapters.clickhouse.binance_clickhouse_adapter import BinanceClickHouseAdapter
from adapters.clickhouse.binance_table import BINANCE_PRICES
from tests.support.binance import pair_row

SPAN = {"first": "2026-11-23 00:00:00", "last": "2026-11-23 23:00:00"}
ONCE = RetryPolicy(attempts=1)


class RateRow(NamedTuple):
    """The least that a row has."""

    symbol: Annotated[str, Column("Currency")]
    rate: Annotated[float, Column("Of one euro")]
    fetched_at: Annotated[str, Column("When it was asked for, Tehran wall time")]


RATES = HourlyTable(name="rates", view="rates_hourly", about="Rates", row=RateRow, value="rate")


def now() -> datetime:
    """Of the inserts."""
    return datetime.now(timezone.utc)


def test_a_table_without_name_and_currency_has_prices(embedded: ClickHouseAdapter, database: str) -> None:
    """Its value is the price; what the table does not hold is empty."""
    table = HourlyRepository(table=RATES, clickhouse=embedded, database=database, retry=ONCE, clock=now)
    table.ensure_ready()
    table.upsert_prices([RateRow("GBP", 0.875, "2026-11-23 12:20:00")])

    assert table.prices(**SPAN) == [StoredPrice("GBP", "2026-11-23 12:00:00", "", 0.875, None, "", is_updated=False)]


def test_a_pair_is_the_name_of_what_is_traded(embedded: ClickHouseAdapter, database: str) -> None:
    """The currency is what the pair is quoted in."""
    table = BinanceClickHouseAdapter(
        table=BINANCE_PRICES, clickhouse=embedded, database=database, retry=ONCE, clock=now
    )
    table.ensure_ready()
    table.upsert_prices([pair_row()])

    assert [(one.name, one.currency, one.price) for one in table.prices(**SPAN)] == [("BTCUSDT", "USDT", 86123.25)]
