"""Which hours of which symbols are stored, and how the others are to be read. Pure: no I/O, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from adapters.clickhouse.coin_market_cap_reads import StoredPrice


class HourState(str, Enum):
    """What is known of one hour of one symbol; the value is its letter in the page's data."""

    STORED = "s"
    UPDATED = "u"
    MISSING = "m"
    WITHOUT_QUOTE = "n"
    IN_PROGRESS = "w"
    NOT_EXPECTED = "-"


class Coverage(NamedTuple):
    """Hours counted by what is known of them; the hour in progress is in none of them.

    Attributes:
        stored: hours with a row.
        updated: those among them whose row was written again later.
        missing: hours that should have a row and have none.
        without_quote: hours without a row, for which the source itself had nothing.
    """

    stored: int = 0
    updated: int = 0
    missing: int = 0
    without_quote: int = 0

    @property
    def percent(self) -> float | None:
        """Stored hours of those expected, to one decimal, cut off: 100 means every hour; None if none is expected."""
        expected = self.stored + self.missing + self.without_quote
        return self.stored * 1000 // expected / 10 if expected else None

    def plus(self, other: Coverage) -> Coverage:
        """Both together."""
        return Coverage(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


def hour_states(
    symbol: str,
    hours: Sequence[str],
    stored: Mapping[str, StoredPrice],
    *,
    holes: Collection[tuple[str, str]],
    expected_from: int,
) -> list[HourState]:
    """The state of each hour of one symbol.

    Args:
        symbol: whose hours they are.
        hours: hour keys, oldest first; the last one is the hour in progress.
        stored: by hour key.
        holes: (symbol, hour key) that the source had no quote for.
        expected_from: from which of the hours on a row is expected; as many as there are for none of them.
    """
    states = []
    for number, hour in enumerate(hours):
        if hour in stored:
            states.append(HourState.UPDATED if stored[hour].is_updated else HourState.STORED)
        elif number < expected_from:
            states.append(HourState.NOT_EXPECTED)
        elif (symbol, hour) in holes:
            states.append(HourState.WITHOUT_QUOTE)
        else:
            states.append(HourState.IN_PROGRESS if hour == hours[-1] else HourState.MISSING)
    return states


def count_states(states: Sequence[HourState]) -> Coverage:
    """The states of one symbol counted; the last one, of the hour in progress, is left out."""
    counts = Counter(states[:-1])
    updated = counts[HourState.UPDATED]
    return Coverage(
        counts[HourState.STORED] + updated, updated, counts[HourState.MISSING], counts[HourState.WITHOUT_QUOTE]
    )


def longest_gap(states: Sequence[HourState]) -> int:
    """How many hours in a row are missing at most."""
    longest = current = 0
    for state in states:
        current = current + 1 if state is HourState.MISSING else 0
        longest = max(longest, current)
    return longest
