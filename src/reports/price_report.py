"""The page of hourly prices: one HTML text with charts, tables and data. Pure.

It loads nothing from elsewhere, as its content policy enforces. Scripts run by their hashes only, so that foreign text,
such as a coin's name, cannot become one.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib.resources import files
from itertools import groupby
from operator import attrgetter
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from adapters._bases.tehran_time import from_text, jalali_date, tehran_text
from adapters._bases.wording import duration
from adapters.clickhouse.etl_runs_clickhouse_adapter import RunRecord
from reports.price_summary import PriceTable, SymbolSummary, rates_by_hour, shown_hours, spread, summarize
from transformers.comparison import DOLLAR_COINS, Overview
from transformers.coverage import Share

LIBRARY = "plotly-cartesian-4.1.1.min.js"
SHOWN_FIRST = 6
"""How many symbols the price chart shows at first, the largest ones."""
_LISTED_RUNS = 200  # in the table; the chart and the totals include all
_SHOWN_DIGITS = 6  # of a price in a table
_COUNTED_ZEROS = 4  # that many behind the point are written as their number
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_FEWEST_DAYS = 3
UNKNOWN = "\N{EN DASH}"
_SCRIPTS = ("theme", "tables", "coins", "choice", "prices", "coverage", "runs", "download", "start")


@dataclass(frozen=True)
class ReportContents:
    hours: Sequence[str]  # their keys, oldest first, at least one; the last one is the hour in progress
    tables: Sequence[PriceTable]  # at least one
    runs: Sequence[RunRecord]  # those that began in these hours, the latest first
    generated_at: datetime  # aware
    version: str
    comparison: Overview | None  # of two sources; None if there is nothing to compare


def build_page(contents: ReportContents) -> str:
    library = _part(LIBRARY)
    hours = shown_hours(contents.hours, contents.tables)
    symbols = summarize(hours, contents.tables)
    period = period_text(len(hours) - 1)
    facts: dict[str, Any] = {"now": tehran_text(contents.generated_at), "hours": hours, "period": period}
    facts["toman"] = rates_by_hour(hours, contents.tables)
    facts["jalali"] = {hour[:10]: jalali_date(from_text(hour)) for hour in hours}
    data = json.dumps({**facts, **_chart_data(symbols, contents.runs)}, separators=(",", ":"), allow_nan=False)
    program = "\n".join(["'use strict';", "(async () => {", *(_part(f"{name}.js") for name in _SCRIPTS), "})();"])
    return _render(
        **facts,
        contents=contents,
        symbols=symbols,
        coins=[list(lines) for _, lines in groupby(symbols, attrgetter("symbol"))],
        coverage=_coverage(symbols),
        coverage_by_source={
            table.source: _coverage([one for one in symbols if one.source == table.source]) for table in contents.tables
        },
        runs=contents.runs[:_LISTED_RUNS],
        style=Markup(_part("page.css")),  # noqa: S704 - parts of the program, no foreign text
        library=Markup(library),  # noqa: S704
        program=Markup(program),  # noqa: S704
        policy=_policy(library, program),
        # It cannot end a script element; `theme.js` unpacks it.
        data=base64.b64encode(gzip.compress(data.encode(), mtime=0)).decode(),
    )


def _render(**values: Any) -> str:
    environment = Environment(
        loader=FunctionLoader(_part),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        price=price_text,
        percent=percent_text,
        change=partial(percent_text, digits=2, sign="+"),
        duration=duration,
        count="{:,}".format,
        period=period_text,
        jalali=lambda hour: jalali_date(from_text(hour)),
        spread=spread,
    )
    return environment.get_template("page.html").render(values)


def _coverage(symbols: Sequence[SymbolSummary]) -> Share:
    return Share(*map(sum, zip(*(symbol.coverage for symbol in symbols), strict=True)))


def _chart_data(symbols: Sequence[SymbolSummary], runs: Sequence[RunRecord]) -> dict[str, Any]:
    of_symbol = ("symbol", "label", "source", "name", "currency", "followed", "prices", "states")
    of_run = ("started_at", "job", "kind", "failed", "error")
    return {
        "shownFirst": SHOWN_FIRST,
        "dollars": ["USD", *sorted(DOLLAR_COINS)],
        "symbols": [{name: getattr(symbol, name) for name in of_symbol} for symbol in symbols],
        "runs": [
            {name: getattr(run, name) for name in of_run}
            | {"seconds": run.took.total_seconds(), "rows": run.inserted + run.updated + run.unchanged}
            for run in runs
        ],
    }


def price_text(value: float | None) -> str:
    """A price in six digits or more, without exponent; many zeros by their number, ``0.0₈1226``; a dash for None."""
    if value is None:
        return UNKNOWN
    digits, exponent = f"{abs(value):.3e}".split("e")
    zeros = -int(exponent) - 1
    if zeros >= _COUNTED_ZEROS:
        return f"{'-' * (value < 0)}0.0{str(zeros).translate(_SUBSCRIPTS)}{digits.replace('.', '')}"
    magnitude = math.floor(math.log10(abs(value))) + 1 if value else 1
    return f"{value:,.{max(2, _SHOWN_DIGITS - magnitude)}f}"


def percent_text(value: float | None, digits: int = 1, sign: str = "") -> str:
    """``99.9 %``, with the sign ``+`` also ``+99.9 %``; a true minus, a dash for None."""
    return UNKNOWN if value is None else f"{value:{sign},.{digits}f} %".replace("-", "\N{MINUS SIGN}")


def period_text(hours: int) -> str:
    """Whole days, three or more, as ``7 d``; else hours, ``36 h``."""
    days, rest = divmod(hours, 24)
    return f"{days:,} d" if days >= _FEWEST_DAYS and not rest else f"{hours:,} h"


def _policy(*scripts: str) -> str:
    """A content security policy that allows these inline scripts only and loads nothing."""
    # The chart library sets inline styles, and draws an image to save a chart as a file.
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _part(name: str) -> str:
    return (files("reports") / "page" / name).read_text(encoding="utf-8")
