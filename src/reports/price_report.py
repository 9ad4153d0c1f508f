"""The page of hourly prices: a summary of each symbol, and one HTML text with charts and data. Pure.

Nothing in it is loaded from elsewhere, as its content policy enforces. Scripts run by their hashes alone, so that text
from outside, such as a coin's name, cannot become one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from importlib.resources import files
from itertools import groupby
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from adapters._bases.tehran_time import from_text, tehran_text
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import StoredPrice
from adapters.clickhouse.etl_runs_clickhouse_adapter import RunRecord
from transformers.coverage import HourState, Share, count_expected, hour_states

_DIGITS = 6
_MOST_DECIMALS = 14
UNKNOWN = "\N{EN DASH}"


def price_text(value: float | None) -> str:
    """A price in at least six digits, without exponent, such as ``0.00000789110``, or a dash for None."""
    if value is None:
        return UNKNOWN
    magnitude = math.floor(math.log10(abs(value))) + 1 if value else 1
    return f"{value:,.{min(max(2, _DIGITS - magnitude), _MOST_DECIMALS)}f}"


def percent_text(value: float | None) -> str:
    """The value with one decimal, ``99.9 %``, or a dash for None."""
    return UNKNOWN if value is None else f"{value:.1f} %"


def change_text(value: float | None) -> str:
    """The value with two decimals and its sign, ``+1.25 %``, with a true minus, or a dash for None."""
    return UNKNOWN if value is None else f"{value:+,.2f} %".replace("-", "\N{MINUS SIGN}")


def duration_text(seconds: float | None) -> str:
    """Whole seconds as ``12 s``, ``3 min 05 s`` or ``2 h 10 min``, or a dash for None."""
    if seconds is None:
        return UNKNOWN
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def count_text(value: int) -> str:
    """The value with thousands separated: ``33,600``."""
    return f"{value:,}"


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


SHOWN_FIRST = 6
"""How many symbols the chart of prices begins with, the largest ones."""
LISTED_RUNS = 200
"""How many runs the table lists, the latest ones; the chart and the totals have all of them."""

_SCRIPTS = ("theme.js", "choice.js", "prices.js", "coverage.js", "runs.js", "start.js")


@dataclass(frozen=True)
class ReportContents:
    """What the page shows.

    Attributes:
        hours: hour keys, oldest first, at least one; the last one is the hour in progress.
        prices: of these hours, in any order.
        holes: symbol to hour keys that the source had no quote for.
        runs: those that began in these hours, the latest first.
        followed: symbols that a row is expected for every hour from the first one stored on, whenever that was.
        first_hours: symbol to hour key, for the followed ones that were ever stored.
        rows_stored: rows in all, whatever the hours.
        source: where the prices were read, for people.
        generated_at: aware.
    """

    hours: Sequence[str]
    prices: Sequence[StoredPrice]
    holes: Mapping[str, Collection[str]]
    runs: Sequence[RunRecord]
    followed: Collection[str]
    first_hours: Mapping[str, str]
    rows_stored: int
    source: str
    generated_at: datetime
    version: str
    chart_library: str


def chart_library() -> str:
    """The text of plotly.js, 1.5 MB, which the page contains so that it needs no network."""
    return _part("plotly-cartesian-4.1.1.min.js")


def build_page(contents: ReportContents) -> str:
    """The whole page.

    Raises:
        ValueError: `generated_at` is naive.
    """
    symbols = summarize(
        contents.hours,
        contents.prices,
        holes=contents.holes,
        followed=contents.followed,
        first_hours=contents.first_hours,
    )
    program = "\n".join(["'use strict';", "(() => {", *map(_part, _SCRIPTS), "})();"])
    return (
        _environment()
        .get_template("page.html")
        .render(
            contents=contents,
            symbols=symbols,
            never_stored=sum(symbol.never_stored for symbol in symbols),
            coverage=reduce(Share.plus, (symbol.coverage for symbol in symbols), Share()),
            updated=sum(symbol.updated for symbol in symbols),
            currency=", ".join(sorted({price.currency for price in contents.prices})),
            listed_runs=[(run, run_seconds(run)) for run in contents.runs[:LISTED_RUNS]],
            failed_runs=sum(run.failed for run in contents.runs),
            credits=sum(run.credits for run in contents.runs),
            generated_at=tehran_text(contents.generated_at),
            style=Markup(_part("page.css")),  # noqa: S704 - parts of the program, no foreign text
            library=Markup(contents.chart_library),  # noqa: S704
            program=Markup(program),  # noqa: S704
            policy=_policy(contents.chart_library, program),
            data=Markup(inline_json(_chart_data(contents, symbols))),  # noqa: S704 - escaped for its place
        )
    )


def run_seconds(run: RunRecord) -> float | None:
    """How long a run took, None when its times cannot be read."""
    try:
        return (from_text(run.finished_at) - from_text(run.started_at)).total_seconds()
    except ValueError:
        return None


def inline_json(value: object) -> str:
    """JSON in which an HTML parser never sees an end of the script, whatever texts it holds.

    Raises:
        ValueError: a NaN or an infinity.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _chart_data(contents: ReportContents, symbols: Sequence[SymbolSummary]) -> Mapping[str, Any]:
    return {
        "hours": list(contents.hours),
        "currency": next((price.currency for price in contents.prices), ""),
        "shownFirst": SHOWN_FIRST,
        "symbols": [
            {"symbol": one.symbol, "name": one.name, "prices": list(one.prices), "states": one.states}
            for one in symbols
        ],
        "runs": [
            {
                "started": run.started_at,
                "seconds": run_seconds(run),
                "job": run.job,
                "kind": run.kind,
                "failed": run.failed,
                "rows": run.inserted + run.updated + run.unchanged,
                "error": run.error,
            }
            for run in contents.runs
        ],
    }


def _policy(*scripts: str) -> str:
    """A content security policy that runs these inline scripts alone and loads nothing.

    The chart library sets inline styles, and draws an image to save a chart as a file.
    """
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _environment() -> Environment:
    environment = Environment(
        loader=DictLoader({"page.html": _part("page.html")}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "price": price_text,
        "percent": percent_text,
        "change": change_text,
        "duration": duration_text,
        "count": count_text,
    }
    return environment


def _part(name: str) -> str:
    return (files("reports") / "page" / name).read_text(encoding="utf-8")
