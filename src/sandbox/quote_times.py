"""When the simulated source has historical quotes: intervals, holes, and stamps off the grid.

All times are seconds since 1970 UTC unless they are datetimes. A quote exists at each multiple of five minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import NamedTuple

from sandbox.market import HOUR_SECONDS, scattered

GRID_SECONDS = 300
MAX_COUNT = 10_000

HoleRule = Callable[[int, datetime], bool]
"""Whether a coin (by id) has no quote at an aware instant in UTC."""

INTERVALS = {f"{minutes}m": 60 * minutes for minutes in (5, 10, 15, 30, 45)} | {
    f"{hours}h": HOUR_SECONDS * hours for hours in (1, 2, 3, 4, 6, 12)
}
"""The intraday intervals, which are counted from the start of a range, and their lengths in seconds."""


class Step(NamedTuple):
    """One period that is asked for: its quote is the first one from `start` to before `end`."""

    start: float
    end: float


class Stamp(NamedTuple):
    """The two times of a quote, its own and that of its currency, which may be seconds off the grid."""

    quote: float
    currency: float


def plan_steps(length: int, *, start: float, end: float, count: int) -> list[Step]:
    """The first periods of a call after `start` up to `end`, of that length in seconds, oldest first."""
    fitting = max(0, int((end - start) // length))
    begins = [start + length * number for number in range(1, min(fitting, count) + 1)]
    return [Step(begin, begin + length) for begin in begins]


def stamp_in(step: Step, coin_id: int, *, is_hole: HoleRule, now: float) -> Stamp | None:
    """The first quote of the period, None if it has none."""
    grid = -(-step.start // GRID_SECONDS) * GRID_SECONDS
    while grid < step.end:
        stamp = _stamped(coin_id, grid)
        if stamp.quote > now:
            return None
        if not is_hole(coin_id, datetime.fromtimestamp(grid, timezone.utc)):
            return stamp
        grid += GRID_SECONDS
    return None


def _stamped(coin_id: int, grid: float) -> Stamp:
    """The stamp at a grid time: one in eleven is some seconds late, some others are converted late."""
    chance = scattered(coin_id, int(grid) // GRID_SECONDS)
    seconds_late = 3 + chance % 7
    if chance % 11 == 0:
        return Stamp(grid + seconds_late, grid + seconds_late)
    if chance % 7 == 1:
        return Stamp(grid, grid + 2 + chance % 5)
    return Stamp(grid, grid)
