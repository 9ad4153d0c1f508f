"""What ``compare`` shows: to machines as JSON, to people as a table of symbols and what differs below it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import groupby
from typing import Any

from adapters._bases.tehran_time import describe_hours, from_text, hour_ranges, tehran_text
from commands.screen import say, say_wrapped, show_table
from reports.comparison_text import differences_in_words, notes
from transformers.comparison import Comparison, Overview
from transformers.coverage import reach
from transformers.suspicion import Held

SCHEMA_VERSION = 1
"""Of the JSON; a field may be added without a new one, none is removed or changes its meaning."""
_SHOWN_RANGES = 10
"""Of a symbol's hours over the tolerance."""


def as_json_text(found: Overview, now: datetime) -> str:
    """All that was found, as one JSON object; times are Tehran wall time, deviations in percent."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "now": tehran_text(now),
        "first_hour": found.hours[0],
        "last_hour": found.hours[-1],
        "tolerance_percent": found.tolerance,
        "differs": bool(found.wrong),
        "symbols": [_symbol_document(one) for one in found.symbols],
        "only_coinmarketcap": list(found.only_quoted),
        "only_binance": list(found.only_traded),
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)


def _symbol_document(one: Comparison) -> dict[str, Any]:
    return {
        "symbol": one.symbol,
        "pair": one.pair,
        "hours_in_both": one.both,
        "hours_only_coinmarketcap": one.only_quoted,
        "hours_only_binance": one.only_traded,
        "hours_compared": one.compared,
        "hours_converted": one.converted,
        "hours_taken_for_dollar": dict(one.taken_for_dollar),
        "hours_of_other_currencies": dict(one.refused),
        "hours_without_number": one.unreadable,
        "median_percent": one.median,
        "largest_percent": None if one.largest is None else one.largest.percent,
        "largest_hour": None if one.largest is None else one.largest.hour,
        "over": [_hour_document(hour, one) for hour in one.over],
        "looks": [{"looks": it.looks, "detail": it.detail, "hours": list(it.hours)} for it in one.suspicions],
    }


def _hour_document(hour: Held, one: Comparison) -> dict[str, Any]:
    return {
        "hour": hour.hour,
        "coinmarketcap": hour.quoted,
        "binance": hour.traded,
        "percent": hour.percent,
        "looks": _looks(hour, one) or None,
    }


def show_overview(found: Overview, now: datetime, *, again: Mapping[str, str], no_color: bool) -> None:
    """Print the comparison.

    Args:
        found: what was found.
        now: aware.
        again: source to the command that fetches its past hours, without its HOURS.
        no_color: not in colours.
    """
    if not found.symbols:
        _say_nothing(found, again)
        return
    show_table(
        ("symbol", "pair", "hours", "median", "largest", "at (Tehran)", f"over {found.tolerance:g} %"),
        [_row(one) for one in found.symbols],
        colours=["red" if one.differs else None for one in found.symbols],
        no_color=no_color,
    )
    say_wrapped(
        f"hours: in both sources, in CoinMarketCap alone, in Binance alone; of the {len(found.hours):,} before the "
        "present one"
    )
    for one in found.wrong:
        _say_wrong(one)
    _say_notes(found)
    say("")
    say(differences_in_words(found))
    if found.wrong:
        _say_steps(found, now, again)


def _say_nothing(found: Overview, again: Mapping[str, str]) -> None:
    """Say why nothing is compared, and what to do about it."""
    hours = f"{len(found.hours):,}"
    lacking = [*(["CoinMarketCap"] if not found.only_quoted else []), *(["Binance"] if not found.only_traded else [])]
    if lacking:
        say(f"nothing to compare: no price of these {hours} hours is stored from {' or '.join(lacking)}")
    else:
        say(f"nothing to compare: no symbol of these {hours} hours is stored from both sources")
    for source in lacking or again:
        say(f"next: {again[source]} {len(found.hours)}")


def _row(one: Comparison) -> list[str]:
    return [
        one.symbol,
        one.pair,
        f"{one.both}/{one.only_quoted}/{one.only_traded}",
        "-" if one.median is None else f"{one.median:.2f} %",
        "-" if one.largest is None else _percent(one.largest),
        "-" if one.largest is None else one.largest.hour[:16],
        f"{len(one.over):,}",
    ]


def _percent(hour: Held) -> str:
    return f"{hour.percent:+,.2f} %"


def _looks(hour: Held, one: Comparison) -> str:
    """What an hour surely looks like, in one word; empty where that is not known."""
    return next((it.looks for it in one.suspicions if hour.hour in it.hours), "")


def _say_wrong(one: Comparison) -> None:
    say(f"\n{one.symbol}")
    for it in one.suspicions:
        say_wrapped(f"looks {it.looks}: {it.detail}", first="  ")
    lines = list(_lines_of(one))
    for line in lines[:_SHOWN_RANGES]:
        say_wrapped(line, first="  ")
    if len(lines) > _SHOWN_RANGES:
        say(f"  … and {len(lines) - _SHOWN_RANGES:,} more; --json has every hour")


def _lines_of(one: Comparison) -> Iterator[str]:
    """The hours over the tolerance, a line for each unbroken range that looks alike."""
    for looks, group in groupby(one.over, lambda hour: _looks(hour, one)):
        by_start = {from_text(hour.hour): hour for hour in group}
        for first, last in hour_ranges(by_start):
            run = {start: hour for start, hour in by_start.items() if first <= start <= last}
            worst = max(run.values(), key=lambda hour: hour.size)
            at = f", worst at {worst.hour[:16]}" if len(run) > 1 else ""
            yield (
                f"{describe_hours(run)}: {_percent(worst)}{at}: CoinMarketCap {worst.quoted:.8g}, "
                f"Binance {worst.traded:.8g}{f', {looks}' if looks else ''}"
            )


def _say_notes(found: Overview) -> None:
    lines = list(notes(found))
    if lines:
        say("")
    for line in lines:
        say_wrapped(line, first="note: ")


def _say_steps(found: Overview, now: datetime, again: Mapping[str, str]) -> None:
    """How to fetch the hours that differ once more: all of them, where a symbol is shifted all along."""
    hours = [from_text(hour.hour) for one in found.wrong for hour in one.over]
    back = reach(hours, now) if all(one.over for one in found.wrong) else len(found.hours)
    say("fetch them once more from both sources, then compare again:")
    for command in again.values():
        say(f"  {command} {back}")
