"""What ``status`` knows of a job, and what of it needs attention. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

from adapters._bases.tehran_time import HOUR, from_text, hour_key, hour_ranges, hour_start, tehran_text
from adapters._bases.wording import counted, duration, listed
from adapters.clickhouse.etl_runs_clickhouse_adapter import RunRecord
from adapters.system.crontab import START_CRON
from crons.install import Schedules
from transformers.coverage import Coverage, reach

_LEAST_STALE_AFTER = timedelta(hours=2)
_SPOOL_AFTER = timedelta(hours=1)
_MISSING_AFTER = timedelta(days=1)  # without an installed heal; with one, two of its intervals
_READ = {"ok", "empty"}
_RECENT_HEALS = timedelta(days=8)  # failed heals of a line that was removed since are not news


class SpoolFacts(NamedTuple):
    waiting: Sequence[Path] = ()
    oldest: datetime | None = None  # when the oldest was written, aware
    damaged: Sequence[Path] = ()  # files that were set aside
    unknown: str | None = None  # why the spool cannot be read


class Turn(NamedTuple):
    """A line of the crontab."""

    schedule: str
    at: datetime  # when cron starts it next, aware, on the host's clock
    every: timedelta  # the longest interval of the schedule


class Series(NamedTuple):
    """What is stored of one symbol. A price that is missing or not finite is None."""

    symbol: str
    last_hour: str | None  # key of the latest stored hour of the last 30 days, if any
    last_price: float | None
    coverage: Coverage  # without the present hour
    trend: list[float | None]  # prices of the 24 hours before the present one, and of that
    change_24h: float | None = None  # in percent, to the last price
    is_absurd: bool = False  # some price, by the rule of `verify`
    is_idle: bool = False  # 48 hours without a trade
    has_left: bool = False  # the list of the largest coins, so that no further hour is expected


class DatabaseFacts(NamedTuple):
    """What the database has of a job, as far as it can be read."""

    state: Literal["ok", "in use", "unreachable", "empty"] = "ok"  # empty: there is none yet
    detail: str = ""  # who uses it, or why it cannot be read
    in_use_since: datetime | None = None  # aware
    runs: Sequence[RunRecord] = ()
    series: Sequence[Series] = ()
    corrections_7d: int | None = None  # None if it cannot be read


@dataclass(frozen=True, kw_only=True)
class JobFacts:
    """None is what does not exist or is unknown."""

    name: str
    beginnings: Sequence[str] = ()  # where the source's history of symbols begins
    follows_list: bool = False  # of the largest coins
    expected: bool = False  # although not in the crontab: the user asks for it, or no other job is in use
    every: timedelta  # the longest interval of its schedule
    run: Turn | None = None
    heal: Turn | None = None
    backup: Turn | None = None
    crontab: Schedules = Schedules({})  # noqa: RUF009 - it cannot change
    running: str | None = None  # who holds its lock
    database: DatabaseFacts = DatabaseFacts()  # noqa: RUF009 - as above
    last_success: RunRecord | None = None  # of the hourly runs
    last_failure: RunRecord | None = None  # of any kind
    last_heal: RunRecord | None = None
    busy_runs: Sequence[RunRecord] = ()  # that found the lock held, latest first
    failed_runs: Sequence[RunRecord] = ()  # hourly ones since the last success, latest first
    failed_heals: Sequence[RunRecord] = ()  # likewise
    spool: SpoolFacts = SpoolFacts()  # noqa: RUF009 - of rows; as above
    history: SpoolFacts = SpoolFacts()  # noqa: RUF009 - of records of runs; as above
    fill: str | None  # the command that fills missing hours, without its HOURS
    stale_set_up: Sequence[str] = ()  # requirements files that have changed since the installation
    last_backup: datetime | None = None  # of its table, aware
    shrunk_backup: str = ""  # why backups are not pruned; empty if they are
    backup_due: datetime | None = None  # the first time of an installed backup, as far as it is known
    see_log: str = ""  # how a next step begins that needs cron's log; empty if there is none yet

    @property
    def stale_after(self) -> timedelta:
        """The age at which the last successful run and a symbol's last price are too old."""
        return max(_LEAST_STALE_AFTER, 2 * self.every)

    @property
    def in_use(self) -> bool:
        """Whether it should run or has run: a job that is merely registered needs no attention."""
        return bool(self.expected or self.run or self.last_failure or self.last_success)

    @property
    def is_known(self) -> bool:
        """Whether there is anything to show."""
        spools = [fact for one in (self.spool, self.history) for fact in (one.waiting, one.unknown, one.damaged)]
        stored = [one.last_hour for one in self.database.series]
        return any((self.in_use, self.last_heal, self.heal, self.running, *spools, *stored))


def latest_first(found: Iterable[RunRecord]) -> list[RunRecord]:
    """Runs, each once."""
    by_id = {run.run_id: run for run in found}
    return sorted(by_id.values(), key=lambda run: (run.started_at, run.run_id), reverse=True)


def needs(job: JobFacts, now: datetime) -> list[str]:
    """What needs attention, one line each; empty if nothing does. `now` is aware."""
    outage, lost = _outage(job, now)
    return [*_of_runs(job, now, outage, lost), *_of_storage(job, now), *_of_prices(job, now, lost)]


def stale_symbols(job: JobFacts, now: datetime) -> list[str]:
    """Symbols without a price since `stale_after` before the present hour."""
    least = hour_start(now) - job.stale_after
    expected = [one for one in job.database.series if not one.has_left]
    return [one.symbol for one in expected if (one.last_hour or "") < tehran_text(least)]


