"""What ``status`` shows: to machines as JSON, to people as lines and a table of symbols fitted to the screen."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from adapters._bases.tehran_time import describe_hours, from_text, hour_ranges, in_tehran, tehran_text
from adapters.clickhouse.etl_runs_clickhouse_adapter import RunRecord
from commands.screen import say, say_wrapped, show_table, terminal_size
from commands.status_facts import JobFacts, SpoolFacts, Turn, describe_age, needs, stale_symbols
from crons.inspection import Series
from transformers.coverage import SPANS, sparkline

SCHEMA_VERSION = 1
"""Of the JSON; a field may be added without a new one, none is removed or changes its meaning."""


def as_json_text(jobs: Sequence[JobFacts], now: datetime) -> str:
    """All that is known, as one JSON object; times are Tehran wall time unless their name says otherwise."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "now": tehran_text(now),
        "needs_person": any(needs(job, now) for job in jobs),
        "jobs": [_job_document(job, now) for job in jobs],
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)


def _job_document(job: JobFacts, now: datetime) -> dict[str, Any]:
    return {
        "name": job.name,
        "needs": needs(job, now),
        "last_success": _run_document(job.last_success, now),
        "last_failure": _run_document(job.last_failure, now),
        "last_heal": _run_document(job.last_heal, now),
        "not_known": job.not_known,
        "failures_in_a_row": len(job.failed_runs),
        "failed_heals_in_a_row": len(job.failed_heals),
        "schedule": None if job.next_run is None else job.next_run.schedule,
        "next_run": None if job.next_run is None else tehran_text(job.next_run.at),
        "next_run_host": None if job.next_run is None else job.next_run.at.isoformat(),
        "crontab_not_known": job.crontab_unknown,
        "next_heal": None if job.next_heal is None else tehran_text(job.next_heal.at),
        "running": job.running,
        "database": {"state": job.database, "detail": job.database_detail},
        "spool": _spool_document(job.spool, now),
        "history": _spool_document(job.history, now),
        "symbols": None if job.series is None else [_series_document(one) for one in job.series],
    }


def _run_document(run: RunRecord | None, now: datetime) -> dict[str, Any] | None:
    if run is None:
        return None
    age = int((now - from_text(run.finished_at)).total_seconds())
    return {"run_id": run.run_id, "kind": run.kind, "at": run.finished_at, "age_seconds": age, "error": run.error}


def _spool_document(spool: SpoolFacts, now: datetime) -> dict[str, Any]:
    oldest = None if spool.oldest is None else int((now - spool.oldest).total_seconds())
    damaged = [str(path) for path in spool.damaged]
    return {
        "waiting": spool.waiting,
        "oldest_age_seconds": oldest,
        "damaged": None if spool.unknown else damaged,
    }


def _series_document(one: Series) -> dict[str, Any]:
    coverage = one.coverage
    ranges = [[tehran_text(in_tehran(bound)) for bound in span] for span in hour_ranges(coverage.missing)]
    return {
        "symbol": one.symbol,
        "last_hour": one.last_hour,
        "last_price": one.last_price,
        "change_24h": one.change_24h,
        "counted_from": None if coverage.counted_from is None else tehran_text(coverage.counted_from),
        "coverage": {
            name: {"stored": share.stored, "expected": share.expected, "percent": share.percent}
            for name, share in coverage.shares.items()
        },
        "missing": ranges,
        "missing_hours": len(coverage.missing),
        "without_quote_hours": len(coverage.without_quote),
        "last_24_hours": one.trend,
    }


_COLUMNS = ("symbol", "price", "24h change", "hour (Tehran)", f"stored {'/'.join(SPANS)}")
_CHANGE = _COLUMNS.index("24h change")
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
        change: whether the price's change is shown.
    """

    trend_hours: int
    gaps_beside: bool
    change: bool = True


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
    say_wrapped("stored: the share of the hours before the present one, counted from a symbol's first stored hour on")
    if hidden > 0:
        say(f"{hidden} symbols are hidden, the worst are shown first; --all shows every one")


def _lay_out(rows: Collection[Sequence[str]], gaps: Collection[Sequence[str]], width: int | None) -> _Layout:
    """What fits into the screen's width; with None, where there is no screen, everything does."""
    if width is None:
        return _Layout(_TREND_HOURS, gaps_beside=True)
    widths = [max(map(len, cells)) + _BETWEEN_COLUMNS for cells in zip(_COLUMNS, *rows, strict=True)]
    left = width - sum(widths)
    if left < 0:
        return _Layout(0, gaps_beside=False, change=False)
    longest = max(len(_MISSING), *(len(_joined(lines)) for lines in gaps))
    if left >= _TREND_HOURS + _BETWEEN_COLUMNS + longest:
        return _Layout(_TREND_HOURS, gaps_beside=True)
    return _Layout(min(left, _TREND_HOURS) if left >= _LEAST_TREND_HOURS else 0, gaps_beside=False)


