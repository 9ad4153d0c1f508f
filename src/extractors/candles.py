"""Candles of any exchange, and the calls that fetch those of wanted hours. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import NamedTuple

from adapters._bases.tehran_time import HOUR, hour_ranges

# The most that a call covers: half-hourly candles of them are less than a thousand.
LONGEST = 500 * HOUR
# How far around the hours an answer may have to reach, to show an outage that began before them.
_FAR = timedelta(days=5)


class Candle(NamedTuple):
    """What was traded in a span of at most an hour, as the source sends it: decimals are unchecked texts."""

    opens: datetime
    open: str
    high: str
    low: str
    close: str
    volume: str
    quote_volume: str = "0"
    trades: int = 0


class CandleCall(NamedTuple):
    """One call for the candles of a symbol; ``hours`` are the wanted ones among those it covers, oldest first."""

    symbol: str
    hours: dict[str, datetime]
    around: timedelta = HOUR  # how far before and after them it asks, by which an answer shows that it is whole

    @property
    def start(self) -> datetime:
        """The earliest opening of a candle to ask for, in UTC."""
        return next(iter(self.hours.values())).astimezone(timezone.utc) - self.around

    @property
    def end(self) -> datetime:
        """The latest one, in UTC."""
        return next(reversed(self.hours.values())).astimezone(timezone.utc) + self.around


class Answered(NamedTuple):
    """A call's candles, and the moment, aware, up to which they are certain: a later candle is open."""

    candles: list[Candle]
    as_of: datetime


def plan_calls(*wanted: Mapping[str, Mapping[str, datetime]], around: timedelta = HOUR) -> list[CandleCall]:
    """The calls that fetch every wanted hour (symbol to hours by key, oldest first), the earliest call first.

    Hours of a symbol without a gap are in one call if they can be: its answer then shows what came before and after.
    """
    calls: list[CandleCall] = []
    for symbol, hours in (item for part in wanted for item in part.items()):
        call, ends = None, dict(hour_ranges(hours.values()))
        for key, hour in hours.items():
            start = hour.astimezone(timezone.utc)
            if call is None or ends.get(start, start) - call.start >= LONGEST - around:
                calls.append(call := CandleCall(symbol, {}, around))
            call.hours[key] = hour
    return sorted(calls, key=lambda call: (call.start, call.symbol))


# How an answer that may lack what the source has is asked for again, and then once more.
AGAIN = (plan_calls, partial(plan_calls, around=_FAR))
