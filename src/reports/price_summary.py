"""What the page says of each symbol's hours. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from adapters.clickhouse.coin_market_cap_clickhouse_adapter import StoredPrice
from transformers.coverage import HourState, Share, count_expected, hour_states

_SIGNIFICANT_DIGITS = 8
UPDATED, IN_PROGRESS = "u", "w"
"""Letters of hours beside those of `HourState`: stored and written again later; the present hour without a row."""


@dataclass(frozen=True)
class SymbolSummary:
    """One symbol over the page's hours.

    Attributes:
        name: of the coin, as last stored; empty when nothing is stored.
        market_cap: as last stored; None when unknown.
        prices: one an hour, to eight digits; None without a finite one.
        states: a letter an hour: of a `HourState`, or one of the two above.
        coverage: without the hour in progress.
        longest_gap: missing hours in a row.
        last_hour: hour key of the last price; empty when there is none.
        never_stored: whether it is followed and has no row, neither in the page's hours nor before them.
    """

    symbol: str
    name: str
    market_cap: float | None
    prices: Sequence[float | None]
    states: str
    coverage: Share
    longest_gap: int
    last_hour: str
    never_stored: bool

    @property
    def known_prices(self) -> list[float]:
        """The prices that are known, oldest first."""
        return [price for price in self.prices if price is not None]

    @property
    def change_percent(self) -> float | None:
        """The change from the first known price to the last, None without two above zero."""
        known = self.known_prices
        return 100 * (known[-1] / known[0] - 1) if len(known) > 1 and known[0] > 0 else None

    @property
    def updated(self) -> int:
        """How many of the counted hours were written again later."""
        return self.states[:-1].count(UPDATED)


def summarize(
    hours: Sequence[str],
    prices: Iterable[StoredPrice],
    *,
    holes: Mapping[str, Collection[str]],
    followed: Collection[str],
    first_hours: Mapping[str, str],
) -> list[SymbolSummary]:
    """The followed and the stored symbols, largest market cap first. Arguments as in `ReportContents`."""
    stored: dict[str, dict[str, StoredPrice]] = {symbol: {} for symbol in followed}
    for price in prices:
        stored.setdefault(price.symbol, {})[price.datetime] = price
    summaries = [
        _summary(symbol, hours, rows, holes.get(symbol, ()), first_hours.get(symbol) if symbol in followed else None)
        for symbol, rows in stored.items()
    ]
    return sorted(summaries, key=lambda one: (-(one.market_cap or 0.0), one.symbol))


def _summary(
    symbol: str, hours: Sequence[str], rows: dict[str, StoredPrice], holes: Collection[str], first: str | None
) -> SymbolSummary:
    last = rows[max(rows)] if rows else None
    prices = [_finite(rows[hour].price) if hour in rows else None for hour in hours]
    states = hour_states(hours[:-1], rows, holes, first=first)
    priced = [hour for hour, price in zip(hours, prices, strict=True) if price is not None]
    return SymbolSummary(
        symbol=symbol,
        name=last.name if last else "",
        market_cap=_finite(last.market_cap) if last and last.market_cap is not None else None,
        prices=prices,
        states=_letters(hours, rows, [*states, *hour_states(hours[-1:], rows, (), first=first)]),
        coverage=count_expected(states),
        longest_gap=_longest_gap(states),
        last_hour=priced[-1] if priced else "",
        never_stored=not rows and (first is None or first > hours[-1]),
    )


def _letters(hours: Sequence[str], rows: Mapping[str, StoredPrice], states: Sequence[HourState]) -> str:
    letters = [
        UPDATED if hour in rows and rows[hour].is_updated else state.value
        for hour, state in zip(hours, states, strict=True)
    ]
    return "".join([*letters[:-1], IN_PROGRESS if states[-1] is HourState.MISSING else letters[-1]])


def _longest_gap(states: Iterable[HourState]) -> int:
    gaps = (len(list(gap)) for state, gap in groupby(states) if state is HourState.MISSING)
    return max(gaps, default=0)


def _finite(value: float) -> float | None:
    """The value to eight digits, more than a chart shows, None for what JSON cannot hold."""
    return float(f"{value:.{_SIGNIFICANT_DIGITS}g}") if math.isfinite(value) else None
