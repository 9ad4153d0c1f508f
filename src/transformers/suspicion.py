"""What prices that differ between two sources surely look like: stale, shifted by an hour, or swapped. Pure.

It is said only where the prices leave no doubt. Hours that are merely over a tolerance may be right in both sources:
markets differ when they move.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from statistics import median
from typing import Literal, NamedTuple

LAGS = (-1, 1)
"""Hours by which prices may be shifted: of an hour earlier, of an hour later."""
_LEAST_STALE = 3
"""Hours in a row with the very same price that no live market has."""
_LEAST_SHIFTED = 3
"""Hours over the tolerance that all fit an hour beside them."""
_LEAST_ALONG = 24
"""Hours of a span whose deviations tell by their spread that it is shifted, though none is over the tolerance."""
_FITS = 0.25
"""How small, as a share of the deviation that is to be explained, what is left must be."""


class Held(NamedTuple):
    """CoinMarketCap's price of an hour, held against Binance's.

    Attributes:
        hour: its key.
        quoted: CoinMarketCap's price.
        traded: Binance's, in the same currency.
        percent: how far the former is off the latter, with its sign.
        opened: Binance's first trade of the hour, as stored.
        is_prompt: whether CoinMarketCap's price was taken at the beginning of the hour.
    """

    hour: str
    quoted: float
    traded: float
    percent: float
    opened: float
    is_prompt: bool

    @property
    def size(self) -> float:
        """The deviation in percent, without its sign."""
        return abs(self.percent)


class Suspicion(NamedTuple):
    """What prices look like.

    Attributes:
        looks: in one word.
        detail: what was seen, for people.
        hours: keys of the hours over the tolerance that it explains, oldest first.
    """

    looks: Literal["stale", "shifted", "swapped"]
    detail: str
    hours: Sequence[str]


def stale(held: Sequence[Held], over: Sequence[Held]) -> list[Suspicion]:
    """Runs of hours in which one source repeats a price while the other moves away from it.

    Args:
        held: the compared hours, oldest first.
        over: those over the tolerance.
    """
    wrong = {one.hour for one in over}
    return [
        *_repeated("CoinMarketCap", held, wrong, lambda one: one.quoted, lambda one: one.opened),
        *_repeated("Binance", held, wrong, lambda one: one.opened, lambda one: one.quoted),
    ]


def _repeated(
    source: str,
    held: Sequence[Held],
    wrong: set[str],
    price_of: Callable[[Held], float],
    other_of: Callable[[Held], float],
) -> list[Suspicion]:
    found = []
    for price, group in groupby(held, price_of):
        run = list(group)
        hours = [one.hour for one in run if one.hour in wrong]
        if hours and len(run) >= _LEAST_STALE and len(set(map(other_of, run))) > 1:
            span = f"from {run[0].hour[:16]} to {run[-1].hour[:16]}"
            found.append(Suspicion("stale", f"{source} has {price:.8g} {span}, while the other moves", hours))
    return found


def shifted(held: Sequence[Held], over: Sequence[Held], moved: Mapping[int, Mapping[str, Held]]) -> list[Suspicion]:
    """Whether CoinMarketCap's prices are those that Binance has an hour earlier or later; at most one suspicion.

    Only prices taken at the beginning of their hour tell: late in an hour a right price may fit the next one better.

    Args:
        held: the compared hours, oldest first.
        over: those over the tolerance that nothing else explains.
        moved: lag in hours to CoinMarketCap's prices held against Binance's of so many hours later, by hour.
    """
    for lag, beside in moved.items():
        words = f"of an hour {'earlier' if lag < 0 else 'later'}"
        if _is_shifted_along(held, beside):
            detail = f"CoinMarketCap's prices fit Binance's {words}, all along"
            return [Suspicion("shifted", detail, [one.hour for one in over])]
        known = [(one, beside[one.hour]) for one in over if one.is_prompt and one.hour in beside]
        if len(known) >= _LEAST_SHIFTED and all(other.size <= one.size * _FITS for one, other in known):
            detail = f"CoinMarketCap's prices of {len(known):,} h fit Binance's {words}"
            return [Suspicion("shifted", detail, [one.hour for one, _ in known])]
    return []


def _is_shifted_along(held: Sequence[Held], beside: Mapping[str, Held]) -> bool:
    """Whether the deviations of the span scatter far less when it is moved.

    A steady difference between the sources scatters nothing, and a few wrong hours do not count: spread is the median
    distance from the median.
    """
    known = [(one.percent, beside[one.hour].percent) for one in held if one.is_prompt and one.hour in beside]
    if len(known) < _LEAST_ALONG:
        return False
    here, there = (_spread(percents) for percents in zip(*known, strict=True))
    return here > 0 and there <= here * _FITS


def _spread(percents: Sequence[float]) -> float:
    middle = median(percents)
    return median(abs(percent - middle) for percent in percents)


def swapped(over: Mapping[str, Sequence[Held]]) -> dict[str, list[Suspicion]]:
    """Symbol to its suspicions: two symbols whose prices at CoinMarketCap are each the other's at Binance.

    Args:
        over: symbol to its hours over the tolerance.
    """
    by_hour: dict[str, list[tuple[str, Held]]] = {}
    for symbol, wrong in over.items():
        for one in wrong:
            by_hour.setdefault(one.hour, []).append((symbol, one))
    swaps: dict[tuple[str, str], list[str]] = {}
    for hour in sorted(by_hour):
        for pair in _swapped_in(by_hour[hour]):
            swaps.setdefault(pair, []).append(hour)
    found: dict[str, list[Suspicion]] = {}
    for (symbol, other), hours in swaps.items():
        found.setdefault(symbol, []).append(
            Suspicion("swapped", f"{symbol} and {other} have each other's price at CoinMarketCap", hours)
        )
    return found


def _swapped_in(hour: Sequence[tuple[str, Held]]) -> list[tuple[str, str]]:
    """The ordered pairs of symbols of one hour, each of which has what the other should have."""
    ranked = sorted(hour, key=lambda one: one[1].traded)
    traded = [one.traded for _, one in ranked]
    fits: dict[str, str] = {}
    for symbol, one in ranked:
        place = bisect_left(traded, one.quoted)
        beside = ranked[max(0, place - 1) : place + 1]
        other, nearest = min(beside, key=lambda near: abs(near[1].traded - one.quoted))
        if abs(one.quoted / nearest.traded - 1) * 100 <= one.size * _FITS:
            fits[symbol] = other
    return [(symbol, other) for symbol, other in fits.items() if fits.get(other) == symbol and other != symbol]
