"""``status``: the last runs, the missing hours and the prices."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import takewhile
from typing import Any, NamedTuple

from adapters._bases.errors import EtlError, LockHeldError, StateError
from adapters._bases.tehran_time import from_text, hour_ranges, in_tehran, tehran_text
from adapters.clickhouse.etl_runs_clickhouse_adapter import FAILED as RUN_FAILED
from adapters.clickhouse.etl_runs_clickhouse_adapter import OK as RUN_OK
from adapters.clickhouse.etl_runs_clickhouse_adapter import EtlRunsAdapter, RunRecord
from adapters.files.locks import read_holder
from adapters.files.spool import Spool
from commands.screen import after_needs, resources_for_reading, say, settings_with_log, stale_groups
from commands.status_facts import DatabaseFacts, JobFacts, SpoolFacts, Turn, needs
from commands.status_view import show_job
from commands.tables import last_backup
from configurations.config import PROJECT_ROOT, Settings
from crons.exits import DONE, FAILED
from crons.history import records_of
from crons.inspection import Series, series_of
from crons.install import BACKUP, Schedules, heal_of, longest_interval, next_run, read_schedules
from crons.registry import JOBS, find_job
from crons.resources import Resources, engine_lock, has_no_database, interactive_timeouts, system_clock

_RECENT_RUNS = 100
_SCHEMA_VERSION = 1  # of the JSON: a field may be added, none is removed or changes its meaning


class _Stored(NamedTuple):
    """What is stored of a job: its latest runs, in no order, and its symbols."""

    database: DatabaseFacts
    runs: Sequence[RunRecord] = ()
    series: Sequence[Series] | None = None


def status(name: str | None, *, as_json: bool, everything: bool) -> int:
    """Print the state of the jobs in use, return the exit code: 1 if something needs attention.

    Args:
        name: of one job; None for all.
        as_json: one JSON object instead of text.
        everything: every symbol, also beyond a screenful.

    Raises:
        ConfigurationError: there is no such job, or a setting is invalid.
    """
    if name is not None:
        find_job(name)
    settings = interactive_timeouts(settings_with_log())
    now = system_clock()
    found = [(job, needs(job, now)) for job in _read_jobs(name, settings, now)]
    needs_person = any(lines for _, lines in found)
    if as_json:
        jobs = [_document(job, lines, now) for job, lines in found]
        header = {"schema_version": _SCHEMA_VERSION, "now": tehran_text(now), "needs_person": needs_person}
        say(json.dumps({**header, "jobs": jobs}, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        for number, (job, lines) in enumerate(found):
            if number:
                say("")
            show_job(job, lines, now, everything=everything, no_color=bool(settings.no_color))
    return FAILED if needs_person else DONE


def _read_jobs(name: str | None, settings: Settings, now: datetime) -> list[JobFacts]:
    """The job of this name, or the jobs in use: the main one as long as no other is."""
    names = [name] if name else list(JOBS)
    schedules = read_schedules(PROJECT_ROOT)
    stale_set_up = stale_groups()
    with resources_for_reading(settings, "status") as resources:
        # The disk first: a record that a run moves to the table meanwhile is then seen twice, not missed.
        kept = {one: _records_in(resources.history_spool(one)) for one in names}
        stored = _read_database(names, resources, now)
    jobs = []
    for one in names:
        facts = _facts(one, resources, stored[one]._replace(runs=[*kept[one], *stored[one].runs]), schedules, now)
        jobs.append(replace(facts, stale_set_up=stale_set_up))
    if name or not any(job.in_use for job in jobs[1:]):
        jobs[0] = replace(jobs[0], expected=True)
    return [job for job in jobs if job.is_known]


def _records_in(spool: Spool) -> list[RunRecord]:
    """The pending records of runs; none if the spool cannot be read, which `_spool_facts` reports."""
    try:
        return [record for path in spool.waiting() for record in records_of(spool.read(path))]
    except StateError:
        return []


def _read_database(names: Sequence[str], resources: Resources, now: datetime) -> dict[str, _Stored]:
    settings = resources.settings
    if has_no_database(settings):
        empty = DatabaseFacts("empty", "there is no database yet: ./run.sh setup_db")
        return {name: _Stored(empty) for name in names}
    stored: dict[str, _Stored] = {}
    failure = DatabaseFacts("ok")
    try:
        for name in names:
            job = JOBS[name]
            series = series_of(resources.repository(job.repository), list(job.followed(settings)), now)
            stored[name] = _Stored(failure, _runs_of(name, resources.runs), series)
    except LockHeldError as error:
        holder = read_holder(engine_lock(settings.clickhouse_path))
        failure = DatabaseFacts("in use", error.message, from_text(holder.since) if holder else None)
    except EtlError as error:
        failure = DatabaseFacts("unreachable", " ".join(error.message.split()))
    return {name: stored.get(name, _Stored(failure)) for name in names}


def _runs_of(name: str, runs: EtlRunsAdapter) -> list[RunRecord]:
    """The latest runs and heals of a job, among them its last success and its last failure."""
    last = [runs.last(name, status=RUN_OK, kind="run"), runs.last(name, status=RUN_FAILED)]
    recent = [runs.recent(name, _RECENT_RUNS, kind=kind) for kind in ("run", "heal")]
    return [*(one for one in last if one), *recent[0], *recent[1]]


def _facts(name: str, resources: Resources, stored: _Stored, schedules: Schedules, now: datetime) -> JobFacts:
    job, settings = JOBS[name], resources.settings
    by_id = {one.run_id: one for one in stored.runs}
    records = sorted(by_id.values(), key=lambda one: one.started_at, reverse=True)
    runs, heals = ([one for one in records if one.kind == kind] for kind in ("run", "heal"))
    turns = {
        task: Turn(schedule, next_run(schedule, now), longest_interval(schedule, now))
        for task, schedule in schedules.installed.items()
    }
    holder = read_holder(settings.data_path / "locks" / f"{name}.lock")
    return JobFacts(
        name=name,
        every=turns[name].every if name in turns else longest_interval(job.schedule, now),
        run=turns.get(name),
        heal=turns.get(heal_of(name)),
        backup=turns.get(BACKUP),
        crontab_unknown=schedules.unknown.message if schedules.unknown else None,
        running=str(holder) if holder and holder.alive() else None,
        database=stored.database,
        last_success=next((one for one in runs if not one.failed), None),
        last_failure=next((one for one in records if one.failed), None),
        last_heal=next(iter(heals), None),
        failed_runs=list(takewhile(lambda one: one.failed, runs)),
        failed_heals=list(takewhile(lambda one: one.failed, heals)),
        spool=_spool_facts(resources.spool(name)),
        history=_spool_facts(resources.history_spool(name)),
        fill=after_needs(job, settings, f"./run.sh cron_heal {name}") if job.backfill else None,
        series=stored.series,
        last_backup=last_backup(f"{settings.clickhouse_db}.{job.table.name}"),
    )


def _spool_facts(spool: Spool) -> SpoolFacts:
    try:
        return SpoolFacts(waiting=len(spool.waiting()), oldest=spool.oldest(), damaged=spool.rejected())
    except StateError as error:
        return SpoolFacts(waiting=None, oldest=None, damaged=(), unknown=f"{error.message}: {error.next_step}")


def _document(job: JobFacts, lines: Sequence[str], now: datetime) -> dict[str, Any]:
    """A job's part of the JSON; times are Tehran wall time unless their name says otherwise."""
    return {
        "name": job.name,
        "needs": lines,
        "last_success": _run_document(job.last_success, now),
        "last_failure": _run_document(job.last_failure, now),
        "last_heal": _run_document(job.last_heal, now),
        "not_known": job.not_known,
        "failures_in_a_row": len(job.failed_runs),
        "failed_heals_in_a_row": len(job.failed_heals),
        "schedule": job.run and job.run.schedule,
        "next_run": job.run and tehran_text(job.run.at),
        "next_run_host": job.run and job.run.at.isoformat(),
        "crontab_not_known": job.crontab_unknown,
        "next_heal": job.heal and tehran_text(job.heal.at),
        "running": job.running,
        "database": {"state": job.database.state, "detail": job.database.detail},
        "spool": _spool_document(job.spool, now),
        "history": _spool_document(job.history, now),
        "symbols": None if job.series is None else [_symbol_document(one) for one in job.series],
    }


