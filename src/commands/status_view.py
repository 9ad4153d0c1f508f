"""What ``status`` shows to people."""

from __future__ import annotations

from datetime import datetime

from adapters._bases.tehran_zone import in_tehran
from adapters.clickhouse.etl_run import RunRecord
from commands.screen import say, say_wrapped
from commands.status_facts import JobFacts, SpoolFacts, Turn, describe_age, needs
from commands.status_table import show_symbols
from transformers.tehran_time import from_text

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
    say("\nneeds a person:" if wanted else "\nnothing needs a person")
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


def _describe_next_run(job: JobFacts) -> str:
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
    oldest = "" if spool.oldest is None else f", the oldest for {describe_age(now - spool.oldest)}"
    damaged = f", {len(spool.damaged)} damaged" if spool.damaged else ""
    return f"{spool.waiting} files wait{oldest}{damaged}" if spool.waiting or spool.damaged else "empty"
