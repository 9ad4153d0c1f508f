"""``status``: how the last runs went, which hours are missing, what the prices look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import takewhile
from typing import NamedTuple

from adapters._bases.errors import EtlError, LockHeldError, StateError
from adapters._bases.tehran_time import from_text
from adapters.clickhouse.etl_runs_clickhouse_adapter import FAILED as RUN_FAILED
from adapters.clickhouse.etl_runs_clickhouse_adapter import OK as RUN_OK
from adapters.clickhouse.etl_runs_clickhouse_adapter import RunRecord
from adapters.files.locks import note_of, read_holder
from adapters.files.spool import Spool
from adapters.system.crontab import Crontab
from commands.screen import SHORT_WAIT_SECONDS, after_needs, say, settings_with_log, stale_groups
from commands.status_facts import JobFacts, SpoolFacts, Turn, needs
from commands.status_view import as_json_text, show_job
from commands.tables import last_backup
from configurations.config import PROJECT_ROOT, Settings
from crons.exits import DONE, FAILED
from crons.history import records_of
from crons.inspection import Series, series_of
from crons.install import BACKUP, Schedules, heal_of, longest_interval, next_run, read_schedules
from crons.job import Job
from crons.registry import JOBS, find_job
from crons.resources import PATIENCE, Resources, engine_lock, has_no_database, interactive_timeouts, system_clock

_RECENT_RUNS = 100


class _Read(NamedTuple):
    """What the database holds, or why that is not known."""

    state: str
    detail: str = ""
    in_use_since: datetime | None = None
    runs: Sequence[RunRecord] = ()
    heals: Sequence[RunRecord] = ()
    successes: Sequence[RunRecord] = ()
    failures: Sequence[RunRecord] = ()
    series: Sequence[Series] | None = None


def status(name: str | None, *, as_json: bool, everything: bool) -> int:
    """Look, show, and give the exit code: 1 if something needs attention.

    Args:
        name: of one job; None for all.
        as_json: one JSON object instead of text.
        everything: every symbol, also beyond a screenful.

    Raises:
        ConfigurationError: there is no such job, or the settings are wrong.
    """
    if name is not None:
        find_job(name)
    settings = interactive_timeouts(settings_with_log())
    now = system_clock()
    tasks = [*(task for job in JOBS for task in (job, heal_of(job))), BACKUP]
    schedules = read_schedules(Crontab(), checkout=PROJECT_ROOT, tasks=tasks)
    jobs = _in_use([_facts(one, settings, schedules, now, asked_for=one == name) for one in ([name] if name else JOBS)])
    if as_json:
        say(as_json_text(jobs, now))
    else:
        for number, job in enumerate(jobs):
            if number:
                say("")
            show_job(job, now, everything=everything, no_color=bool(settings.no_color))
    return FAILED if any(needs(job, now) for job in jobs) else DONE


def _in_use(jobs: Sequence[JobFacts]) -> list[JobFacts]:
    """Those that are run, or were; the first, which is the main one, as long as no other is run in its place."""
    first, *others = jobs
    if not any(job.in_use or job.last_success for job in others):
        first = replace(first, wanted=True)
    return [job for job in (first, *others) if job.is_known]


def _facts(name: str, settings: Settings, schedules: Schedules, now: datetime, *, asked_for: bool) -> JobFacts:
    # The disk first: a record that a run puts into the table meanwhile is then seen twice, not missed.
    job = JOBS[name]
    parts = Resources(settings, task="status", clock=system_clock, wait_seconds=SHORT_WAIT_SECONDS, retry=PATIENCE)
    history = parts.history_spool(name)
    kept = _records_in(history)
    read = _read(name, job, parts, now)
    turn, heal = _turn(schedules, name, now), _turn(schedules, heal_of(name), now)
    backup = _turn(schedules, BACKUP, now)
    holder = read_holder(note_of(settings.data_path / "locks" / f"{name}.lock"))
    return JobFacts(
        name=name,
        wanted=asked_for,
        every=longest_interval(turn.schedule if turn else job.schedule, now),
        next_run=turn,
        next_heal=heal,
        crontab_unknown=schedules.unknown.message if schedules.unknown else None,
        running=str(holder) if holder is not None and holder.alive() else None,
        database=read.state,
        database_detail=read.detail,
        in_use_since=read.in_use_since,
        last_success=_first([*(one for one in kept if not one.failed and one.kind == "run"), *read.successes]),
        last_failure=_first([*(one for one in kept if one.failed), *read.failures]),
        last_heal=_first([*(one for one in kept if one.kind == "heal"), *read.heals]),
        failed_runs=_failed_in_a_row(kept, read.runs, kind="run"),
        failed_heals=_failed_in_a_row(kept, read.heals, kind="heal"),
        spool=_spool_facts(parts.spool(name)),
        history=_spool_facts(history),
        fill=_fill(name, job, settings),
        heal_every=longest_interval(heal.schedule, now) if heal else None,
        series=read.series,
        stale_set_up=stale_groups(),
        backup_every=longest_interval(backup.schedule, now) if backup else None,
        last_backup=last_backup(f"{settings.clickhouse_db}.{job.table.name}"),
    )


def _read(name: str, job: Job, parts: Resources, now: datetime) -> _Read:
    """Ask the database, waiting but shortly for a job that has the embedded engine open."""
    if has_no_database(parts.settings):
        return _Read("empty", "there is no database yet: ./run.sh setup_db")
    try:
        with parts:
            runs = parts.runs
            success = runs.last(name, status=RUN_OK, kind="run")
            failure = runs.last(name, status=RUN_FAILED)
            return _Read(
                "ok",
                runs=runs.recent(name, _RECENT_RUNS, kind="run"),
                heals=runs.recent(name, _RECENT_RUNS, kind="heal"),
                successes=[success] if success else [],
                failures=[failure] if failure else [],
                series=series_of(job.repository_in(parts), list(job.followed(parts.settings)), now),
            )
    except LockHeldError as error:
        return _Read("in use", error.message, _in_use_since(parts.settings))
    except EtlError as error:
        return _Read("unreachable", " ".join(error.message.split()))


def _fill(name: str, job: Job, settings: Settings) -> str | None:
    """The command that fills a job's missing hours, without its HOURS and after what it lacks; None without any."""
    return None if job.backfill is None else after_needs(job, settings, f"./run.sh cron_heal {name}")


