"""``setup_db``, ``backup``, ``restore`` and ``drop_db``: the jobs' tables."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import typer

from adapters._bases.hourly_repository import HourlyRepository
from adapters._bases.tehran_time import TEHRAN, in_tehran
from adapters.files.locks import ProcessLock
from commands.screen import copies_of, mention, say, settings_with_log
from configurations.config import PROJECT_ROOT, Settings
from crons import MAIN_JOB
from crons.exits import DONE, FAILED
from crons.progress import progress
from crons.registry import JOBS, find_job
from crons.resources import ENGINE_WAIT_SECONDS, Resources, interactive_timeouts, require_database, system_clock

BACKUPS = PROJECT_ROOT / "backups"
_ENDINGS = (".jsonl.gz", ".native.gz")  # the second is of older versions
_TIME = "%Y-%m-%d_%H-%M-%S"


def set_up() -> int:
    """Create missing tables and views, and return the exit code. Idempotent."""
    settings = interactive_timeouts(settings_with_log())
    with Resources(settings, task="setup_db", clock=system_clock) as resources:
        for job in JOBS.values():
            table = resources.repository(job.repository)
            table.ensure_ready()
            say(f"{table.name} and its views are ready")
        resources.runs.ensure_ready()
        say(f"{resources.runs.name} is ready and keeps runs for {settings.run_history_days} days")
    return DONE


def drop(*, unasked: bool, quiet: bool) -> int:
    """Back up every job's table, then drop it, and return the exit code. Asks at a terminal, unless `unasked`.

    Raises:
        LockHeldError: a job is running.
    """
    settings = settings_with_log(quiet=quiet)
    if not unasked and sys.stdin.isatty():
        try:
            agreed = typer.confirm("Drop the stored prices, after a backup?")
        except typer.Abort:  # Ctrl-C and Ctrl-D mean no
            say("")
            agreed = False
        if not agreed:
            say("nothing was changed")
            return FAILED
    for name in JOBS:
        # Locked, because rows that a run stores between the copy and the drop would be lost.
        with _undisturbed(settings, name, "drop_db") as table:
            if is_used(name, table):
                backup = _copy(table, settings, quiet=quiet)
                table.drop_table()
                if not quiet:
                    job = "" if name == MAIN_JOB else f" --job {name}"
                    say(f"{table.name} is dropped; to restore it: ./run.sh restore {shlex.quote(str(backup))}{job}")
            elif table.table_exists():
                table.drop_table()
            elif name == MAIN_JOB and not quiet:
                say(f"there is no {table.name}: nothing to drop")
    return DONE


def back_up(keep: int | None, *, quiet: bool) -> int:
    """Copy every used table to a file, verify it, remove all but the latest `keep`, and return the exit code.

    Raises:
        LockHeldError: a job is still running after the wait.
    """
    settings = settings_with_log(quiet=quiet)
    require_database(settings)
    left_out = []
    for name in JOBS:
        with _undisturbed(settings, name, "backup", writes=False, wait_seconds=ENGINE_WAIT_SECONDS) as table:
            if is_used(name, table):
                _copy(table, settings, quiet=quiet)
                for old in copies_of(BACKUPS, table.name, *_ENDINGS)[: -keep if keep else 0]:
                    old.unlink(missing_ok=True)
                    if not quiet:
                        say(f"removed {old.name}")
            else:
                left_out.append(table.name)
    if len(left_out) == len(JOBS) and not quiet:
        say(f"there is no {left_out[0]}: nothing to back up")
    return DONE


def is_used(job: str, table: HourlyRepository) -> bool:
    """Whether a job's table exists and, unless it is the main job's, contains rows: few users run every job."""
    return table.table_exists() and (job == MAIN_JOB or table.count_rows() > 0)


def put_back(file: Path, job: str, *, quiet: bool) -> int:
    """Upsert a backup's rows, and return the exit code. Idempotent."""
    settings = settings_with_log(quiet=quiet)
    find_job(job)
    with _undisturbed(settings, job, "restore") as table:
        mention(f"reading {file}, then putting its rows into {table.name}")
        with progress(system_clock, no_color=bool(settings.no_color)) as row_progress:
            done = table.restore(file, row_progress)
        if not quiet:
            say(f"{table.name}: {done.inserted} rows inserted, {done.updated} updated, {done.unchanged} unchanged")
    return DONE


def _copy(table: HourlyRepository, settings: Settings, *, quiet: bool) -> Path:
    BACKUPS.mkdir(exist_ok=True)
    now = system_clock()
    while (backup := BACKUPS / f"{table.name}-{in_tehran(now):{_TIME}}{_ENDINGS[0]}").exists():
        now += timedelta(seconds=1)  # the second of another backup
    mention(f"exporting {table.count_rows():,} rows of {table.name}")
    with progress(system_clock, no_color=bool(settings.no_color)) as row_progress:
        rows = table.export_table(backup, row_progress)
    say(str(backup) if quiet else f"{rows} rows of {table.name} are in {backup}")
    return backup


def last_backup(name: str) -> datetime | None:
    """When the latest backup of a table, named with its database, was made; None without one."""
    copies = copies_of(BACKUPS, name, *_ENDINGS)
    made = copies[-1].name.removeprefix(f"{name}-").partition(".")[0] if copies else ""
    return datetime.strptime(made, _TIME).replace(tzinfo=TEHRAN) if made else None


@contextmanager
def _undisturbed(
    settings: Settings, name: str, task: str, *, writes: bool = True, wait_seconds: float = 0.5
) -> Iterator[HourlyRepository]:
    """A job's table, while the job's runs are locked out."""
    file = settings.data_path / "locks" / f"{name}.lock"
    lock = ProcessLock(file, task=task, clock=system_clock, wait_seconds=wait_seconds)
    with lock, Resources(settings, task=task, clock=system_clock, writes=writes) as resources:
        yield resources.repository(JOBS[name].repository)
