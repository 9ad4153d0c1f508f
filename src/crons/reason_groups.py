"""Rejected quotes by reason, so that a thousand of one reason are one line of the log. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

# With at most so many coins of one reason, each has a line of its own.
_FEW = 5
_MOST_NAMES = 10
# What differs between two things of one reason: numbers, quoted names and places in an answer.
_VARYING = re.compile(r"\d+|'[^']*'|\[[^\]]*\]")


@dataclass
class _Coin:
    reason: str
    hours: int = 0
    first: str = ""
    last: str = ""


@dataclass
class ReasonGroups:
    """Quotes with the reason why they are not stored; iterates over lines. Memory grows with coins and reasons."""

    _groups: dict[str, dict[str, _Coin]] = field(default_factory=dict)

    def add(self, coin: str, reason: str, hour: str = "") -> None:
        """Add a quote of a coin; ``hour`` is its hour key, empty if unknown."""
        group = self._groups.setdefault(_VARYING.sub("", reason), {})
        seen = group.setdefault(coin, _Coin(reason))
        seen.hours += 1
        seen.first = min(seen.first or hour, hour)
        seen.last = max(seen.last, hour)

    def __iter__(self) -> Iterator[str]:
        """A line for each coin if few have the reason, else one for all, with the first coin's reason."""
        for group in self._groups.values():
            coins = list(group.values())
            if len(coins) <= _FEW:
                yield from (f"{name}{_span(' ', [coin])}: {coin.reason}" for name, coin in group.items())
            else:
                quotes = sum(coin.hours for coin in coins)
                reason = f"{coins[0].reason} (the first of them): {listed(list(group))}"
                yield f"{len(coins):,} coins, {quotes:,} quotes{_span(', ', coins, counted=False)}: {reason}"

    def __len__(self) -> int:
        """The number of lines."""
        return sum(1 for _ in self)


def _span(before: str, coins: Sequence[_Coin], *, counted: bool = True) -> str:
    """From when to when the coins' quotes are, and how many; empty if no hour is known."""
    first, last = min((coin.first for coin in coins if coin.first), default=""), max(coin.last for coin in coins)
    quotes = f", {sum(coin.hours for coin in coins)} quotes" if counted else ""
    if first == last:
        return f"{before}{first}" if first else ""
    return f"{before}{first} to {last}{quotes}"


def listed(names: Sequence[str]) -> str:
    """The first ten names, and how many more there are."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")
