"""Which hours are missing, decided once for heal, status, report and verify. Pure.

An hour of a symbol is expected from its first stored one up to the one before the present hour, but not while a coin of
the list of the largest is absent from it, by the rule of the view `crypto_prices_absences`; for a heal all hours are.
An expected hour without a price is a hole if the source had no quote of what the symbol means, and missing otherwise.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import NamedTuple

from adapters._bases.hourly_table import HourlyRow
from adapters._bases.tehran_time import HOUR, hour_key, hour_start

# Numbers of hours before the present one; the longest last.
SPANS = {"24h": 24, "7d": 7 * 24, "30d": 30 * 24}
_BLOCKS = "▁▂▃▄▅▆▇█"
# Sources limit an answer to a multiple of this many points.
_LIMITS = 100

# What is known of one hour of one symbol: its letter, which the report has too.
STORED, MISSING, WITHOUT_QUOTE, NOT_EXPECTED = "smn-"

Spans = Sequence[tuple[str, str]]  # of hour keys, both ends included
Hours = Mapping[str, datetime]  # hour key to the hour's aware start, oldest first


class Remark(NamedTuple):
    """Why a quote is not stored, or what else is wrong with it."""

    symbol: str
    reason: str  # one line
    hour: str = ""  # hour key; empty if it cannot be read, so that it may be any
    name: str = ""  # of the coin or pair, for messages; empty: as the symbol


class Batch(NamedTuple):
    """One answer of a source."""

    asked: Mapping[str, Hours]  # symbol to those of the wanted hours that the call was for; empty for the present hour
    rows: Sequence[HourlyRow]  # all of hours in `asked`
    rejects: Sequence[Remark] = ()  # a heal asks for their hours again
    flaws: Sequence[Remark] = ()  # of stored rows
    # The times, aware, of all that the answer has of each symbol; None if it has all that the source has.
    points: Mapping[str, Sequence[datetime]] | None = None
    extracted: int = 0  # how many quotes it has that could be read, of two in an hour both; of candles, how many hours


class Share(NamedTuple):
    """Numbers of expected hours by their state."""

    stored: int = 0
    missing: int = 0
    without_quote: int = 0

    @property
    def expected(self) -> int:
        return sum(self)

    @property
    def percent(self) -> float | None:
        """The stored hours in percent, rounded down to one decimal; None if none is expected."""
        return self.stored * 1000 // sum(self) / 10 if sum(self) else None


class Coverage(NamedTuple):
    """What is stored of one symbol."""

    counted_from: datetime | None  # the first expected hour
    shares: Mapping[str, Share]  # for each of `SPANS`
    missing: list[datetime]  # of the longest span, oldest first
    without_quote: list[datetime]


def hours_by_key(starts: Iterable[datetime]) -> dict[str, datetime]:
    """Aware hour starts, oldest first, by their keys; the earlier of two hours with one key."""
    hours: dict[str, datetime] = {}
    for start in starts:
        hours.setdefault(hour_key(start), start)
    return hours


def hour_states(
    hours: Iterable[str], stored: Collection[str], holes: Collection[str], *, first: str | None, absent: Spans = ()
) -> str:
    """The letter of each hour, by its key; the present hour may not be among them.

    Hours are expected from the symbol's first stored one, and not in spans in which it is absent.
    """
    states = ""
    for hour in hours:
        if hour in stored:
            states += STORED
        elif first is None or hour < first or is_within(hour, absent):
            states += NOT_EXPECTED
        else:
            states += WITHOUT_QUOTE if hour in holes else MISSING
    return states


def missing_among(hours: Hours, stored: Collection[str], holes: Collection[str], absent: Spans = ()) -> Hours:
    """The missing ones of hours that are all expected, but for those within spans."""
    lacking = {key: start for key, start in hours.items() if key not in stored and key not in holes}
    return {key: start for key, start in lacking.items() if not is_within(key, absent)} if absent else lacking


def is_within(hour: str, spans: Spans) -> bool:
    """Whether an hour key is in one of these spans."""
    return any(since <= hour <= until for since, until in spans)


def is_whole(lacking: Iterable[datetime], points: Iterable[datetime]) -> bool:
    """Whether an answer shows that the source lacks these hours (aware starts), by its points, which are aware times.

    It shows that by something before and after all of those in which it has nothing. A number of points that looks like
    a limit shows nothing.
    """
    at = sorted(point.astimezone(timezone.utc) for point in points)
    starts = sorted(hour.astimezone(timezone.utc) for hour in lacking)
    empty = [start for start in starts if bisect_left(at, start) == bisect_left(at, start + HOUR)]
    return not empty or (bool(at) and at[0] < empty[0] and at[-1] > empty[-1] and len(at) % _LIMITS > 0)


def count_expected(states: str) -> Share:
    return Share(*map(states.count, (STORED, MISSING, WITHOUT_QUOTE)))


def cover(
    hours: Hours, stored: Collection[str], holes: Collection[str], *, first: str | None, absent: Spans = ()
) -> Coverage:
    """What is stored of a symbol in the hours of the longest of `SPANS`. Arguments as for `hour_states`."""
    states = hour_states(hours, stored, holes, first=first, absent=absent)
    known = list(zip(hours.values(), states, strict=True))
    return Coverage(
        next((start for start, state in known if state != NOT_EXPECTED), None),
        {name: count_expected(states[-length:]) for name, length in SPANS.items()},
        [start for start, state in known if state == MISSING],
        [start for start, state in known if state == WITHOUT_QUOTE],
    )


def reach(hours: Iterable[datetime], now: datetime) -> int:
    """How many hours a heal or backfill has to go back, to include all of these aware ones; at least one."""
    # In UTC: arithmetic on two times of one zone counts wall hours.
    earliest = min((hour.astimezone(timezone.utc) for hour in hours), default=now)
    return max(1, (hour_start(now).astimezone(timezone.utc) - earliest) // HOUR)


def sparkline(values: Sequence[float | None]) -> str:
    """The values as blocks between the lowest and the highest, with a dot for None."""
    known = [value for value in values if value is not None]
    if not known:
        return "·" * len(values)
    low, width, top = min(known), max(known) - min(known), len(_BLOCKS) - 1
    return "".join(
        "·" if value is None else _BLOCKS[round((value - low) / width * top) if width else top // 2] for value in values
    )
