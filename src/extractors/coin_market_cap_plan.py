"""Which historical calls bring the hours of many coins, all or the missing ones, at what cost. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from adapters._bases.tehran_time import HOUR
from extractors.coin_market_cap_quote import Coin

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
        ids: at most `MAX_IDS`.
        time_start: aware and exclusive: the first point wanted is one `STEP` later.
        time_end: aware and inclusive: the last point wanted.
        points: what the answer holds if no hour is missing, all coins together.
        limit: the most to ask for: room for one point more for each coin, should ``time_start`` count as inclusive.
    """

    ids: tuple[int, ...]
    time_start: datetime
    time_end: datetime
    points: int
    limit: int


class BackfillPlan(NamedTuple):
    """Calls in the order to make them, the points they bring if no hour is missing, and their cost."""

    calls: tuple[HistoricalCall, ...]
    points: int
    credits: int


def plan_backfill(coins: Sequence[Coin], *, start: datetime, end: datetime) -> BackfillPlan:
    """The calls for every half hour in [start, end), aware, each id once.

    Raises:
        ValueError: a bound is naive, or the span is not a whole number of hours.
    """
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError("the bounds must be aware")
    # Arithmetic on a zoned datetime counts wall hours, and Tehran's clocks moved until 2022; in UTC it counts real ones
    start, end = start.astimezone(timezone.utc), end.astimezone(timezone.utc)
    if (end - start) % HOUR:
        raise ValueError("the span must be a whole number of hours")
    ids = tuple(dict.fromkeys(coin.cmc_id for coin in coins))
    return plan_of(span_calls(ids, start, end))


def span_calls(ids: Sequence[int], start: datetime, end: datetime) -> Iterator[HistoricalCall]:
    """The calls for every half hour in [start, end), in UTC, of every id, within the API's bounds."""
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


class _Box(NamedTuple):
    """Coins that are asked for together, over one unbroken span."""

    start: datetime
    end: datetime
    ids: tuple[int, ...]

    def plan(self) -> BackfillPlan:
        return plan_of(span_calls(self.ids, self.start, self.end))

    def joined(self, other: _Box) -> _Box:
        ids = tuple(sorted({*self.ids, *other.ids}))
        return _Box(min(self.start, other.start), max(self.end, other.end), ids)


def plan_missing(missing: Mapping[int, Collection[datetime]]) -> BackfillPlan:
    """Calls that bring every missing hour (id to aware starts) and perhaps others, the earliest first.

    Ranges that are equal or near are asked for together wherever that costs no more than asking for each. The plan
    never costs more than asking for the whole span of every coin that misses anything.
    """
    boxes = _boxes(missing)
    if not boxes:
        return plan_of(())
    calls = [call for box in boxes for call in span_calls(box.ids, box.start, box.end)]
    scattered = plan_of(sorted(calls, key=lambda call: (call.time_start, call.ids)))
    ids = tuple(sorted(cmc_id for cmc_id, hours in missing.items() if hours))
    whole = plan_of(span_calls(ids, min(box.start for box in boxes), max(box.end for box in boxes)))
    return scattered if scattered.credits <= whole.credits else whole


def within_credits(plan: BackfillPlan, most: int) -> BackfillPlan:
    """The beginning of a plan that costs at most so many credits, its last call reduced to fit."""
    taken: list[HistoricalCall] = []
    left = most
    for call in plan.calls:
        part = _part(call, left)
        if part is not None:
            taken.append(part)
            left -= credits_of(part)
        if part != call:
            break
    return plan_of(taken)


def _boxes(missing: Mapping[int, Collection[datetime]]) -> list[_Box]:
    """Equal ranges put together, then neighbours joined until no join pays."""
    by_range: dict[tuple[datetime, datetime], list[int]] = {}
    for cmc_id, hours in sorted(missing.items()):
        for span in _ranges(hours):
            by_range.setdefault(span, []).append(cmc_id)
    boxes = [_Box(start, end, tuple(ids)) for (start, end), ids in sorted(by_range.items())]
    while len(joined := _joined(boxes)) < len(boxes):
        boxes = joined
    return boxes


def _joined(boxes: list[_Box]) -> list[_Box]:
    """Each box with the one before it, where both together cost no more than both alone."""
    joined: list[_Box] = []
    for box in boxes:
        if joined and (both := joined[-1].joined(box)).plan().credits <= (
            joined[-1].plan().credits + box.plan().credits
        ):
            joined[-1] = both
        else:
            joined.append(box)
    return joined


def _ranges(hours: Collection[datetime]) -> list[tuple[datetime, datetime]]:
    """Unbroken ranges of hours, the end of each exclusive, in UTC."""
    ranges: list[tuple[datetime, datetime]] = []
    for hour in sorted({hour.astimezone(timezone.utc) for hour in hours}):
        if ranges and ranges[-1][1] == hour:
            ranges[-1] = (ranges[-1][0], hour + HOUR)
        else:
            ranges.append((hour, hour + HOUR))
    return ranges


def _part(call: HistoricalCall, budget: int) -> HistoricalCall | None:
    """As much of a call as the credits allow: fewer coins, or fewer hours of one coin, or None."""
    points = budget * POINTS_PER_CREDIT
    if call.points <= points:
        return call
    steps = call.points // len(call.ids)
    if points >= steps:
        ids = call.ids[: points // steps]
        return HistoricalCall(ids, call.time_start, call.time_end, len(ids) * steps, len(ids) * (steps + 1))
    hours = points // STEPS_PER_HOUR
    if not hours:
        return None
    steps = hours * STEPS_PER_HOUR
    return HistoricalCall(call.ids[:1], call.time_start, call.time_start + STEP * steps, steps, steps + 1)
