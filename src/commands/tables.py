"""Set up, drop and restore the jobs' tables."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import typer

from adapters._bases.hourly_backup import Progress
from adapters._bases.hourly_repository import HourlyRepository
from adapters._bases.tehran_time import in_tehran
from adapters.files.locks import ProcessLock
from commands.screen import mention, say, settings_with_log
from configurations.config import PROJECT_ROOT, Settings
from crons import MAIN_JOB
from crons.exits import DONE, FAILED
from crons.parts import Parts, impatient, system_clock
from crons.progress import Tally, progress
from crons.registry import JOBS, find_job

BACKUPS = PROJECT_ROOT / "backups"


def set_up() -> int:
    """Make the missing tables and views and return the exit code. Idempotent."""
    settings = impatient(settings_with_log())
    with Parts(settings, task="setup_db", clock=system_clock) as parts:
        for job in JOBS.values():
            table = job.repository_in(parts)
            table.ensure_ready()
            say(f"{table.name} and its views are ready")
        parts.runs.ensure_ready()
        say(f"{parts.runs.name} is ready, which keeps each run for {settings.run_history_days} days")
    return DONE


def drop(*, unasked: bool, quiet: bool) -> int:
    """Back up every job's table, then drop it, and return the exit code.

    The jobs' locks and the database's are held meanwhile: rows that a run of this or another checkout stored between
    the copy and the drop would be lost.

    Args:
        unasked: do not ask at a terminal.
        quiet: print only the backups' paths.

    Raises:
        LockHeldError: a job is running.
    """
    settings = settings_with_log(quiet=quiet)
    if not unasked and sys.stdin.isatty() and not _agreed():
        say("nothing was changed")
        return FAILED
    for name in JOBS:
        with _undisturbed(settings, name, "drop_db") as table:
            if table.table_exists():
                _drop(table, name, settings, quiet=quiet)
            elif not quiet:
                say(f"there is no {table.name}: nothing to drop")
    return DONE


def put_back(file: Path, job: str, *, quiet: bool) -> int:
    """Upsert a backup's rows and return the exit code. Idempotent. When quiet, only errors are printed."""
    settings = settings_with_log(quiet=quiet)
    find_job(job)
    with _undisturbed(settings, job, "restore") as table:
        mention(f"reading {file}, then putting its rows into {table.name}")
        with _row_progress(settings) as row_progress:
            done = table.restore(file, row_progress)
        if not quiet:
            say(f"{table.name}: {done.inserted} rows inserted, {done.updated} updated, {done.unchanged} there already")
    return DONE


def _drop(table: HourlyRepository, name: str, settings: Settings, *, quiet: bool) -> None:
    BACKUPS.mkdir(exist_ok=True)
    backup = BACKUPS / f"{table.name}-{in_tehran(system_clock()):%Y-%m-%d_%H-%M-%S}.native.gz"
    mention(f"exporting {table.count_rows():,} rows of {table.name}")
    with _row_progress(settings) as row_progress:
        rows = table.export_table(backup, row_progress)
    say(str(backup) if quiet else f"{rows} rows of {table.name} are in {backup}")
    table.drop_table()
    if not quiet:
        job = "" if name == MAIN_JOB else f" --job {name}"
        say(f"{table.name} is dropped; to put it back: ./run.sh restore {shlex.quote(str(backup))}{job}")


def _row_progress(settings: Settings) -> AbstractContextManager[Progress]:
    return progress(Tally(system_clock), no_color=bool(settings.no_color))


def _agreed() -> bool:
    """Ask at the terminal. Ctrl-C and Ctrl-D mean no."""
    try:
        return typer.confirm("Drop the stored prices, after a backup?")
    except typer.Abort:
        say("")  # ends the question's line
        return False


@contextmanager
def _undisturbed(settings: Settings, name: str, task: str) -> Iterator[HourlyRepository]:
    """A job's table, for writing or dropping, while the job's runs are locked out."""
    lock = ProcessLock(settings.data_path / "locks" / f"{name}.lock", task=task, clock=system_clock)
    with lock, Parts(settings, task=task, clock=system_clock, writes=True) as parts:
        yield JOBS[name].repository_in(parts)
