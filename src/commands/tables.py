"""``setup_db``, ``backup``, ``restore`` and ``drop_db``: the jobs' tables."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import typer

from adapters._bases.errors import ConfigurationError, StateError
from adapters._bases.hourly_repository import HourlyRepository
from adapters._bases.sql_files import Definition
from adapters._bases.table_backup import export_table, insert_missing, read_backup, reporting, table_in, tables_there
from adapters._bases.upsert import UpsertReport
from adapters._bases.wording import counted
from adapters.clickhouse.etl_runs_clickhouse_adapter import TABLE as RUNS
from adapters.files.backups import ENDING, Backups, files_of
from adapters.files.locks import ProcessLock
from commands.runs import kill
from commands.screen import mention, say, settings_with_log, tell
from configurations.config import Settings
from crons.exits import DONE, FAILED, become
from crons.progress import progress
from crons.registry import JOBS, MAIN_JOB, find_job
from crons.resources import ENGINE_WAIT_SECONDS, Resources, interactive_timeouts, job_lock, system_clock


def setup_db() -> int:
    settings = interactive_timeouts(settings_with_log(writes=True))
    with Resources(settings, task="setup_db") as resources:
        for name, job in JOBS.items():
            if job.optional and not resources.history_spool(name).folder.exists():
                continue
            table = resources.repository(job.repository)
            table.ensure_ready()
            say(f"{table.name} and its views are ready")
        resources.runs.ensure_ready()
        say(f"{resources.runs.name} is ready and keeps runs for {counted(settings.run_history_days, 'day')}")
    return DONE


def _require_consent(name: str | None, *, unasked: bool) -> None:
    """Raise ConfigurationError if there is no such job, or neither --yes nor a terminal to ask on."""
    find_job(name or MAIN_JOB)
    if not unasked and not sys.stdin.isatty():
        raise ConfigurationError("there is no terminal to ask on; nothing was changed", next_step="add --yes")


def drop_db(name: str | None, *, unasked: bool, quiet: bool) -> int:
    settings = settings_with_log(quiet=quiet, writes=True)
    _require_consent(name, unasked=unasked)
    repositories = [JOBS[one].repository for one in ([name] if name else JOBS)]
    if not unasked and not _agreed(settings, repositories):
        say("nothing was changed")
        return FAILED
    # Locked, because rows that a run stores between the copy and the drop would be lost.
    with undisturbed(settings, "drop_db") as resources:
        tables = [table for table in map(resources.repository, repositories) if table.has_table()]
        own = {table for one in tables for table in (one.table.name, *one.table.beside)}
        backup = _copy(resources, own if name else None, quiet=quiet) if tables else None
        for table in tables:
            table.drop()
    lines = [f"{table.name} is dropped" for table in tables]
    if not tables:
        lines = [f"there is no {settings.clickhouse_db}.{repositories[0].table.name}: nothing to drop"]
    if backup:
        lines.append(f"to undo that: ./run.sh restore {shlex.quote(str(backup))}")
    if not quiet:
        say("\n".join(lines))
    return DONE


def clean(name: str | None, *, unasked: bool) -> int:
    _require_consent(name, unasked=unasked)
    return kill() or drop_db(name, unasked=unasked, quiet=False) or setup_db() or become("crons.run", name or MAIN_JOB)


def _agreed(settings: Settings, repositories: Collection[type[HourlyRepository]]) -> bool:
    with Resources(settings, task="drop_db", briefly=True) as resources:
        tables = [table for table in map(resources.repository, repositories) if table.has_table()]
        counts = ", ".join(f"{table.table.name} ({counted(table.count_rows(), 'row')})" for table in tables)
    try:
        return not tables or typer.confirm(f"Drop {counts} of the database {settings.clickhouse_db}, after a backup?")
    except typer.Abort:  # Ctrl-C and Ctrl-D mean no
        say("")
        return False


def backup(*, keep: int | None, accept: bool, quiet: bool) -> int:
    settings = settings_with_log(quiet=quiet, writes=True, needs_database=True)
    with undisturbed(settings, "backup", writes=False, wait_seconds=ENGINE_WAIT_SECONDS) as resources:
        made = _copy(resources, scheduled=keep is not None, accepted=accept, quiet=quiet)
    backups, tables = backups_of(settings), [job.repository.table.name for job in JOBS.values()]
    for old in backups.prune(keep, tables) if keep and made else ():
        if not quiet:
            say(f"removed {old.name}")
    for line in backups.shrunk(tables):
        tell(f"warning: {line}")
    if not made and not quiet:
        say(f"there is no row in {settings.clickhouse_db}: nothing to back up")
    return DONE


def backups_of(settings: Settings) -> Backups:
    return Backups(settings.backup_path, settings.engine, settings.clickhouse_db)


def restore(path: Path, *, quiet: bool) -> int:
    settings, path = settings_with_log(quiet=quiet, writes=True), path.resolve()
    with undisturbed(settings, "restore") as resources:
        mention(f"reading {path}, then putting its rows into {settings.clickhouse_db}")
        checked = []
        # Every file is read to its end before anything changes.
        for file, rows in files_of(path).items():
            table = table_in(file)
            count = sum(1 for _ in read_backup(table, file))
            if rows not in (None, count):
                step = "Nothing was changed; use another backup."
                raise StateError(f"{file} has {counted(count, 'row')}, not {rows:,}", next_step=step)
            checked.append((table, file, count))
        for table, file, count in checked:
            inserted, updated, unchanged = _store(table, file, count, resources)
            if not quiet:
                counts = f"{inserted:,} rows inserted, {updated:,} updated, {unchanged:,} unchanged"
                say(f"{settings.clickhouse_db}.{table.name}: {counts}")
    return DONE


def _store(table: Definition, file: Path, rows: int, resources: Resources) -> UpsertReport:
    repositories = [resources.repository(job.repository) for job in JOBS.values()]
    with progress(system_clock) as shown:

        def read() -> Iterator[Sequence[Any]]:
            return reporting(shown, "storing", read_backup(table, file), rows)

        for one in repositories:
            if one.table.name == table.name:
                return one.restore(read())
        beside = {name: one for one in repositories for name in one.table.beside}
        (resources.runs if table.name == RUNS else beside.get(table.name, repositories[0])).ensure_ready()
        database, name = resources.database, resources.settings.clickhouse_db
        inserted = resources.retry.call(lambda: insert_missing(database, name, table, read()))
    return UpsertReport(inserted=inserted, unchanged=rows - inserted)


def _copy(
    resources: Resources,
    names: Collection[str] | None = None,
    *,
    scheduled: bool = False,
    accepted: bool = False,
    quiet: bool,
) -> Path | None:
    """Copy these tables, by default all, as far as they have rows; the backup's path, None if there is no row."""
    settings, backups, rows = resources.settings, backups_of(resources.settings), dict[str, int]()
    with backups.draft() as draft:
        for table in tables_there(resources.database, settings.clickhouse_db):
            if names is None or table.name in names:
                mention(f"exporting {settings.clickhouse_db}.{table.name}")
                file = draft / f"{table.name}{ENDING}"
                with progress(system_clock) as shown:
                    export = partial(export_table, resources.database, settings.clickhouse_db, table, file, shown)
                    count = resources.retry.call(export)
                if count:
                    rows[table.name] = count
                else:
                    file.unlink()
        if not rows:
            return None
        path = backups.keep(rows, system_clock(), scheduled=scheduled, accepted=accepted)
    counts = ", ".join(f"{counted(count, 'row')} of {name}" for name, count in rows.items())
    say(str(path) if quiet else f"copied to {path}: {counts}")
    return path


@contextmanager
def undisturbed(
    settings: Settings, task: str, *, jobs: Iterable[str] = JOBS, writes: bool = True, wait_seconds: float = 0.5
) -> Iterator[Resources]:
    """The database, while the runs of these jobs, by default of all, are locked out."""
    with ExitStack() as held:
        for name in jobs:
            lock = ProcessLock(job_lock(settings, name), task=task, clock=system_clock, wait_seconds=wait_seconds)
            held.enter_context(lock)
        yield held.enter_context(Resources(settings, task=task, writes=writes))
