"""What the page says of each symbol, computed from its stored hours. Pure: no I/O, no clock."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from adapters.clickhouse.coin_market_cap_clickhouse_adapter import StoredPrice


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


_SIGNIFICANT_DIGITS = 8


@dataclass(frozen=True)
class SymbolSummary:
    """One symbol over the page's hours.

    Attributes:
        symbol: as followed.
        name: of the coin, as last stored; empty when nothing is stored.
        market_cap: as last stored; None when unknown.
        prices: one an hour, to eight digits; None where there is none, or no finite one.
        states: one an hour.
        coverage: the states counted, the hour in progress left out.
        longest_gap: missing hours in a row.
        last_hour: hour key of the last price; empty when there is none.
        never_stored: whether it is followed and has no row, neither in the page's hours nor before them.
    """

    symbol: str
    name: str
    market_cap: float | None
    prices: Sequence[float | None]
    states: Sequence[HourState]
    coverage: Coverage
    longest_gap: int
    last_hour: str
    never_stored: bool

    @property
    def known_prices(self) -> list[float]:
        """The prices that are known, oldest first."""
        return [price for price in self.prices if price is not None]

    @property
    def change_percent(self) -> float | None:
        """From the first known price to the last; None without two of them above zero."""
        known = self.known_prices
        return 100 * (known[-1] / known[0] - 1) if len(known) > 1 and known[0] > 0 else None


def summarize(
    hours: Sequence[str],
    prices: Iterable[StoredPrice],
    *,
    holes: Collection[tuple[str, str]],
    followed: Collection[str],
    stored_before: Collection[str],
) -> list[SymbolSummary]:
    """The followed symbols and whatever else is stored, the largest market cap first, then by symbol.

    Args:
        hours: hour keys, oldest first; the last one is the hour in progress.
        prices: in any order.
        holes: (symbol, hour key) that the source had no quote for.
        followed: symbols that a row is expected for every hour from the first one stored on, whenever that was.
        stored_before: those of them with a row of an hour before these.
    """
    stored: dict[str, dict[str, StoredPrice]] = {symbol: {} for symbol in followed}
    for price in prices:
        stored.setdefault(price.symbol, {})[price.datetime] = price

    def begin(symbol: str, rows: Collection[str]) -> int:
        if symbol not in followed:
            return len(hours)
        return 0 if symbol in stored_before else next((i for i, hour in enumerate(hours) if hour in rows), len(hours))

    summaries = [
        _summary(
            symbol,
            hours,
            rows,
            holes,
            expected_from=begin(symbol, rows),
            never_stored=symbol not in stored_before and not rows,
        )
        for symbol, rows in stored.items()
    ]
    return sorted(summaries, key=lambda one: (-(one.market_cap or 0.0), one.symbol))


def _summary(
    symbol: str,
    hours: Sequence[str],
    rows: dict[str, StoredPrice],
    holes: Collection[tuple[str, str]],
    *,
    expected_from: int,
    never_stored: bool,
) -> SymbolSummary:
    last = rows[max(rows)] if rows else None
    prices = [_finite(rows[hour].price) if hour in rows else None for hour in hours]
    states = hour_states(symbol, hours, rows, holes=holes, expected_from=expected_from)
    priced = [hour for hour, price in zip(hours, prices, strict=True) if price is not None]
    return SymbolSummary(
        symbol=symbol,
        name=last.name if last else "",
        market_cap=_finite(last.market_cap) if last and last.market_cap is not None else None,
        prices=prices,
        states=states,
        coverage=count_states(states),
        longest_gap=longest_gap(states),
        last_hour=priced[-1] if priced else "",
        never_stored=never_stored,
    )


def _finite(value: float) -> float | None:
    """The value to eight digits, which is more than a chart shows; None for what JSON cannot carry."""
    return float(f"{value:.{_SIGNIFICANT_DIGITS}g}") if math.isfinite(value) else None
