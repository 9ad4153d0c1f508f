"""Candles of any exchange, and the calls that fetch those of wanted hours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from adapters._bases.errors import ContractError, SourceUnavailable
from adapters._bases.tehran_time import HOUR, hour_ranges
from transformers.coverage import is_whole

# With an hour before and the start of one after them, half-hourly candles of these are less than a thousand.
HOURS_PER_CALL = 498
# How far around half of a call's hours the second answer may have to reach, to show an outage that began before them.
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

    @property
    def first(self) -> datetime:
        """The start of the first hour, in UTC."""
        return next(iter(self.hours.values())).astimezone(timezone.utc)

    @property
    def last(self) -> datetime:
        """The start of the last hour, in UTC."""
        return next(reversed(self.hours.values())).astimezone(timezone.utc)

    def halves(self) -> Iterator[CandleCall]:
        """Two calls for the same hours, or one for a single hour."""
        hours = list(self.hours.items())
        parts = (hours[: len(hours) // 2], hours[len(hours) // 2 :])
        return (self._replace(hours=dict(part)) for part in parts if part)


class Answered(NamedTuple):
    """A call's candles, and the moment, aware, up to which they are certain: a later candle is open."""

    candles: list[Candle]
    as_of: datetime
    is_whole: bool = True  # else the source may have more: see `transformers.coverage.is_whole`


def plan_calls(wanted: Mapping[str, Mapping[str, datetime]]) -> list[CandleCall]:
    """The calls that fetch every wanted hour (symbol to hours by key, oldest first), the earliest call first.

    Hours without a gap are in one call if they can be: their answer then shows what came before and after them.
    """
    calls: list[CandleCall] = []
    for symbol, hours in wanted.items():
        call, ends = None, dict(hour_ranges(hours.values()))
        for key, hour in hours.items():
            start = hour.astimezone(timezone.utc)
            if call is None or ends.get(start, start) - call.first >= HOURS_PER_CALL * HOUR:
                calls.append(call := CandleCall(symbol, {}))
            call.hours[key] = hour
    return sorted(calls, key=lambda call: (call.first, call.symbol))


async def ask_whole(
    call: CandleCall,
    ask: Callable[[datetime, datetime], Awaitable[Answered]],
    *,
    first: Callable[[], Awaitable[datetime | None]] | None = None,
    settled: datetime,
) -> list[tuple[CandleCall, Answered]]:
    """A call with its answer, or, if that may lack hours that the source has, the call's halves with a second one.

    Args:
        ask: for the candles that open between two moments, both inclusive.
        first: when the history begins; earlier hours are explained. None, or a result of None, if that is not known.
        settled: hours after this moment may still come.
    """
    begins: datetime | None = None

    def judged(part: CandleCall, answer: Answered) -> Answered:
        points = [candle.opens for candle in answer.candles]
        return answer._replace(is_whole=is_whole(part.hours.values(), points, begins=begins, settled=settled))

    answer = judged(call, await ask(call.first - HOUR, call.last + HOUR))
    if first and not answer.is_whole:
        begins = await first()
        answer = judged(call, answer)
    if answer.is_whole:
        return [(call, answer)]
    parts = []
    for half in call.halves():
        best = answer
        with suppress(SourceUnavailable, ContractError):
            for around in (HOUR, _FAR):
                again = judged(half, await ask(half.first - around, half.last + around))
                best = again._replace(candles=best.candles + again.candles)
                if best.is_whole:
                    break
        parts.append((half, best))
    return parts
