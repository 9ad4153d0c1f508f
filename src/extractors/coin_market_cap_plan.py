"""Which historical calls bring a span of hours for many coins, and what they cost. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from adapters.http.coin_market_cap_quote import Coin

STEP = timedelta(minutes=30)
"""Tehran hours begin at half past in UTC, which hourly points never meet: half-hourly ones do."""
MAX_IDS = 250
MAX_POINTS = 10_000
"""The documented most for ``count``, read as all coins of a call together, the safer of its two readings."""
POINTS_PER_CREDIT = 100
STEPS_PER_HOUR = 2


class HistoricalCall(NamedTuple):
    """One call of ``quotes/historical``.

    Attributes:
        ids: CoinMarketCap's ids, at most `MAX_IDS`.
        time_start: aware; exclusive: the first point wanted is one `STEP` later.
        time_end: aware; inclusive: the last point wanted.
        points: what the answer holds if no hour is missing, all coins together.
        limit: the most to ask for: room for one point more for each coin, should ``time_start`` count as inclusive.
    """

    ids: tuple[int, ...]
    time_start: datetime
    time_end: datetime
    points: int
    limit: int


class BackfillPlan(NamedTuple):
    """Calls that ask for every half hour of every coin exactly once, the earliest first.

    Attributes:
        calls: in the order to make them.
        points: of all calls together, if no hour is missing.
        credits: what they cost at most: 1 for each 100 points begun, call by call.
    """

    calls: tuple[HistoricalCall, ...]
    points: int
    credits: int


def plan_backfill(coins: Sequence[Coin], *, start: datetime, end: datetime) -> BackfillPlan:
    """The calls for all hours in [start, end).

    Args:
        coins: an id that comes twice is asked for once.
        start: aware; the start of the first Tehran hour.
        end: aware; the end of the last one; nothing is planned if it is not later than ``start``.

    Raises:
        ValueError: a bound is naive, or the span is no whole number of hours.
    """
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError("the bounds must be aware")
    # Arithmetic on a zoned datetime counts wall hours, and Tehran's clocks moved until 2022; in UTC it counts real ones
    start, end = start.astimezone(timezone.utc), end.astimezone(timezone.utc)
    if (end - start) % timedelta(hours=1):
        raise ValueError("the span must be a whole number of hours")
    ids = tuple(dict.fromkeys(coin.cmc_id for coin in coins))
    return plan_of(span_calls(ids, start, end))


def span_calls(ids: Sequence[int], start: datetime, end: datetime) -> Iterator[HistoricalCall]:
    """The calls that bring every half hour in [start, end) of every id, none of them over the bounds.

    Args:
        ids: each once.
        start: aware; the start of the first hour.
        end: aware; the end of the last one.
    """
    return (call for first, stop in _windows(start, end) for call in _calls(ids, first, stop))


def plan_of(calls: Iterable[HistoricalCall]) -> BackfillPlan:
    """The calls in their order, with what they bring and cost together."""
    made = tuple(calls)
    return BackfillPlan(made, points=sum(call.points for call in made), credits=sum(map(credits_of, made)))


def credits_of(call: HistoricalCall) -> int:
    """What a call costs at most: 1 for each 100 points begun."""
    return -(-call.points // POINTS_PER_CREDIT)


def batches(ids: Sequence[int], size: int) -> Iterator[tuple[int, ...]]:
    """The ids in their order, ``size`` at a time, the last batch perhaps smaller."""
    return (tuple(ids[start : start + size]) for start in range(0, len(ids), size))


def _windows(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The span in pieces of whole hours, each small enough for one coin in one call."""
    longest = timedelta(hours=(MAX_POINTS - 1) // STEPS_PER_HOUR)
    while start < end:
        stop = min(start + longest, end)
        yield start, stop
        start = stop


def _calls(ids: Sequence[int], start: datetime, stop: datetime) -> Iterator[HistoricalCall]:
    steps = (stop - start) // STEP
    for batch in batches(ids, min(MAX_IDS, MAX_POINTS // (steps + 1))):
        yield HistoricalCall(batch, start - STEP, stop - STEP, len(batch) * steps, len(batch) * (steps + 1))
