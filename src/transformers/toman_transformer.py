"""Rates of USDT in Toman that differ by a factor of ten. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from statistics import mode

# No market moves as far from one hour to the next, and no two exchanges are as far apart.
_LEAST_TENFOLD, _MOST_TENFOLD = 7.0, 14.0

Rates = Mapping[str, Mapping[str, float]]
"""Symbol to its rates by hour key."""


def tenfold_rates(rates: Rates) -> Iterator[tuple[str, list[str]]]:
    """What is ten times as much as other rates, in words, and its hours: within a symbol, and between two."""
    for symbol, own in rates.items():
        levels = dict.fromkeys(sorted(own), 0)
        for before, hour in pairwise(levels):
            levels[hour] = levels[before] + _tens(own[hour], own[before])
        usual = mode(levels.values())
        found = {
            "ten times its other rates": [hour for hour, level in levels.items() if level > usual],
            "a tenth of its other rates": [hour for hour, level in levels.items() if level < usual],
        }
        for other, theirs in rates.items():
            both = [hour for hour in levels if hour in theirs]
            found[f"ten times {other}"] = [hour for hour in both if _tens(own[hour], theirs[hour]) > 0]
        yield from ((f"{symbol} is {words}", hours) for words, hours in found.items() if hours)


def _tens(one: float, other: float) -> int:
    """1 if a rate is about ten times another, -1 if it is about a tenth of it, else 0."""
    high, low = max(one, other), min(one, other)
    is_tenfold = _LEAST_TENFOLD * low < high < _MOST_TENFOLD * low
    return 0 if not is_tenfold else 1 if one > other else -1
