"""Half-hourly candles to storable rows of hours, and the rejects with their reasons. Pure: no I/O, no clock."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from adapters._bases.errors import InvalidRowError
from adapters._bases.tehran_time import HOUR, hour_key, hour_start, tehran_text
from adapters.clickhouse.binance_clickhouse_adapter import PairRow
from adapters.files.choices import KnownPair
from extractors.binance_extractor import STEP, Candle

SETTLES_IN = timedelta(seconds=10)
"""How long after its end a candle still counts as open: the answer may be as old."""


def last_over(as_of: datetime) -> datetime:
    """The start, in UTC, of the last hour whose candles were surely closed at an aware moment."""
    return hour_start(as_of - SETTLES_IN).astimezone(timezone.utc) - HOUR


class HourReject(NamedTuple):
    """An hour that is not stored, by its key, and why in one line."""

    symbol: str
    hour: str
    reason: str


class HourRows(NamedTuple):
    """Rows to store, and rejects."""

    rows: list[PairRow]
    rejects: list[HourReject]


class BinanceTransformer:
    """Makes rows of hours. A price is the open of an hour's first candle that is there: without one there is no row.

    High, low, close and volumes are those of closed candles of an hour that is over, never of one that is open.

    Args:
        run_id: goes into each row.
    """

    def __init__(self, *, run_id: str) -> None:
        self._run_id = run_id

    def rows_of(
        self, symbol: str, pair: KnownPair, candles: Iterable[Candle], hours: Sequence[datetime], *, as_of: datetime
    ) -> HourRows:
        """The rows of the hours that have a candle.

        Args:
            symbol: of the rows.
            pair: that the candles are of.
            candles: in any order.
            hours: aware starts; of two with one key only the earlier may be among them.
            as_of: aware; the moment up to which the candles tell.
        """
        over = last_over(as_of)
        opened = {candle.opens: candle for candle in candles}
        found = HourRows([], [])
        for hour in hours:
            start = hour.astimezone(timezone.utc)
            if not (there := [opened[opens] for opens in (start, start + STEP) if opens in opened]):
                continue
            try:
                found.rows.append(self._row(symbol, pair, there[0], there if start <= over else []))
            except InvalidRowError as error:
                found.rejects.append(HourReject(symbol, hour_key(start), error.message))
        return found

    def _row(self, symbol: str, pair: KnownPair, first: Candle, closed: Sequence[Candle]) -> PairRow:
        """The row of an hour.

        Args:
            symbol: of the row.
            pair: as in `rows_of`.
            first: the hour's first candle that is there.
            closed: its candles, once it is over; empty until then.
        """
        price = _price(first.open)
        whole = [_checked(candle) for candle in closed]
        return PairRow(
            symbol=symbol,
            pair=pair.pair,
            price=price,
            high=max((one.high for one in whole), default=None),
            low=min((one.low for one in whole), default=None),
            close=whole[-1].close if whole else None,
            volume_base=math.fsum(one.volume for one in whole) if whole else None,
            volume_quote=math.fsum(one.quote_volume for one in whole) if whole else None,
            trades=sum(candle.trades for candle in closed) if closed else None,
            currency=pair.quote,
            candles=max(1, len(closed)),
            endpoint="klines",
            run_id=self._run_id,
            source_updated_at=tehran_text(closed[-1].opens + STEP) if closed else None,
            fetched_at=tehran_text(first.opens),
        )


class _Checked(NamedTuple):
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float


def _checked(candle: Candle) -> _Checked:
    """The numbers of a closed candle.

    Raises:
        InvalidRowError: one cannot be, or they contradict each other.
    """
    opened, high, low, close = map(_price, (candle.open, candle.high, candle.low, candle.close))
    if not low <= min(opened, close) <= max(opened, close) <= high:
        raise InvalidRowError(f"a candle that contradicts itself: {', '.join(candle[1:5])}")
    if candle.trades < 0:
        raise InvalidRowError(f"not a number of trades: {candle.trades}")
    return _Checked(high, low, close, _volume(candle.volume), _volume(candle.quote_volume))


def _price(text: str) -> float:
    number = _number(text)
    if not math.isfinite(number) or number <= 0:
        raise InvalidRowError(f"not a price: {text!r}")
    return number


def _volume(text: str) -> float:
    number = _number(text)
    if not math.isfinite(number) or number < 0:
        raise InvalidRowError(f"not a volume: {text!r}")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
