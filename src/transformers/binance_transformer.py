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

# How long after its end a candle still counts as open: the answer may be as old.
_SETTLES_IN = timedelta(seconds=10)


def last_over(as_of: datetime) -> datetime:
    """The start, in UTC, of the last hour whose candles were certainly closed at an aware moment."""
    return hour_start(as_of - _SETTLES_IN).astimezone(timezone.utc) - HOUR


class HourReject(NamedTuple):
    """An hour that is not stored, by its key, and why in one line."""

    symbol: str
    hour: str
    reason: str


class HourRows(NamedTuple):
    """Rows to store, and rejects."""

    rows: list[PairRow]
    rejects: list[HourReject]


def hour_rows(
    symbol: str,
    pair: KnownPair,
    candles: Iterable[Candle],
    hours: Iterable[datetime],
    *,
    as_of: datetime,
    run_id: str,
) -> HourRows:
    """The rows of the hours that have a candle. A price is the open of an hour's first candle.

    High, low, close and volumes are those of closed candles of an hour that is over, never of one that is open.

    Args:
        candles: of the pair, in any order.
        hours: aware starts; of two with one key only the earlier may be among them.
        as_of: aware; the moment up to which the candles are certain.
    """
    over = last_over(as_of)
    opened = {candle.opens: candle for candle in candles}
    found = HourRows([], [])
    for hour in hours:
        start = hour.astimezone(timezone.utc)
        of_hour = [opened[opens] for opens in (start, start + STEP) if opens in opened]
        if not of_hour:
            continue
        try:
            row = _row(of_hour[0], of_hour if start <= over else [], symbol=symbol, pair=pair, run_id=run_id)
        except InvalidRowError as error:
            found.rejects.append(HourReject(symbol, hour_key(start), error.message))
        else:
            found.rows.append(row)
    return found


def _row(first: Candle, closed: Sequence[Candle], *, symbol: str, pair: KnownPair, run_id: str) -> PairRow:
    """The row of an hour; ``closed`` are its candles once it is over, and empty until then."""
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
        run_id=run_id,
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
    """The numbers of a closed candle; `InvalidRowError` if one is impossible or they contradict each other."""
    opened, high, low, close = map(_price, (candle.open, candle.high, candle.low, candle.close))
    if not low <= min(opened, close) <= max(opened, close) <= high:
        raise InvalidRowError(f"a candle that contradicts itself: {', '.join(candle[1:5])}")
    if candle.trades < 0:
        raise InvalidRowError(f"not a number of trades: {candle.trades}")
    return _Checked(high, low, close, _volume(candle.volume), _volume(candle.quote_volume))


def _price(text: str) -> float:
    number = _number(text)
    if not 0 < number < math.inf:
        raise InvalidRowError(f"not a price: {text!r}")
    return number


def _volume(text: str) -> float:
    number = _number(text)
    if not 0 <= number < math.inf:
        raise InvalidRowError(f"not a volume: {text!r}")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
