"""What ``status`` shows to people."""

from __future__ import annotations

import shutil
import sys
from datetime import datetime

from adapters._bases.tehran_zone import in_tehran
from adapters.clickhouse.etl_run import RunRecord
from commands.screen import say, show_table
from commands.status_facts import JobFacts, SpoolFacts, describe_age, needs, stale_symbols
from crons.series import Series
from transformers.coverage import SPANS, sparkline
from transformers.tehran_time import describe_hours, from_text, hour_ranges

_LINES_WITHOUT_TERMINAL = 60
_OTHER_LINES = 16
_SHOWN_RANGES = 3


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
        say(f"  {label:<14}{text}")
    if job.series:
        say("")
        _show_series(job, now, everything=everything, no_color=no_color)
    wanted = needs(job, now)
    say("\nneeds a person:" if wanted else "\nnothing needs a person")
    for line in wanted:
        say(f"  - {line}")


def _lines(job: JobFacts, now: datetime) -> list[tuple[str, str]]:
    lines = [
        ("last success", _describe_run(job.last_success, job, now)),
        ("last failure", _describe_run(job.last_failure, job, now)),
        ("next run", _describe_next(job)),
        ("running", job.running or "no"),
        ("spool", _describe_spool(job.spool, now)),
    ]
    if job.history.waiting:
        lines.append(("history", _describe_spool(job.history, now)))
    if job.database != "ok":
        lines.append(("database", f"{job.database}: {job.database_detail}"))
    return lines


def _describe_run(run: RunRecord | None, job: JobFacts, now: datetime) -> str:
    if run is None:
        return f"not known: {job.not_known}" if job.not_known else "none known"
    what = f"{run.finished_at} in Tehran, {describe_age(now - from_text(run.finished_at))} ago ({run.kind})"
    return f"{what}: {run.error}" if run.error else what


def _describe_next(job: JobFacts) -> str:
    if job.next_run is None:
        return f"not in the crontab: ./run.sh setup_cron {job.name}"
    return (
        f"{job.next_run:%Y-%m-%d %H:%M} on this host ({job.next_run:%Z}), "
        f"{in_tehran(job.next_run):%Y-%m-%d %H:%M} in Tehran ({job.schedule})"
    )


def _describe_spool(spool: SpoolFacts, now: datetime) -> str:
    oldest = "" if spool.oldest is None else f", the oldest for {describe_age(now - spool.oldest)}"
    damaged = f", {len(spool.damaged)} damaged" if spool.damaged else ""
    return f"{spool.waiting} files wait{oldest}{damaged}" if spool.waiting or spool.damaged else "empty"


def _show_series(job: JobFacts, now: datetime, *, everything: bool, no_color: bool) -> None:
    series = list(job.series or ())
    stale = set(stale_symbols(job, now))
    height = shutil.get_terminal_size((0, _LINES_WITHOUT_TERMINAL)).lines if sys.stdout.isatty() else 0
    room = max(5, (height or _LINES_WITHOUT_TERMINAL) - _OTHER_LINES)
    hidden = 0 if everything else max(0, len(series) - room)
    if hidden:
        series = sorted(series, key=lambda one: (one.symbol not in stale, _worth(one)))[:room]
    show_table(
        ("symbol", "price", "hour (Tehran)", *(f"{name} %" for name in SPANS), "last 24 h", "missing in 30 d"),
        [_row(one) for one in series],
        colours=["red" if one.symbol in stale else "yellow" if one.coverage.missing else None for one in series],
        no_color=no_color,
    )
    say("coverage: hours stored of those before the present one, counted from a symbol's first stored hour on")
    if hidden:
        say(f"{hidden} symbols are hidden, the worst are shown first; --all shows every one")


def _worth(one: Series) -> tuple[float, ...]:
    """Less is worse: by the latest span first; nothing is wrong with a span of which nothing is expected yet."""
    return tuple(100.0 if share.percent is None else share.percent for share in one.coverage.shares.values())


def _row(one: Series) -> tuple[str, ...]:
    shares = [share.percent for share in one.coverage.shares.values()]
    return (
        one.symbol,
        _describe_price(one),
        "none in 30 days" if one.last_hour is None else one.last_hour[:16],
        *("-" if percent is None else f"{percent:.1f}" for percent in shares),
        sparkline(one.trend),
        _describe_missing(one),
    )


def _describe_price(one: Series) -> str:
    if one.last_hour is None:
        return "none"
    return "no number" if one.last_price is None else f"{one.last_price:.8g}"


def _describe_missing(one: Series) -> str:
    ranges = hour_ranges(one.coverage.missing)
    shown = {
        hour for hour in one.coverage.missing if any(first <= hour <= last for first, last in ranges[-_SHOWN_RANGES:])
    }
    text = describe_hours(shown)
    if len(ranges) > _SHOWN_RANGES:
        text = f"… {text} ({len(ranges)} gaps, {len(one.coverage.missing)} h)"
    if one.coverage.without_quote:
        known = f"{len(one.coverage.without_quote)} h the source has no quote for"
        text = f"{text}; {known}" if text else known
    return text
