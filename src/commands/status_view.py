"""What ``status`` prints for people: a job's state, its symbols, and what needs attention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from adapters._bases.tehran_time import describe_hours, from_text, hour_ranges, in_tehran
from adapters.clickhouse.etl_runs_clickhouse_adapter import RunRecord
from commands.screen import say, show_table, terminal_size
from commands.status_facts import JobFacts, SpoolFacts, Turn, describe_age, stale_symbols
from crons.inspection import Series
from transformers.coverage import SPANS, sparkline

_OTHER_LINES = 16
_LEAST_SYMBOLS = 5
_SHOWN_RANGES = 3


def show_job(job: JobFacts, lines: Sequence[str], now: datetime, *, everything: bool, no_color: bool) -> None:
    """Print what is known of a job.

    Args:
        job: what is known.
        lines: what needs attention.
        now: aware.
        everything: every symbol, also beyond a screenful.
        no_color: print no colors.
    """
    say(job.name)
    show_table((), list(_fields(job, now)), no_color=no_color)
    if job.series:
        say("")
        _show_symbols(job, job.series, now, everything=everything, no_color=no_color)
    say("\nneeds attention:" if lines else "\nnothing needs attention")
    for line in lines:
        say(f"  - {line}")


def _fields(job: JobFacts, now: datetime) -> Iterator[tuple[str, str]]:
    yield "last success", _describe_run(job.last_success, job, now)
    yield "last failure", _describe_run(job.last_failure, job, now)
    if job.crontab_unknown:
        yield "next run", f"unknown: {job.crontab_unknown}"
    else:
        missing = f"not in the crontab: ./run.sh setup_cron {job.name}"
        yield "next run", _describe_turn(job.run) if job.run else missing
    if job.last_heal or job.heal:
        yield "last heal", _describe_run(job.last_heal, job, now)
    if job.heal:
        yield "next heal", _describe_turn(job.heal)
    yield "running", job.running or "no"
    yield "spool", _describe_spool(job.spool, now)
    if job.history.waiting or job.history.unknown:
        yield "history", _describe_spool(job.history, now)
    if job.database.state != "ok":
        yield "database", f"{job.database.state}: {job.database.detail}"


def _describe_run(run: RunRecord | None, job: JobFacts, now: datetime) -> str:
    if run is None:
        return f"unknown: {job.not_known}" if job.not_known else "none known"
    age = describe_age(now - from_text(run.finished_at))
    failed, reason = (", failed", f": {run.error}") if run.failed else ("", "")
    return f"{run.finished_at} in Tehran, {age} ago{failed} ({run.kind}){reason}"


def _describe_turn(turn: Turn) -> str:
    tehran = f"{in_tehran(turn.at):%Y-%m-%d %H:%M}"
    return f"{turn.at:%Y-%m-%d %H:%M} on this host ({turn.at:%Z}), {tehran} in Tehran ({turn.schedule})"


def _describe_spool(spool: SpoolFacts, now: datetime) -> str:
    if spool.unknown:
        return f"unknown: {spool.unknown}"
    oldest = "" if spool.oldest is None else f", the oldest for {describe_age(now - spool.oldest)}"
    damaged = f", {len(spool.damaged)} damaged" if spool.damaged else ""
    return f"{spool.waiting} pending files{oldest}{damaged}" if spool.waiting or spool.damaged else "empty"


def _show_symbols(job: JobFacts, series: Sequence[Series], now: datetime, *, everything: bool, no_color: bool) -> None:
    """Print the symbols, the missing hours, and how many symbols are hidden; only a terminal hides any."""
    stale = set(stale_symbols(job, now))
    size = terminal_size()
    room = len(series) if everything or size is None else max(_LEAST_SYMBOLS, size.lines - _OTHER_LINES)
    hidden = len(series) - room
    if hidden > 0:
        series = sorted(series, key=lambda one: (one.symbol not in stale, _percents(one)))[:room]
    show_table(
        ("symbol", "price", "24 h", "hour (Tehran)", f"stored in\n{'/'.join(SPANS)}", "last 24 h"),
        [_row(one) for one in series],
        styles=["red" if one.symbol in stale else "yellow" if one.coverage.missing else "" for one in series],
        no_color=no_color,
    )
    say("stored: percent of the hours since the first stored one, without the present hour")
    if missing := [(one.symbol, gaps) for one in series if (gaps := _describe_gaps(one))]:
        say("missing in 30 d:")
        show_table((), missing, no_color=no_color)
    if hidden > 0:
        say(f"{hidden} symbols are hidden, the worst are shown first; --all shows every one")


def _percents(one: Series) -> list[float]:
    """For sorting by the latest span first; a span without expected hours is complete."""
    return [100.0 if share.percent is None else share.percent for share in one.coverage.shares.values()]


def _row(one: Series) -> list[str]:
    percents = [share.percent for share in one.coverage.shares.values()]
    price = "none" if one.last_hour is None else "invalid" if one.last_price is None else f"{one.last_price:.8g}"
    return [
        one.symbol,
        price,
        "-" if one.change_24h is None else f"{one.change_24h:+.2f} %",
        "none in 30 days" if one.last_hour is None else one.last_hour[:16],
        "/".join("-" if percent is None else f"{percent:.3g}" for percent in percents),
        sparkline(one.trend[::2]),
    ]


def _describe_gaps(one: Series) -> str:
    """The latest ranges of missing hours, how many there are, and the hours without a quote; empty without any."""
    missing = one.coverage.missing
    ranges = hour_ranges(missing)
    parts = [
        describe_hours(hour for hour in missing if first <= hour <= last) for first, last in ranges[-_SHOWN_RANGES:]
    ]
    if len(ranges) > _SHOWN_RANGES:
        parts = [f"… {parts[0]}", *parts[1:], f"{len(ranges)} gaps, {len(missing)} h in total"]
    if one.coverage.without_quote:
        parts.append(f"{len(one.coverage.without_quote)} h without a quote at the source")
    return ", ".join(parts)