def _columns(layout: _Layout) -> list[str]:
    return _cells(_COLUMNS, f"last {layout.trend_hours - 1} h", [_MISSING], layout)


def _cells(fixed: Sequence[str], trend: str, gaps: Sequence[str], layout: _Layout) -> list[str]:
    """A row of the table, what there is no room for left out."""
    shown = fixed if layout.change else [*fixed[:_CHANGE], *fixed[_CHANGE + 1 :]]
    return [*shown, *([trend] if layout.trend_hours else []), *([_joined(gaps)] if layout.gaps_beside else [])]


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
        "-" if one.change_24h is None else f"{one.change_24h:+.2f} %",
        "none in 30 days" if one.last_hour is None else one.last_hour[:16],
        "/".join("-" if percent is None else f"{percent:.3g}" for percent in shares) + " %",
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


_LABEL = 14
_MOST_LINES = 2
"""Of a fact on a terminal: a long reason of a failure is cut there, and whole where the output goes elsewhere."""


def show_job(job: JobFacts, now: datetime, *, everything: bool, no_color: bool) -> None:
    """Print what is known of a job.

    Args:
        job: what is known.
        now: aware.
        everything: every symbol, also beyond a screenful.
        no_color: not in colours.
    """
    say(job.name)
    for label, text in _lines(job, now):
        say_wrapped(text, first=f"  {label:<{_LABEL}}", most_lines=_MOST_LINES)
    if job.series:
        say("")
        show_symbols(job, now, everything=everything, no_color=no_color)
    wanted = needs(job, now)
    say("\nneeds attention:" if wanted else "\nnothing needs attention")
    for line in wanted:
        say(f"  - {line}")


def _lines(job: JobFacts, now: datetime) -> list[tuple[str, str]]:
    lines = [
        ("last success", _describe_run(job.last_success, job, now)),
        ("last failure", _describe_run(job.last_failure, job, now)),
        ("next run", _describe_next_run(job)),
        *_lines_of_heal(job, now),
        ("running", job.running or "no"),
        ("spool", _describe_spool(job.spool, now)),
    ]
    if job.history.waiting or job.history.unknown:
        lines.append(("history", _describe_spool(job.history, now)))
    if job.database != "ok":
        lines.append(("database", f"{job.database}: {job.database_detail}"))
    return lines


def _describe_run(run: RunRecord | None, job: JobFacts, now: datetime) -> str:
    if run is None:
        return f"not known: {job.not_known}" if job.not_known else "none known"
    age = describe_age(now - from_text(run.finished_at))
    what = f"{run.finished_at} in Tehran, {age} ago{', failed' if run.failed else ''} ({run.kind})"
    return f"{what}: {run.error}" if run.failed else what


def _describe_next_run(job: JobFacts) -> str:
    if job.crontab_unknown:
        return f"not known: {job.crontab_unknown}"
    return _describe_turn(job.next_run) if job.next_run else f"not in the crontab: ./run.sh setup_cron {job.name}"


def _lines_of_heal(job: JobFacts, now: datetime) -> list[tuple[str, str]]:
    """Of a job that was healed, or will be."""
    lines = [("last heal", _describe_run(job.last_heal, job, now))] if job.last_heal or job.next_heal else []
    return [*lines, ("next heal", _describe_turn(job.next_heal))] if job.next_heal else lines


def _describe_turn(turn: Turn) -> str:
    return (
        f"{turn.at:%Y-%m-%d %H:%M} on this host ({turn.at:%Z}), "
        f"{in_tehran(turn.at):%Y-%m-%d %H:%M} in Tehran ({turn.schedule})"
    )


def _describe_spool(spool: SpoolFacts, now: datetime) -> str:
    if spool.unknown:
        return f"not known: {spool.unknown}"
    oldest = "" if spool.oldest is None else f", the oldest for {describe_age(now - spool.oldest)}"
    damaged = f", {len(spool.damaged)} damaged" if spool.damaged else ""
    return f"{spool.waiting} files wait{oldest}{damaged}" if spool.waiting or spool.damaged else "empty"
