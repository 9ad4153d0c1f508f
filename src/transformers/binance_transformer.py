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


class HourRows(NamedTuple):
    """Rows to store, and the hours that are not stored, by key, with the reason in one line."""

    rows: list[PairRow]
    rejects: dict[str, str]


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
    found = HourRows([], {})
    for hour in hours:
        start = hour.astimezone(timezone.utc)
        of_hour = [opened[opens] for opens in (start, start + STEP) if opens in opened]
        if not of_hour:
            continue
        try:
            row = _row(symbol, pair, of_hour, over=start <= over, run_id=run_id)
        except InvalidRowError as error:
            found.rejects[hour_key(start)] = error.message
        else:
            found.rows.append(row)
    return found


def _row(symbol: str, pair: KnownPair, candles: Sequence[Candle], *, over: bool, run_id: str) -> PairRow:
    price, closed = _number(candles[0].open), candles if over else ()
    for candle in closed:
        _check(candle)
    return PairRow(
        symbol=symbol,
        pair=pair.pair,
        price=price,
        high=max((float(candle.high) for candle in closed), default=None),
        low=min((float(candle.low) for candle in closed), default=None),
        close=float(closed[-1].close) if closed else None,
        volume_base=math.fsum(float(candle.volume) for candle in closed) if closed else None,
        volume_quote=math.fsum(float(candle.quote_volume) for candle in closed) if closed else None,
        trades=sum(candle.trades for candle in closed) if closed else None,
        currency=pair.quote,
        candles=max(1, len(closed)),
        endpoint="klines",
        run_id=run_id,
        source_updated_at=tehran_text(closed[-1].opens + STEP) if closed else None,
        fetched_at=tehran_text(candles[0].opens),
    )


def _check(candle: Candle) -> None:
    """Raise `InvalidRowError` if a number of a closed candle is impossible, or they contradict each other."""
    opened, high, low, close = map(_number, candle[1:5])
    if not low <= min(opened, close) <= max(opened, close) <= high:
        raise InvalidRowError(f"a candle that contradicts itself: {', '.join(candle[1:5])}")
    if candle.trades < 0:
        raise InvalidRowError(f"not a number of trades: {candle.trades}")
    for volume in (candle.volume, candle.quote_volume):
        _number(volume, "volume")


def _number(text: str, kind: str = "price") -> float:
    """A finite number, above 0 if it is a price."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf or (kind == "price" and number == 0):
        raise InvalidRowError(f"not a {kind}: {text!r}")
    return number
