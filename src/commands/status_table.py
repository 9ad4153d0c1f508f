"""The table of symbols in ``status``, fitted to the screen: no cell of it is folded or cut."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from commands.screen import say, say_wrapped, show_table, terminal_size
from commands.status_facts import JobFacts, stale_symbols
from crons.series import Series
from transformers.coverage import SPANS, sparkline
from transformers.tehran_time import describe_hours, hour_ranges

_COLUMNS = ("symbol", "price", "hour (Tehran)", *(f"{name} %" for name in SPANS))
_MISSING = "missing in 30 d"
_TREND_HOURS = 25
"""Of a whole sparkline: the 24 hours before the present one, and the present one."""
_LEAST_TREND_HOURS = 9
"""A sparkline shorter than its heading is left out."""
_BETWEEN_COLUMNS = 2
_OTHER_LINES = 16
_LEAST_SYMBOLS = 5
_SHOWN_RANGES = 3


class _Layout(NamedTuple):
    """What there is room for beside the other columns.

    Attributes:
        trend_hours: how many of the latest hours the sparkline has; zero for no sparkline.
        gaps_beside: whether the missing hours are a column too, rather than lines below the table.
    """

    trend_hours: int
    gaps_beside: bool


def show_symbols(job: JobFacts, now: datetime, *, everything: bool, no_color: bool) -> None:
    """Print the job's symbols: what is hidden beyond a screenful is said; without a terminal nothing is hidden.

    Args:
        job: of which the symbols are known.
        now: aware.
        everything: every symbol, also beyond a screenful.
        no_color: not in colours.
    """
    stale = set(stale_symbols(job, now))
    series = list(job.series or ())
    size = terminal_size()
    room = len(series) if everything or size is None else max(_LEAST_SYMBOLS, size.lines - _OTHER_LINES)
    hidden = len(series) - room
    if hidden > 0:
        series = sorted(series, key=lambda one: (one.symbol not in stale, _worth(one)))[:room]
    rows, gaps = [_row(one) for one in series], [_gaps(one) for one in series]
    layout = _lay_out(rows, gaps, None if size is None else size.columns)
    trends = [sparkline(one.trend[-layout.trend_hours :]) for one in series]
    show_table(
        _columns(layout),
        [_cells(*cells, layout) for cells in zip(rows, trends, gaps, strict=True)],
        colours=["red" if one.symbol in stale else "yellow" if one.coverage.missing else None for one in series],
        no_color=no_color,
        whole=True,
    )
    if not layout.gaps_beside:
        _say_gaps([one.symbol for one in series], gaps)
    say_wrapped("coverage: hours stored of those before the present one, counted from a symbol's first stored hour on")
    if hidden > 0:
        say(f"{hidden} symbols are hidden, the worst are shown first; --all shows every one")


def _lay_out(rows: Collection[Sequence[str]], gaps: Collection[Sequence[str]], width: int | None) -> _Layout:
    """What fits into the screen's width; with None, where there is no screen, everything does."""
    if width is None:
        return _Layout(_TREND_HOURS, gaps_beside=True)
    columns = zip(_COLUMNS, *rows, strict=True)
    left = width - sum(max(map(len, cells)) + _BETWEEN_COLUMNS for cells in columns)
    longest = max(len(_MISSING), *(len(_joined(lines)) for lines in gaps))
    if left >= _TREND_HOURS + _BETWEEN_COLUMNS + longest:
        return _Layout(_TREND_HOURS, gaps_beside=True)
    return _Layout(min(left, _TREND_HOURS) if left >= _LEAST_TREND_HOURS else 0, gaps_beside=False)


def _columns(layout: _Layout) -> list[str]:
    return _cells(_COLUMNS, f"last {layout.trend_hours - 1} h", [_MISSING], layout)


def _cells(fixed: Sequence[str], trend: str, gaps: Sequence[str], layout: _Layout) -> list[str]:
    """A row of the table, what there is no room for left out."""
    return [*fixed, *([trend] if layout.trend_hours else []), *([_joined(gaps)] if layout.gaps_beside else [])]


def _say_gaps(symbols: Sequence[str], gaps: Sequence[Sequence[str]]) -> None:
    """The missing hours, a line for each range, under one heading; nothing where nothing is missing."""
    if not any(gaps):
        return
    say(_MISSING)
    indent = max(map(len, symbols)) + _BETWEEN_COLUMNS
    for symbol, lines in zip(symbols, gaps, strict=True):
        for number, line in enumerate(lines):
            say(f"  {'' if number else symbol:<{indent}}{line}")


def _joined(gaps: Sequence[str]) -> str:
    return ", ".join(gaps)


def _worth(one: Series) -> tuple[float, ...]:
    """Less is worse: by the latest span first; nothing is wrong with a span of which nothing is expected yet."""
    return tuple(100.0 if share.percent is None else share.percent for share in one.coverage.shares.values())


def _row(one: Series) -> list[str]:
    """The cells that are always shown."""
    shares = [share.percent for share in one.coverage.shares.values()]
    return [
        one.symbol,
        _describe_price(one),
        "none in 30 days" if one.last_hour is None else one.last_hour[:16],
        *("-" if percent is None else f"{percent:.1f}" for percent in shares),
    ]


def _describe_price(one: Series) -> str:
    if one.last_hour is None:
        return "none"
    return "no number" if one.last_price is None else f"{one.last_price:.8g}"


def _gaps(one: Series) -> list[str]:
    """The latest ranges of missing hours, how many there are beyond those, and what the source has no quote for."""
    missing = one.coverage.missing
    ranges = hour_ranges(missing)
    lines = [
        describe_hours(hour for hour in missing if first <= hour <= last) for first, last in ranges[-_SHOWN_RANGES:]
    ]
    if len(ranges) > _SHOWN_RANGES:
        lines = [f"… {lines[0]}", *lines[1:], f"{len(ranges)} gaps, {len(missing)} h in all"]
    if one.coverage.without_quote:
        lines.append(f"{len(one.coverage.without_quote)} h the source has no quote for")
    return lines
