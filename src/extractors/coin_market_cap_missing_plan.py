"""Which historical calls bring scattered hours of many coins at the least cost, and how far a budget goes. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from extractors.coin_market_cap_plan import (
    POINTS_PER_CREDIT,
    STEP,
    STEPS_PER_HOUR,
    BackfillPlan,
    HistoricalCall,
    credits_of,
    plan_of,
    span_calls,
)

_HOUR = timedelta(hours=1)


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
    """Calls that bring every missing hour of every coin, the earliest first; they may bring others beside it.

    Ranges that are equal or near are asked for together wherever that costs no more than asking for each. The plan
    never costs more than asking for the whole span of every coin that misses anything.

    Args:
        missing: CoinMarketCap's id to aware starts of Tehran hours.
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
    """The beginning of a plan that costs at most so many credits; its last call is made smaller to fit.

    Args:
        plan: what would be asked for.
        most: credits; zero or more.
    """
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
            ranges[-1] = (ranges[-1][0], hour + _HOUR)
        else:
            ranges.append((hour, hour + _HOUR))
    return ranges


def _part(call: HistoricalCall, budget: int) -> HistoricalCall | None:
    """As much of a call as the credits allow: fewer coins, else fewer hours of one coin; None where not even one."""
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
