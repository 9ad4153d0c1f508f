"""Set up, drop and restore the jobs' tables."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import typer

from adapters._bases.hourly_backup import RowsTold
from adapters._bases.tehran_time import in_tehran
from adapters.files.locks import ProcessLock
from commands.screen import mention, say, settings_with_log
from configurations.config import PROJECT_ROOT, Settings
from crons.exits import DONE, FAILED
from crons.job import Table
from crons.parts import ENGINE_WAIT_SECONDS, clickhouse, impatient, runs_table, system_clock
from crons.progress import row_progress
from crons.registry import JOBS, MAIN_JOB, find_job

BACKUPS = PROJECT_ROOT / "backups"


def set_up() -> int:
    """Make what is missing; the exit code."""
    settings = impatient(settings_with_log())
    for name in JOBS:
        with _table(settings, name, "setup_db") as table:
            table.ensure_ready()
            say(f"{table.name} and its view are ready")
    with clickhouse(settings, task="setup_db", clock=system_clock) as database:
        runs = runs_table(settings, database)
        runs.ensure_ready()
        say(f"{runs.name} is ready, which keeps each run for {settings.run_history_days} days")
    return DONE


def drop(*, unasked: bool, quiet: bool) -> int:
    """Back up every job's table, then drop it; the exit code.

    Args:
        unasked: do not ask whoever sits at the terminal.
        quiet: print nothing but where the backups are.

    The jobs' locks and the database's are held meanwhile: rows that a run of this or another checkout stored between
    the copy and the drop would be lost.

    Raises:
        LockHeldError: a job is running.
    """
    settings = settings_with_log(quiet=quiet)
    if not unasked and sys.stdin.isatty() and not _agreed():
        say("nothing was changed")
        return FAILED
    for name in JOBS:
        with _undisturbed(settings, name, "drop_db"), _table(settings, name, "drop_db", writes=True) as table:
            if table.table_exists():
                _drop(table, name, settings, quiet=quiet)
            elif not quiet:
                say(f"there is no {table.name}: nothing to drop")
    return DONE


def put_back(file: Path, job: str, *, quiet: bool) -> int:
    """Upsert a backup's rows; the exit code. Harmless to repeat; when quiet, only errors are told."""
    settings = settings_with_log(quiet=quiet)
    find_job(job)
    with _undisturbed(settings, job, "restore"), _table(settings, job, "restore", writes=True) as table:
        mention(f"reading {file}, then putting its rows into {table.name}")
        with _row_progress(settings) as told:
            done = table.restore(file, told)
        if not quiet:
            say(f"{table.name}: {done.inserted} rows inserted, {done.updated} updated, {done.unchanged} there already")
    return DONE


def _drop(table: Table, name: str, settings: Settings, *, quiet: bool) -> None:
    """Back up one table, then drop it."""
    backup = _backup_path(table)
    mention(f"exporting {table.count_rows():,} rows of {table.name}")
    with _row_progress(settings) as told:
        rows = table.export_table(backup, told)
    say(str(backup) if quiet else f"{rows} rows of {table.name} are in {backup}")
    table.drop_table()
    if not quiet:
        say(f"{table.name} is dropped; to put it back: ./run.sh restore {_restored(backup, name)}")


def _row_progress(settings: Settings) -> AbstractContextManager[RowsTold]:
    return row_progress(clock=system_clock, no_color=bool(settings.no_color))


def _agreed() -> bool:
    """What whoever sits at the terminal answers; Ctrl-C and Ctrl-D are a no."""
    try:
        return typer.confirm("Drop the stored prices, after a backup?")
    except typer.Abort:
        say("")  # ends the question's line
        return False


@contextmanager
def _table(settings: Settings, name: str, task: str, *, writes: bool = False) -> Iterator[Table]:
    job = JOBS[name].load()
    with job.open_table(
        settings, task=task, clock=system_clock, wait_seconds=ENGINE_WAIT_SECONDS, writes=writes
    ) as table:
        yield table


@contextmanager
def _undisturbed(settings: Settings, name: str, task: str) -> Iterator[None]:
    """No run of the job meanwhile."""
    with ProcessLock(settings.data_path / "locks" / f"{name}.lock", task=task, clock=system_clock):
        yield


def _restored(backup: Path, name: str) -> str:
    """What ``restore`` has to be told: whose backup it is, unless it is the main job's."""
    return shlex.quote(str(backup)) + ("" if name == MAIN_JOB else f" --job {name}")


def _backup_path(table: Table) -> Path:
    BACKUPS.mkdir(exist_ok=True)
    stamp = in_tehran(system_clock()).strftime("%Y-%m-%d_%H-%M-%S")
    return BACKUPS / f"{table.name}-{stamp}.native.gz"
