"""Which hours are missing: the one answer, for heal, status, report and verify alike. Pure.

An hour of a symbol is expected from the first one ever stored of it up to the one before the present hour. An expected
hour without a price is a hole where the source had no quote of the coin that the symbol stands for, and missing
otherwise. Hours are identified by their keys: the two of an autumn until 2022 that share a key, see
`adapters._bases.tehran_time`, are one.

The command chooses the hours: status and report take those before the present one, verify those between a symbol's
stored ones, and heal expects all of its hours, because it also fills those before a symbol's first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from enum import Enum
from typing import NamedTuple

from adapters._bases.tehran_time import HOUR, hour_key, hour_start

SPANS = {"24h": 24, "7d": 7 * 24, "30d": 30 * 24}
"""The spans that people ask about, in keys of hours before the present one; the longest last."""
_BLOCKS = "▁▂▃▄▅▆▇█"

Hours = Mapping[str, datetime]
"""Hour key to the hour's aware start, in the order of time."""


class HourState(str, Enum):
    """What is known of one hour of one symbol. The value is its letter in the report."""

    STORED = "s"
    MISSING = "m"
    WITHOUT_QUOTE = "n"
    NOT_EXPECTED = "-"


class Share(NamedTuple):
    """Expected hours of one symbol or of several, counted by what is known of them."""

    stored: int = 0
    missing: int = 0
    without_quote: int = 0

    @property
    def expected(self) -> int:
        """How many hours are expected."""
        return sum(self)

    @property
    def percent(self) -> float | None:
        """The stored hours in percent, rounded down to one decimal, None where none is expected."""
        return self.stored * 1000 // self.expected / 10 if self.expected else None

    def plus(self, other: Share) -> Share:
        """The sum of both."""
        return Share(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


class Coverage(NamedTuple):
    """What is stored of one symbol.

    Attributes:
        counted_from: the first hour that counts; None when none does.
        shares: for each of `SPANS`.
        missing: missing hours of the longest span, oldest first.
        without_quote: likewise those that the source had no quote for.
    """

    counted_from: datetime | None
    shares: Mapping[str, Share]
    missing: list[datetime]
    without_quote: list[datetime]


def hours_by_key(starts: Sequence[datetime]) -> dict[str, datetime]:
    """The hours by their keys, the earlier of two with one key. They are aware and in order of time."""
    hours: dict[str, datetime] = {}
    for start in starts:
        hours.setdefault(hour_key(start), start)
    return hours


def hour_states(
    hours: Iterable[str], stored: Collection[str], holes: Collection[str], *, first: str | None
) -> list[HourState]:
    """The state of each hour.

    Args:
        hours: hour keys, none of them the present one's.
        stored: keys with a price.
        holes: keys that the source had no quote for, of the coin that is followed.
        first: the key of the symbol's first stored hour, from which on hours are expected; None expects none.
    """
    return [
        HourState.STORED
        if hour in stored
        else HourState.NOT_EXPECTED
        if first is None or hour < first
        else HourState.WITHOUT_QUOTE
        if hour in holes
        else HourState.MISSING
        for hour in hours
    ]


def missing_among(hours: Hours, stored: Collection[str], holes: Collection[str], *, first: str = "") -> Hours:
    """The missing ones of the hours. Arguments as in `hour_states`, but by default all hours are expected."""
    states = hour_states(hours, stored, holes, first=first)
    return {key: start for (key, start), state in zip(hours.items(), states, strict=True) if state is HourState.MISSING}


def count_expected(states: Sequence[HourState]) -> Share:
    """The expected hours counted by their states."""
    counted = HourState.STORED, HourState.MISSING, HourState.WITHOUT_QUOTE
    return Share(*map(states.count, counted))


def cover(hours: Hours, stored: Collection[str], holes: Collection[str], *, first: str | None) -> Coverage:
    """What is stored of a symbol in the hours of the longest of `SPANS`. Arguments as in `hour_states`."""
    states = hour_states(hours, stored, holes, first=first)

    def those(*wanted: HourState) -> list[datetime]:
        return [start for start, state in zip(hours.values(), states, strict=True) if state in wanted]

    return Coverage(
        next(iter(those(HourState.STORED, HourState.MISSING, HourState.WITHOUT_QUOTE)), None),
        {name: count_expected(states[-length:]) for name, length in SPANS.items()},
        those(HourState.MISSING),
        those(HourState.WITHOUT_QUOTE),
    )


def reach(hours: Iterable[datetime], now: datetime) -> int:
    """How many hours before the present one take in all of these: HOURS of a heal or backfill; at least one.

    Args:
        hours: aware.
        now: aware.
    """
    # In UTC: arithmetic on two times of one zone counts wall hours.
    earliest = min((hour.astimezone(timezone.utc) for hour in hours), default=now)
    return max(1, (hour_start(now).astimezone(timezone.utc) - earliest) // HOUR)


def sparkline(values: Sequence[float | None]) -> str:
    """The values as a line of blocks between the lowest and the highest, with a dot for None."""
    there = [value for value in values if value is not None]
    if not there:
        return "·" * len(values)
    low, width = min(there), max(there) - min(there)
    top = len(_BLOCKS) - 1
    return "".join(
        "·" if value is None else _BLOCKS[round((value - low) / width * top) if width else top // 2] for value in values
    )
