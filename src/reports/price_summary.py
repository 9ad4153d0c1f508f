"""Prices, changes and coverage of each symbol for the report. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timezone
from itertools import chain

from adapters._bases.hourly_table import Corrections, StoredPrice
from adapters._bases.tehran_time import HOUR, from_text, hour_key
from transformers.comparison import DOLLAR_COINS
from transformers.coverage import MISSING, WITHOUT_QUOTE, Share, Spans, count_expected, hour_states

_SIGNIFICANT_DIGITS = 8
_TOMAN = "IRT"
DAY, WEEK = 24, 7 * 24  # hours
# Letters of hours besides those of `hour_states`: stored and updated later; the present hour without a row.
UPDATED, IN_PROGRESS = "u", "w"
_NOTHING = StoredPrice("", "", "", math.nan)


@dataclass(frozen=True)
class PriceTable:
    source: str
    job: str
    view: str
    # Symbol to hour key to price, of the page's hours and of the 7 days before them, for the changes.
    prices: Mapping[str, Mapping[str, StoredPrice]]
    holes: Mapping[str, Collection[str]]  # symbol to hour keys that the source had no quote for
    followed: Collection[str]  # symbols that need a row every hour since their first one
    first_hours: Mapping[str, str]  # symbol to hour key, for followed ones with a row
    rows_stored: int  # in all
    corrections: Corrections  # made in the page's hours
    absences: Mapping[str, Spans]  # symbol to spans in which no hour is expected


@dataclass(frozen=True)
class SymbolSummary:
    """One symbol of one table over the page's hours; None is what is unknown, changes are in percent."""

    symbol: str
    label: str  # the symbol, with the source if the page has several tables
    source: str
    name: str  # of the coin, as last stored; empty if nothing is stored, like `currency`
    currency: str
    followed: bool
    market_cap: float | None  # as last stored
    prices: Sequence[float | None]  # one an hour, to eight digits; None if there is no finite one
    last_price: float | None
    low: float | None  # the lowest trade of the hours, or price where trades are unknown
    high: float | None
    states: str  # a letter an hour: of `hour_states`, or one of the two above
    coverage: Share  # without the hour in progress
    longest_gap: int  # missing hours in a row
    last_hour: str  # hour key of the last price; empty when there is none
    change: float | None  # from the first price to the last
    change_24h: float | None  # of the last price relative to 24 hours before it
    change_7d: float | None
    rows: int  # hours with a row, including the one in progress
    updated: int  # complete hours that were written again later
    never_stored: bool  # whether it is followed and has no row at all


def shown_hours(hours: Sequence[str], tables: Iterable[PriceTable]) -> Sequence[str]:
    """The hour keys without those before anything was stored or expected; at least a day and the present hour."""
    stored = [[*table.first_hours.values(), *map(min, table.prices.values())] for table in tables]
    begin = min(chain.from_iterable(stored), default="")
    empty = sum(hour < begin for hour in hours)
    return hours[max(0, min(empty, len(hours) - 1 - DAY)) :]


def summarize(hours: Sequence[str], tables: Sequence[PriceTable]) -> list[SymbolSummary]:
    """The followed symbols and those stored in these hours, largest market cap first, a symbol's tables together."""
    found = []
    for table in tables:
        for symbol in {*table.followed, *(symbol for symbol, rows in table.prices.items() if max(rows) >= hours[0])}:
            label = symbol if len(tables) == 1 else f"{symbol} \N{MIDDLE DOT} {table.source}"
            found.append(_summary(symbol, hours, table, label=label))
    caps: dict[str, float] = {}
    for one in found:
        caps[one.symbol] = max(caps.get(one.symbol, 0.0), one.market_cap or 0.0)
    return sorted(found, key=lambda one: (-caps[one.symbol], one.symbol))


def spread(lines: Sequence[SymbolSummary]) -> float | None:
    """A coin's second price relative to its first, in percent, in the last hour with both; None across currencies."""
    if len({"USD" if one.currency in DOLLAR_COINS else one.currency for one in lines}) > 1:
        return None
    both = [pair for pair in zip(*(one.prices for one in lines[:2]), strict=True) if None not in pair]
    return _change(*both[-1]) if both and len(lines) > 1 else None


def rates_by_hour(hours: Sequence[str], tables: Iterable[PriceTable]) -> list[float | None]:
    """The price of one USDT in Toman in each of the hours: Nobitex's, else Wallex's; empty if none is stored."""
    rates: dict[str, float | None] = {}
    for table in tables:
        for _, rows in sorted(table.prices.items(), reverse=True):  # Nobitex's replace Wallex's
            rates |= {hour: _finite(row.price) for hour, row in rows.items() if row.currency == _TOMAN}
    return [rates.get(hour) for hour in hours] if rates else []


def _summary(symbol: str, hours: Sequence[str], table: PriceTable, *, label: str) -> SymbolSummary:
    first = table.first_hours.get(symbol) if symbol in table.followed else None
    stored = table.prices.get(symbol, {})
    rows = {hour: row for hour, row in stored.items() if hour >= hours[0]}
    last = rows[max(rows)] if rows else _NOTHING
    priced = {hour: price for hour in hours if hour in rows and (price := _finite(rows[hour].price)) is not None}
    known, valid, last_hour = list(priced.values()), [rows[hour] for hour in priced], max(priced, default="")
    holes, absent = table.holes.get(symbol, ()), table.absences.get(symbol, ())
    states = hour_states(hours, rows, holes, first=first, absent=absent)
    updated = [hour in rows and rows[hour].is_updated for hour in hours]
    letters = [UPDATED if is_updated else state for is_updated, state in zip(updated, states, strict=True)]
    if states[-1] in (MISSING, WITHOUT_QUOTE):
        letters[-1] = IN_PROGRESS  # its price may still come
    return SymbolSummary(
        symbol=symbol,
        label=label,
        source=table.source,
        name=last.name,
        currency=last.currency,
        followed=symbol in table.followed,
        market_cap=_finite(last.market_cap),
        prices=[priced.get(hour) for hour in hours],
        last_price=priced.get(last_hour),
        low=_finite(min((row.price if row.low is None else row.low for row in valid), default=None)),
        high=_finite(max((row.price if row.high is None else row.high for row in valid), default=None)),
        states="".join(letters),
        coverage=count_expected(states[:-1]),
        longest_gap=max(map(len, re.findall(f"{MISSING}+", states[:-1])), default=0),
        last_hour=last_hour,
        change=_change(known[0], known[-1]) if len(known) > 1 else None,
        change_24h=_change_over(stored, last_hour, DAY),
        change_7d=_change_over(stored, last_hour, WEEK),
        rows=len(rows),
        updated=sum(updated[:-1]),
        never_stored=not rows and (first is None or first > hours[-1]),
    )


def _change_over(stored: Mapping[str, StoredPrice], last: str, hours: int) -> float | None:
    if not last:
        return None
    # In UTC: arithmetic on two times of one zone counts wall hours.
    before = stored.get(hour_key(from_text(last).astimezone(timezone.utc) - hours * HOUR))
    return None if before is None else _change(before.price, stored[last].price)


def _change(before: float, after: float) -> float | None:
    """In percent; None if it is not finite."""
    return _finite(100 * (after / before - 1)) if math.isfinite(before) and before > 0 else None


def _finite(value: float | None) -> float | None:
    """The value to eight digits, more than a chart shows; None for what JSON cannot hold."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.{_SIGNIFICANT_DIGITS}g}")
