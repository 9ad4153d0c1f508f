"""The repository of prices from Binance. Texts of time are Tehran wall time, ``YYYY-MM-DD HH:MM:SS``."""

from __future__ import annotations

from typing import NamedTuple

from adapters._bases.hourly_repository import HourlyRepository
from adapters._bases.hourly_table import HourlyTable


class PairRow(NamedTuple):
    """One hour of one pair to store, of its two half-hourly candles."""

    symbol: str
    pair: str
    price: float
    high: float | None
    low: float | None
    close: float | None
    volume_base: float | None
    volume_quote: float | None
    trades: int | None
    currency: str
    candles: int
    endpoint: str
    run_id: str
    source_updated_at: str | None
    fetched_at: str


BINANCE_PRICES = HourlyTable(
    name="binance_prices",
    holes="binance_price_holes",
    row=PairRow,
    value="price",
    meaning="pair",
    label="pair",
    has_price_views=True,
    lists="crypto_prices",
    completed_by="close",
)


class BinanceClickHouseAdapter(HourlyRepository):
    """One row for each (symbol, Tehran hour), in `binance_prices`; args and errors are those of `HourlyRepository`."""

    table = BINANCE_PRICES
