"""Rows for the storage tests."""

from __future__ import annotations

from adapters.clickhouse.coin_market_cap_clickhouse_adapter import PriceRow

_ROW = PriceRow(
    symbol="BTC",
    cmc_id=1,
    name="Bitcoin",
    price=86123.25,
    volume_24h=1.5e10,
    market_cap=1.7e12,
    percent_change_1h=-0.25,
    percent_change_24h=1.5,
    percent_change_7d=None,
    cmc_rank=1,
    currency="USD",
    endpoint="latest",
    run_id="run-1",
    source_updated_at="2026-11-23 12:34:00",
    fetched_at="2026-11-23 12:35:07",
)


def price_row(symbol: str = "BTC", price: float = 86123.25, **values: object) -> PriceRow:
    """A row that is valid as it is; name what the test is about."""
    return _ROW._replace(symbol=symbol, price=price, **values)  # type: ignore[arg-type]  # any field, by its name
