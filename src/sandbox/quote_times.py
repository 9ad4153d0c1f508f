"""When the simulated source has historical quotes: steps of an interval, holes, and stamps off the grid.

All times are seconds since 1970 UTC unless they are datetimes. A quote exists at each multiple of five minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from sandbox.market import DAY_SECONDS, HOUR_SECONDS, scattered

GRID_SECONDS = 300
MAX_COUNT = 10_000

HoleRule = Callable[[int, datetime], bool]
"""Whether a coin (by id) has no quote at an aware instant in UTC."""

_RELATIVE = {f"{minutes}m": 60 * minutes for minutes in (5, 10, 15, 30, 45)}
_RELATIVE |= {f"{hours}h": HOUR_SECONDS * hours for hours in (1, 2, 3, 4, 6, 12, 24)}
_RELATIVE |= {f"{days}d": DAY_SECONDS * days for days in (1, 2, 3, 7, 14, 15, 30, 60, 90, 365)}
# Anchor and length: the first Monday after 1970-01-01 is the fifth of January.
_CALENDAR = {
    "hourly": (0, HOUR_SECONDS),
    "daily": (0, DAY_SECONDS),
    "weekly": (4 * DAY_SECONDS, 7 * DAY_SECONDS),
}
_BY_MONTH = {"monthly": 1, "yearly": 12}
INTERVALS = frozenset({*_RELATIVE, *_CALENDAR, *_BY_MONTH})


class Step(NamedTuple):
    """One period that is asked for: its quote is the first one from `start` to before `end`."""

    start: float
    end: float


class Stamp(NamedTuple):
    """The two times of a quote: its own, and that of the currency it is given in; seconds off the grid at times."""

    quote: float
    currency: float


def is_intraday(interval: str) -> bool:
    """Whether the interval counts against the plan's reach for intraday history (shorter than a day)."""
    if interval == "hourly":
        return True
    return _RELATIVE.get(interval, DAY_SECONDS) < DAY_SECONDS


def plan_steps(interval: str, *, start: float | None, end: float, count: int | None) -> list[Step]:
    """The periods of a call, oldest first, 10,000 at most.

    Calendar intervals begin at UTC boundaries; relative ones are counted from `start`, or back from the grid point at
    or before `end` where there is no start.

    Args:
        interval: one of `INTERVALS`.
        start: exclusive; None counts back from `end`.
        end: inclusive.
        count: how many periods: the first after `start`, or the last before `end`; None is all of them, or ten where
            there is no start.
    """
    if start is None:
        wanted = 10 if count is None else count
        return list(_limited(_backwards(interval, end), wanted))[::-1]
    return list(_limited(_forwards(interval, start, end), MAX_COUNT if count is None else count))


def stamp_in(step: Step, coin_id: int, *, is_hole: HoleRule, now: float) -> Stamp | None:
    """The first quote of the period; None if the period has none."""
    grid = -(-step.start // GRID_SECONDS) * GRID_SECONDS
    while grid < step.end:
        stamp = _stamped(coin_id, grid)
        if stamp.quote > now:
            return None
        if not is_hole(coin_id, datetime.fromtimestamp(grid, timezone.utc)):
            return stamp
        grid += GRID_SECONDS
    return None


def holes_of(holes: Collection[tuple[int, datetime]] | HoleRule) -> HoleRule:
    """A rule of missing quotes, from a rule or from (coin id, aware start of an hour) pairs; each is one hour long."""
    if callable(holes):
        return holes
    starts: dict[int, list[datetime]] = {}
    for coin_id, hour in holes:
        starts.setdefault(coin_id, []).append(hour)
    hour_long = timedelta(hours=1)
    return lambda coin_id, instant: any(hour <= instant < hour + hour_long for hour in starts.get(coin_id, ()))


def _stamped(coin_id: int, grid: float) -> Stamp:
    """About one quote in eleven was taken some seconds late; of the rest, one in seven was converted late."""
    chance = scattered(coin_id, int(grid) // GRID_SECONDS)
    seconds_late = 3 + chance % 7
    if chance % 11 == 0:
        return Stamp(grid + seconds_late, grid + seconds_late)
    if chance % 7 == 1:
        return Stamp(grid, grid + 2 + chance % 5)
    return Stamp(grid, grid)


def _limited(steps: Iterator[Step], count: int) -> Iterator[Step]:
    for _, step in zip(range(min(count, MAX_COUNT)), steps, strict=False):
        yield step


def _forwards(interval: str, start: float, end: float) -> Iterator[Step]:
    if interval in _BY_MONTH:
        boundary = _next_month_boundary(start, _BY_MONTH[interval])
        while boundary <= end:
            following = _next_month_boundary(boundary, _BY_MONTH[interval])
            yield Step(boundary, following)
            boundary = following
        return
    anchor, length = _CALENDAR.get(interval) or (start, _RELATIVE[interval])
    begin = anchor + ((start - anchor) // length + 1) * length
    while begin <= end:
        yield Step(begin, begin + length)
        begin += length


def _backwards(interval: str, end: float) -> Iterator[Step]:
    if interval in _BY_MONTH:
        following = _next_month_boundary(end, _BY_MONTH[interval])
        while True:
            boundary = _previous_month_boundary(following, _BY_MONTH[interval])
            yield Step(boundary, following)
            following = boundary
    grid_end = end // GRID_SECONDS * GRID_SECONDS
    anchor, length = _CALENDAR.get(interval) or (grid_end, _RELATIVE[interval])
    begin = anchor + (end - anchor) // length * length
    while True:
        yield Step(begin, begin + length)
        begin -= length


def _next_month_boundary(seconds: float, months: int) -> float:
    """The first boundary after `seconds`."""
    return _month_boundary(_month_number(seconds, months) + months)


def _previous_month_boundary(boundary: float, months: int) -> float:
    return _month_boundary(_month_number(boundary, months) - months)


def _month_number(seconds: float, months: int) -> int:
    instant = datetime.fromtimestamp(seconds, timezone.utc)
    number = instant.year * 12 + instant.month - 1
    return number // months * months


def _month_boundary(number: int) -> float:
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=timezone.utc).timestamp()
