"""``setup_cron``, ``remove_cron`` and ``jobs``: the jobs and their crontab lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from adapters._bases.errors import ConfigurationError
from adapters._bases.tehran_time import hour_start, in_tehran
from adapters.system.crontab import Crontab
from commands.screen import say, show_table, tell
from configurations.config import (
    ENV_FILE,
    PROJECT_ROOT,
    load_settings,
    network_variables,
    only_set_here,
)
from crons.exits import DONE
from crons.install import (
    BACKUP,
    BACKUP_SCHEDULE,
    HEAL_SCHEDULE,
    CrontabChange,
    heal_of,
    next_run,
    read_schedules,
    remove_cron,
    setup_cron,
)
from crons.job import Needed
from crons.registry import JOBS, find_job
from crons.resources import system_clock


def show() -> int:
    """Print the jobs with their crontab lines, and return the exit code."""
    tasks = []
    for name, job in JOBS.items():
        tasks.append((name, job.summary, job.schedule, name))
        if job.backfill is not None:
            tasks.append((heal_of(name), "fill its missing hours", HEAL_SCHEDULE, f"{name} --heal"))
    tasks.append((BACKUP, "copy every table to backups/", BACKUP_SCHEDULE, "--backup"))
    crontab = Crontab()
    schedules = read_schedules(crontab, checkout=PROJECT_ROOT, tasks=[task for task, *_ in tasks])
    rows = []
    for task, summary, usual, arguments in tasks:
        installed = schedules.installed.get(task)
        absent = "not known" if schedules.unknown else f"no: ./run.sh setup_cron {arguments}"
        rows.append((task, summary, installed or usual, "yes" if installed else absent))
    show_table(("job", "what it does", "schedule", "installed"), rows)
    if not crontab.is_available():
        say("there is no crontab command on this machine: apt-get install cron")
    if schedules.unknown:
        say(f"installed lines not known: {schedules.unknown.message}")
    return DONE


def install(name: str, *, schedule: str | None, heal: bool, backup: bool, dry_run: bool) -> int:
    """Install a job's line, its heal's, or that of backups, and return the exit code. Idempotent.

    Warns about what cron's own environment lacks.

    Raises:
        ConfigurationError: the job is unknown, or the schedule is invalid.
        StateError: the crontab cannot be read or written.
    """
    job = find_job(name, with_past=heal)
    if schedule is None:
        schedule = BACKUP_SCHEDULE if backup else HEAL_SCHEDULE if heal else job.schedule
    change = setup_cron(
        Crontab(),
        checkout=PROJECT_ROOT,
        # Its links not resolved: as .venv/bin/python it finds the installed packages.
        python=Path(sys.executable),
        job=_task(name, heal=heal, backup=backup),
        schedule=schedule,
        now=in_tehran(system_clock()),
        dry_run=dry_run,
    )
    _show(change, dry_run=dry_run)
    now = system_clock()
    start = next_run(schedule, now)
    times = f"{start:%Y-%m-%d %H:%M} on this host's clock, {in_tehran(start):%Y-%m-%d %H:%M} in Tehran"
    say(f"cron {'would start' if dry_run and change.is_change else 'starts'} it next at {times}")
    if (late := in_tehran(start).minute) and not heal and not backup:
        # On a UTC host Tehran's hours begin at half past.
        begins = hour_start(now).astimezone().minute
        say(f'that is {late} minutes into the Tehran hour; for its beginning: --schedule "{begins} * * * *"')
    for warning in _lacking_under_cron(job.past_needs if heal else None):
        tell(f"warning: {warning}")
    return DONE


def remove(name: str, *, heal: bool, backup: bool, dry_run: bool) -> int:
    """Remove a job's line, its heal's, or that of backups, and return the exit code. Idempotent."""
    find_job(name)
    task = _task(name, heal=heal, backup=backup)
    change = remove_cron(Crontab(), checkout=PROJECT_ROOT, job=task, now=in_tehran(system_clock()), dry_run=dry_run)
    _show(change, dry_run=dry_run)
    return DONE


def _task(name: str, *, heal: bool, backup: bool) -> str:
    if heal and backup:
        raise ConfigurationError("--heal and --backup are separate lines", next_step="give one of them at a time")
    return BACKUP if backup else heal_of(name) if heal else name


def _lacking_under_cron(needed: Needed | None) -> Iterator[str]:
    """Settings that the line needs and cron does not see: only ``.env`` applies there, not this shell's environment."""
    try:
        settings = load_settings(environment={})
    except ConfigurationError as error:
        yield f"runs under cron will fail: {'; '.join(error.message.splitlines())}; {error.next_step}"
        return
    missing = {needed.variable} if needed and not getattr(settings, needed.variable.lower()) else set()
    if needed and missing:
        yield f"{needed.variable} is not set where cron sees it, so every heal will fail: set it in {ENV_FILE}"
    unseen: list[str] = []
    with suppress(ConfigurationError):  # of variables that cron does not see
        names = only_set_here(settings)
        unseen = [name for name in names if name not in missing]
    if unseen:
        yield f"cron will not see {', '.join(unseen)}, set in this shell's environment alone: set it in {ENV_FILE}"
    if proxies := network_variables():
        yield f"cron will not see {', '.join(proxies)}: set it where cron reads it, such as /etc/environment"


def _show(change: CrontabChange, *, dry_run: bool) -> None:
    if not change.is_change:
        say("the crontab is already up to date")
        return
    say(change.diff())
    say("dry run: nothing was changed" if dry_run else f"done; the previous crontab is in {change.backup}")
