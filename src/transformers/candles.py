"""Candles of any exchange to hours, and the rejects with their reasons. Pure: no I/O, no clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import NamedTuple, TypeVar

from adapters._bases.errors import InvalidRowError
from adapters._bases.hourly_table import HourlyRow
from adapters._bases.tehran_time import HOUR, hour_start
from extractors.candles import Candle

# How long after its end a candle still counts as open: the answer may be as old.
_SETTLES_IN = timedelta(seconds=10)

RowT = TypeVar("RowT", bound=HourlyRow)


class HourCandle(NamedTuple):
    """The candles of an hour as one: the open of the first; the others are None until the hour is over."""

    opens: datetime  # of the first candle
    open: float
    high: float | None
    low: float | None
    close: float | None
    volume: float | None
    closed: Sequence[Candle]  # what it is made of; empty until the hour is over


def last_over(as_of: datetime) -> datetime:
    """The start, in UTC, of the last hour whose candles were certainly closed at an aware moment."""
    return hour_start(as_of - _SETTLES_IN).astimezone(timezone.utc) - HOUR


def hour_rows(
    candles: Iterable[Candle], hours: Mapping[str, datetime], *, as_of: datetime, make: Callable[[HourCandle], RowT]
) -> tuple[list[RowT], dict[str, str]]:
    """The rows of the hours that have a candle, and the hours that are not stored, by key, with the reason in one line.

    High, low, close and volumes are those of closed candles of an hour that is over, never of one that is open.

    Args:
        candles: in any order.
        hours: aware starts by key.
        as_of: aware; the moment up to which the candles are certain.
        make: a row from an hour; may raise `InvalidRowError`.
    """
    over = last_over(as_of)
    of_hours: dict[datetime, list[Candle]] = {}
    for candle in sorted(candles):
        of_hours.setdefault(hour_start(candle.opens).astimezone(timezone.utc), []).append(candle)
    rows: list[RowT] = []
    rejects: dict[str, str] = {}
    for key, hour in hours.items():
        start = hour.astimezone(timezone.utc)
        if start not in of_hours:
            continue
        try:
            rows.append(make(_merged(of_hours[start], over=start <= over)))
        except InvalidRowError as error:
            rejects[key] = error.message
    return rows, rejects


def _merged(candles: Sequence[Candle], *, over: bool) -> HourCandle:
    opens, opened = candles[0].opens, number_of(candles[0].open)
    if not over:
        return HourCandle(opens, opened, None, None, None, None, ())
    for candle in candles:
        _check(candle)
    high, low = max(float(candle.high) for candle in candles), min(float(candle.low) for candle in candles)
    volume = math.fsum(float(candle.volume) for candle in candles)
    return HourCandle(opens, opened, high, low, float(candles[-1].close), volume, candles)


def _check(candle: Candle) -> None:
    """Raise `InvalidRowError` if a number of a closed candle is impossible, or they contradict each other."""
    opened, high, low, close = map(number_of, candle[1:5])
    if not low <= min(opened, close) <= max(opened, close) <= high:
        raise InvalidRowError(f"a candle that contradicts itself: {', '.join(candle[1:5])}")
    if candle.trades < 0:
        raise InvalidRowError(f"not a number of trades: {candle.trades}")
    for volume in (candle.volume, candle.quote_volume):
        number_of(volume, "volume")


def number_of(text: str, kind: str = "price") -> float:
    """A finite number, above 0 if it is a price; raises `InvalidRowError` if the text is not one."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf or (kind == "price" and number == 0):
        raise InvalidRowError(f"not a {kind}: {text!r}")
    return number
