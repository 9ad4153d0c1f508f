"""What ``status`` knows of a job, and what of it needs attention. Pure: the time is a parameter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from adapters._bases.tehran_time import HOUR, from_text, hour_key, hour_ranges, hour_start
from adapters.clickhouse.etl_runs_clickhouse_adapter import RunRecord
from crons.inspection import Series
from transformers.coverage import reach

LEAST_STALE_AFTER = timedelta(hours=2)
SPOOL_AFTER = timedelta(hours=1)
MISSING_AFTER = timedelta(days=1)
"""The age from which a missing hour needs attention where no heal is installed; where one is, it has two turns."""
FAILURES_IN_A_ROW = 2
HEALS_OF_LATE = timedelta(days=8)
"""A failed heal is news for so long: heals that are no longer run are not news."""
_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class SpoolFacts:
    """A spool.

    Attributes:
        waiting: how many batches wait; None when that is not known.
        oldest: since when the oldest does, aware; None when none does.
        damaged: files that were set aside.
        unknown: why nothing is known of it; None when it is.
    """

    waiting: int | None
    oldest: datetime | None
    damaged: Sequence[Path]
    unknown: str | None = None


class Turn(NamedTuple):
    """When cron starts a line of the crontab next.

    Attributes:
        schedule: of the line.
        at: aware, on the host's clock.
    """

    schedule: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class JobFacts:
    """A job.

    Attributes:
        name: the job's.
        wanted: whether its runs are waited for though it is not in the crontab: those of a job that is asked for, and
            of the main one as long as no other is run in its place.
        every: how far apart its scheduled runs are, where they are farthest apart.
        next_run: None when it is not in the crontab.
        next_heal: of its daily heal; likewise.
        crontab_unknown: why the crontab is not known; None when it is.
        running: who holds its lock; None when it is free.
        database: ``ok``; ``in use`` by another process, ``unreachable`` or ``empty`` when there was nothing to read.
        database_detail: who uses it, or why it cannot be read; empty when it can.
        in_use_since: since when another process has the database open, aware; None when none has, or if unknown.
        last_success: its last good hourly run; None when there is none, or when none is known, see `not_known`.
        last_failure: its last failed run of any kind; likewise.
        last_heal: its last heal, however it ended; likewise.
        failed_runs: its last hourly runs, back to the first good one, the latest first; empty when the last was good.
        failed_heals: likewise its last heals.
        spool: what waits to be stored.
        history: what waits to be put into the history.
        fill: the command that fills missing hours, after what it lacks, without its HOURS; None where there is none.
        heal_every: how far apart its heals are, where they are farthest apart; None when none is installed.
        series: its symbols; None when the database cannot be read, or when the job does not tell of them.
        stale_set_up: requirements files that have changed since the set-up was made from them.
        backup_every: how far apart the installed backups are, where they are farthest apart; None when none is
            installed.
        last_backup: when the latest copy of its table was made, aware; None without one.
    """

    name: str
    wanted: bool
    every: timedelta
    next_run: Turn | None
    next_heal: Turn | None
    crontab_unknown: str | None
    running: str | None
    database: str
    database_detail: str
    in_use_since: datetime | None
    last_success: RunRecord | None
    last_failure: RunRecord | None
    last_heal: RunRecord | None
    failed_runs: Sequence[RunRecord]
    failed_heals: Sequence[RunRecord]
    spool: SpoolFacts
    history: SpoolFacts
    fill: str | None
    heal_every: timedelta | None
    series: Sequence[Series] | None
    stale_set_up: Sequence[str] = ()
    backup_every: timedelta | None = None
    last_backup: datetime | None = None

    @property
    def stale_after(self) -> timedelta:
        """The age from which its last good run and a symbol's last price are too old: two turns, at least two hours."""
        return max(LEAST_STALE_AFTER, 2 * self.every)

    @property
    def missing_after(self) -> timedelta:
        """The age from which a missing hour needs attention: two turns of the heal, or a day without one."""
        return MISSING_AFTER if self.heal_every is None else 2 * self.heal_every

    @property
    def in_use(self) -> bool:
        """Whether it runs, has run or should run: a job that is merely registered needs no attention."""
        return self.wanted or self.next_run is not None or self.last_failure is not None

    @property
    def is_known(self) -> bool:
        """Whether there is anything to show of it."""
        waits = [fact for spool in (self.spool, self.history) for fact in (spool.waiting, spool.unknown, spool.damaged)]
        known = (self.in_use, self.last_success, self.last_heal, self.next_heal, self.running, *waits)
        return any(known) or any(one.last_hour for one in self.series or ())

    @property
    def not_known(self) -> str | None:
        """Why nothing is known of what the database holds; None when it was read, or when there is none yet."""
        return {"in use": "the database is in use", "unreachable": "the database cannot be read"}.get(self.database)


