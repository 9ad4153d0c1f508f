"""Things of one reason in one line: what was not stored, and why. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_FEW = 5
"""So many coins of one reason still have a line each."""
_NAMED = 10
# What differs between two things of one reason: numbers, quoted names and places in an answer.
_VARYING = re.compile(r"\d+|'[^']*'|\[[^\]]*\]")


@dataclass
class _Seen:
    """What one coin, or all of a reason, has in common."""

    reason: str
    first: str = ""
    last: str = ""
    count: int = 0

    def add(self, hour: str) -> None:
        self.count += 1
        self.first = min(self.first or hour, hour)
        self.last = max(self.last, hour)

    def __str__(self) -> str:
        if self.first == self.last:
            return self.first
        return f"{self.first} to {self.last}, {self.count} quotes"


@dataclass
class ReasonGroups:
    """Takes things one by one; memory grows with the coins and the kinds of reasons alone."""

    _groups: dict[str, dict[str, _Seen]] = field(default_factory=dict)

    def add(self, who: str, reason: str, hour: str = "") -> None:
        """Take one thing.

        Args:
            who: the coin, for people.
            reason: in one line.
            hour: hour key; empty where it is not known.
        """
        group = self._groups.setdefault(_VARYING.sub("", reason), {})
        group.setdefault(who, _Seen(reason)).add(hour)

    def lines(self) -> list[str]:
        """A line for each reason; one for each coin where few have it. The reason is seen as the first had it."""
        return [line for group in self._groups.values() for line in _lines_of(group)]


def _lines_of(group: dict[str, _Seen]) -> list[str]:
    if len(group) <= _FEW:
        return [f"{who}{f' {seen}' if str(seen) else ''}: {seen.reason}" for who, seen in group.items()]
    one = next(iter(group.values()))
    first = min((seen.first for seen in group.values() if seen.first), default="")
    last = max(seen.last for seen in group.values())
    quotes = sum(seen.count for seen in group.values())
    span = f", {first} to {last}" if first else ""
    return [f"{len(group):,} coins, {quotes:,} quotes{span}: {one.reason} (the first of them): {listed(list(group))}"]


def listed(names: list[str]) -> str:
    """Names for one line: the first ten, and how many more."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
