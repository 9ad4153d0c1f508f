"""Candles of any exchange, and the calls that fetch those of wanted hours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import NamedTuple

from adapters._bases.tehran_time import HOUR

HOURS_PER_CALL = 500


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

    @property
    def first(self) -> datetime:
        """The start of the first hour, in UTC."""
        return next(iter(self.hours.values())).astimezone(timezone.utc)

    @property
    def last(self) -> datetime:
        """The start of the last hour, in UTC."""
        return next(reversed(self.hours.values())).astimezone(timezone.utc)


class Answered(NamedTuple):
    """A call's candles, and the moment, aware, up to which they are certain: a later candle is open."""

    candles: list[Candle]
    as_of: datetime


def plan_calls(wanted: Mapping[str, Mapping[str, datetime]]) -> list[CandleCall]:
    """The calls that fetch every wanted hour (symbol to hours by key, oldest first), the earliest call first."""
    calls: list[CandleCall] = []
    for symbol, hours in wanted.items():
        call = None
        for key, hour in hours.items():
            # In UTC: two times of one zone are compared by their wall time.
            if call is None or hour.astimezone(timezone.utc) - call.first >= HOURS_PER_CALL * HOUR:
                calls.append(call := CandleCall(symbol, {}))
            call.hours[key] = hour
    return sorted(calls, key=lambda call: (call.first, call.symbol))
