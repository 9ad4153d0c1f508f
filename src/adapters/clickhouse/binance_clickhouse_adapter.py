"""The repository of prices from Binance. Texts of time are Tehran wall time, ``YYYY-MM-DD HH:MM:SS``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

from adapters._bases.hourly_repository import IN_SPAN, HourlyRepository
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
    completed_by="close",
)


class StoredPair(NamedTuple):
    """A pair whose prices are stored under a symbol.

    Attributes:
        symbol: of the rows.
        pair: its name.
        first: hour key of its first row.
        last: hour key of its last row.
        hours: how many rows it has.
    """

    symbol: str
    pair: str
    first: str
    last: str
    hours: int


class StoredCandle(NamedTuple):
    """One stored hour of one symbol: columns of `PairRow`, and the hour key as `datetime`.

    Attributes:
        price: whatever double is stored, NaN and infinities too.
    """

    symbol: str
    datetime: str
    pair: str
    price: float
    low: float | None
    high: float | None
    currency: str


class BinanceClickHouseAdapter(HourlyRepository):
    """One row for each (symbol, Tehran hour), in `binance_prices` with the view `binance_prices_hourly`.

    Its holes, in `binance_price_holes`, are of the pair that was asked for. Args and errors are those of
    `HourlyRepository`.
    """

    def pairs(self) -> list[StoredPair]:
        """The pairs whose prices are stored, by symbol and first hour; empty without a table."""
        statement = (
            "SELECT symbol, pair, min(datetime) AS first, max(datetime), uniqExact(datetime) "  # noqa: S608 - quoted
            f"FROM {self._table} FINAL GROUP BY symbol, pair ORDER BY symbol, first, pair"
        )
        return [
            StoredPair(str(symbol), str(pair), str(first), str(last), int(str(hours)))
            for symbol, pair, first, last, hours in self._read(statement)
        ]

    def candles(self, symbols: Sequence[str], *, first: str, last: str) -> list[StoredCandle]:
        """What the view shows of these symbols in a span, by symbol and hour, empty without a view."""
        statement = (
            "SELECT symbol, datetime, pair, price, low, high, currency "  # noqa: S608 - quoted
            f"FROM {self._view} WHERE {IN_SPAN} AND symbol IN {{symbols:Array(String)}} "
            "ORDER BY symbol, datetime"
        )
        found = self._read(statement, symbols=list(symbols), first=first, last=last)
        return [
            StoredCandle(*cast("tuple[str, str, str, float, float | None, float | None, str]", row)) for row in found
        ]