def _run_document(run: RunRecord | None, now: datetime) -> dict[str, Any] | None:
    if run is None:
        return None
    age = int((now - from_text(run.finished_at)).total_seconds())
    return {"run_id": run.run_id, "kind": run.kind, "at": run.finished_at, "age_seconds": age, "error": run.error}


def _spool_document(spool: SpoolFacts, now: datetime) -> dict[str, Any]:
    oldest = None if spool.oldest is None else int((now - spool.oldest).total_seconds())
    damaged = None if spool.unknown else [str(path) for path in spool.damaged]
    return {"waiting": spool.waiting, "oldest_age_seconds": oldest, "damaged": damaged}


def _symbol_document(one: Series) -> dict[str, Any]:
    coverage = one.coverage
    return {
        "symbol": one.symbol,
        "last_hour": one.last_hour,
        "last_price": one.last_price,
        "change_24h": one.change_24h,
        "counted_from": coverage.counted_from and tehran_text(coverage.counted_from),
        "coverage": {
            name: {"stored": share.stored, "expected": share.expected, "percent": share.percent}
            for name, share in coverage.shares.items()
        },
        "missing": [[tehran_text(in_tehran(bound)) for bound in span] for span in hour_ranges(coverage.missing)],
        "missing_hours": len(coverage.missing),
        "without_quote_hours": len(coverage.without_quote),
        "last_24_hours": one.trend,
    }