def _outage(job: JobFacts, now: datetime) -> tuple[timedelta | None, list[str]]:
    """How long ago the last success was, if that is too long, and the stale symbols whose prices end with it."""
    success = job.last_success
    age = now - from_text(success.finished_at) if success else timedelta()
    if success is None or age <= job.stale_after or job.database.state == "in use":
        return None, []
    hour, stale = hour_key(from_text(success.started_at)), stale_symbols(job, now)
    return age, [one.symbol for one in job.database.series if one.symbol in stale and (one.last_hour or "") >= hour]


def _of_runs(job: JobFacts, now: datetime, outage: timedelta | None, lost: Sequence[str]) -> Iterator[str]:
    if job.stale_set_up:
        names = ", ".join(job.stale_set_up)
        yield f"the set-up is older than {names}, so cron's next run may lack a package: ./run.sh install"
    if not job.crontab.cron_runs and (job.run or job.heal or job.backup):
        yield f"no cron daemon runs, so cron starts nothing: {START_CRON}"
    database, prices, run = job.database, job.database.series, f"./run.sh cron_run {job.name}"
    if database.state == "unreachable":
        yield f"the database cannot be read: {database.detail}"
    if database.in_use_since and now - database.in_use_since > job.stale_after:
        held = duration(now - database.in_use_since)
        yield f"the database has been in use for {held}: {database.detail}; ./run.sh kill ends this checkout's jobs"
    failures = _in_a_row("runs", job.failed_runs)
    if outage:
        without = f", so no price of {listed(lost)}" if lost else ""
        install = "" if job.run or job.crontab.unknown else f"; not in the crontab: ./run.sh setup_cron {job.name}"
        yield f"no successful run for {duration(outage)}{without}: {failures or f'{job.see_log}{run}{install}'}"
    elif failures:
        yield failures
    elif job.in_use and not job.last_success and database.state in _READ and (not prices or stale_symbols(job, now)):
        yield f"no successful run yet: {run}"
    heals = _in_a_row("heals", job.failed_heals)
    if heals and now - from_text(job.failed_heals[0].finished_at) <= _RECENT_HEALS:
        yield heals


def _in_a_row(what: str, failed: Sequence[RunRecord]) -> str:
    last = f", the last one because {failed[0].error}" if failed else ""
    return f"{len(failed):,} {what} in a row failed{last}" if len(failed) > 1 else ""


def _of_storage(job: JobFacts, now: datetime) -> Iterator[str]:
    for what, spool in (("rows", job.spool), ("records of runs", job.history)):
        if spool.unknown:
            yield f"cannot tell whether {what} are pending: {spool.unknown}"
        if spool.oldest and now - spool.oldest > _SPOOL_AFTER:
            held = duration(now - spool.oldest)
            yield f"{what} have been pending for {held}: ./run.sh cron_run {job.name} stores them or says why not"
        for path in spool.damaged:
            yield f"damaged {what}: see {path}.reason, then remove both files"
    if job.backup and job.database.state != "empty":
        if not job.last_backup and (job.backup_due is None or now > job.backup_due):
            yield "no backup yet, though a daily one is installed: ./run.sh backup"
        elif job.last_backup and (age := now - job.last_backup) > 2 * job.backup.every:
            yield f"no backup for {duration(age)}: {job.see_log}./run.sh backup"
    if job.shrunk_backup:
        yield job.shrunk_backup


def _of_prices(job: JobFacts, now: datetime, reported: Sequence[str]) -> Iterator[str]:
    series = job.database.series
    missing = {hour_key(hour): hour for one in series for hour in one.coverage.missing}
    if busy := {key for run in job.busy_runs if (key := f"{run.started_at[:13]}:00:00") in missing}:
        fill = f": {job.fill} {reach([missing[key] for key in busy], now)}" if job.fill else ""
        yield f"no price of {listed(sorted(key[:16] for key in busy))}, whose run found another one busy{fill}"
    if job.last_success and (stale := [symbol for symbol in stale_symbols(job, now) if symbol not in reported]):
        yield f"no price for over {job.stale_after // HOUR:,} hours of {listed(stale)}: {job.see_log}check SYMBOLS"
    if absurd := [one.symbol for one in series if one.is_absurd]:
        yield f"prices of {listed(absurd)} are far off their neighbors: ./run.sh verify lists them"
    if idle := [one.symbol for one in series if one.is_idle]:
        yield f"no trade of {listed(idle)} in 48 hours, so the price is stale: see BINANCE_PAIRS"
    overdue = {one.symbol: hours for one in series if (hours := _overdue_hours(one, job, now))}
    if overdue and job.fill:
        late = [hour for hours in overdue.values() for hour in hours]
        lacking, age = f"{counted(len(late), 'hour')} of {listed(list(overdue))}", duration(now - min(late))
        yield f"{lacking} missing, the oldest for {age}: {job.fill} {reach(late, now)}"


def _overdue_hours(one: Series, job: JobFacts, now: datetime) -> list[datetime]:
    """The hours before a symbol's last stored one that have been missing for too long."""
    after, missing = 2 * job.heal.every if job.heal else _MISSING_AFTER, one.coverage.missing
    # A gap shorter than the interval of the runs is not theirs to fill.
    gaps = [(first, last) for first, last in hour_ranges(missing) if last - first + HOUR >= job.every]
    late = [hour for hour in missing if now - hour > after and hour_key(hour) < (one.last_hour or "")]
    return [hour for hour in late if any(first <= hour <= last for first, last in gaps)]