def _turn(schedules: Schedules, task: str, now: datetime) -> Turn | None:
    """When cron starts a job, or the heal of one, next; None when it is not installed, or not known to be."""
    schedule = schedules.installed.get(task)
    return Turn(schedule, next_run(schedule, now)) if schedule else None


def _in_use_since(settings: Settings) -> datetime | None:
    """Since when another process has the embedded engine open, aware; None when its note does not tell."""
    holder = read_holder(note_of(engine_lock(settings.clickhouse_path)))
    return None if holder is None else from_text(holder.since)


def _spool_facts(spool: Spool) -> SpoolFacts:
    try:
        return SpoolFacts(waiting=len(spool.waiting()), oldest=spool.oldest(), damaged=spool.rejected())
    except StateError as error:
        return SpoolFacts(waiting=None, oldest=None, damaged=(), unknown=f"{error.message}: {error.next_step}")


def _records_in(spool: Spool) -> list[RunRecord]:
    """The records of runs that wait in a spool; none where it cannot be read, which `_spool_facts` tells."""
    try:
        return [record for path in spool.waiting() for record in records_of(spool.read(path))]
    except StateError:
        return []


def _latest_first(records: Sequence[RunRecord]) -> list[RunRecord]:
    once = {record.run_id: record for record in records}
    return sorted(once.values(), key=lambda record: record.started_at, reverse=True)


def _failed_in_a_row(kept: Sequence[RunRecord], stored: Sequence[RunRecord], *, kind: str) -> list[RunRecord]:
    """The last runs of a kind, back to the first good one, the latest first."""
    records = _latest_first([*(one for one in kept if one.kind == kind), *stored])
    return list(takewhile(lambda one: one.failed, records))


def _first(records: Sequence[RunRecord]) -> RunRecord | None:
    return next(iter(_latest_first(records)), None)