def needs(job: JobFacts, now: datetime) -> list[str]:
    """What needs attention, one line each; empty when all is well.

    Args:
        job: what is known of it.
        now: aware.
    """
    return [
        *_of_set_up(job),
        *_of_runs(job, now),
        *_of_spools(job, now),
        *_of_symbols(job, now),
        *_of_gaps(job, now),
        *_of_backups(job, now),
    ]


def _of_set_up(job: JobFacts) -> Iterator[str]:
    if job.stale_set_up:
        names = ", ".join(job.stale_set_up)
        yield f"the set-up is older than {names}, so cron's next run may lack a package: ./run.sh install"


def stale_symbols(job: JobFacts, now: datetime) -> list[str]:
    """Symbols whose latest price is of an hour more than `stale_after` before the present one, or that have none."""
    least = hour_start(now) - job.stale_after
    return [one.symbol for one in job.series or () if one.last_hour is None or from_text(one.last_hour) < least]


def overdue_hours(one: Series, job: JobFacts, now: datetime) -> list[datetime]:
    """Hours missing of a symbol for longer than `missing_after`, of those before its last stored one.

    How late a symbol is, `stale_symbols` says. A gap shorter than the interval of the job's runs is not theirs to fill.
    """
    missed = [(first, last) for first, last in hour_ranges(one.coverage.missing) if last - first + HOUR >= job.every]
    return [
        hour
        for hour in one.coverage.missing
        if now - hour > job.missing_after
        and any(first <= hour <= last for first, last in missed)
        and hour_key(hour) < (one.last_hour or "")
    ]


def _of_runs(job: JobFacts, now: datetime) -> Iterator[str]:
    if job.database == "unreachable":
        yield f"the database cannot be read: {job.database_detail}"
    if job.in_use_since is not None and now - job.in_use_since > job.stale_after:
        held = describe_age(now - job.in_use_since)
        yield f"the database has been in use for {held}: {job.database_detail}; ./run.sh kill ends this checkout's jobs"
    if job.last_success is not None:
        age = now - from_text(job.last_success.finished_at)
        if age > job.stale_after and job.database != "in use":
            yield f"no good run for {describe_age(age)}: see logs/cron.log, then ./run.sh cron_run {job.name}"
    elif job.in_use and job.database in {"ok", "empty"} and (not job.series or stale_symbols(job, now)):
        yield f"no good run yet: ./run.sh cron_run {job.name}"
    if len(job.failed_runs) >= FAILURES_IN_A_ROW:
        yield f"{len(job.failed_runs)} runs in a row failed, the last one because {job.failed_runs[0].error}"
    if len(job.failed_heals) >= FAILURES_IN_A_ROW:
        last = job.failed_heals[0]
        if now - from_text(last.finished_at) <= HEALS_OF_LATE:
            yield f"{len(job.failed_heals)} heals in a row failed, the last one because {last.error}"


def _of_spools(job: JobFacts, now: datetime) -> Iterator[str]:
    for what, spool in (("rows", job.spool), ("records of runs", job.history)):
        if spool.unknown is not None:
            yield f"whether {what} wait is not known: {spool.unknown}"
        if spool.oldest is not None and now - spool.oldest > SPOOL_AFTER:
            age = describe_age(now - spool.oldest)
            yield f"{what} wait in the spool for {age}: ./run.sh cron_run {job.name}, and see why they are not stored"
        for path in spool.damaged:
            yield f"damaged {what}: see {path}.reason, then remove both files"


def _of_symbols(job: JobFacts, now: datetime) -> Iterator[str]:
    stale = stale_symbols(job, now)
    if stale and job.last_success is not None:
        hours = job.stale_after // HOUR
        yield f"no price for over {hours} hours of {_named(stale)}: see logs/cron.log, and SYMBOLS"


def _of_gaps(job: JobFacts, now: datetime) -> Iterator[str]:
    overdue = {one.symbol: hours for one in job.series or () if (hours := overdue_hours(one, job, now))}
    if overdue and job.fill is not None:
        hours = [hour for of_symbol in overdue.values() for hour in of_symbol]
        count = f"{len(hours):,} hour{'' if len(hours) == 1 else 's'}"
        age = describe_age(now - min(hours))
        yield f"{count} of {_named(list(overdue))} missing, the oldest for {age}: {job.fill} {reach(hours, now)}"


def _of_backups(job: JobFacts, now: datetime) -> Iterator[str]:
    if job.backup_every is None or job.database == "empty":
        return
    if job.last_backup is None:
        yield "no backup yet, though a daily one is installed: ./run.sh backup"
    elif (age := now - job.last_backup) > 2 * job.backup_every:
        yield f"no backup for {describe_age(age)}: see logs/cron.log, then ./run.sh backup"


def _named(symbols: Sequence[str]) -> str:
    more = f" and {len(symbols) - _NAMED} more" if len(symbols) > _NAMED else ""
    return f"{', '.join(symbols[:_NAMED])}{more}"


def describe_age(age: timedelta) -> str:
    """A length of time for people, in its two largest units: ``3 min``, ``2 h 5 min``, ``4 d 1 h``."""
    minutes = max(0, int(age.total_seconds() // 60))
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
