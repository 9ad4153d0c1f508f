"""``setup_cron``, ``remove_cron`` and ``jobs``: the jobs and their crontab lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from difflib import unified_diff
from pathlib import Path

from adapters._bases.errors import ConfigurationError
from adapters._bases.tehran_time import hour_start, in_tehran
from adapters.system.crontab import has_crontab
from commands.screen import say, show_table, tell
from configurations.config import ENV_FILE, PROJECT_ROOT, load_settings, network_variables, only_set_here
from crons.exits import DONE
from crons.install import (
    BACKUP,
    BACKUP_SCHEDULE,
    HEAL_SCHEDULE,
    change_crontab,
    crontab_line,
    heal_of,
    next_run,
    read_schedules,
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
    schedules = read_schedules(PROJECT_ROOT)
    rows = []
    for task, summary, usual, arguments in tasks:
        installed = schedules.installed.get(task)
        absent = "not known" if schedules.unknown else f"no: ./run.sh setup_cron {arguments}"
        rows.append((task, summary, installed or usual, "yes" if installed else absent))
    show_table(("job", "what it does", "schedule", "installed"), rows)
    if not has_crontab():
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
    task = _task(name, heal=heal, backup=backup)
    # The links of the path are not resolved: as .venv/bin/python it finds the installed packages.
    line = crontab_line(task, schedule, checkout=PROJECT_ROOT, python=Path(sys.executable))
    changed = _change(task, line, dry_run=dry_run)
    now = system_clock()
    start = next_run(schedule, now)
    times = f"{start:%Y-%m-%d %H:%M} on this host's clock, {in_tehran(start):%Y-%m-%d %H:%M} in Tehran"
    say(f"cron {'would start' if dry_run and changed else 'starts'} it next at {times}")
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
    _change(_task(name, heal=heal, backup=backup), None, dry_run=dry_run)
    return DONE


def _task(name: str, *, heal: bool, backup: bool) -> str:
    if heal and backup:
        raise ConfigurationError("--heal and --backup are separate lines", next_step="give one of them at a time")
    return BACKUP if backup else heal_of(name) if heal else name


def _change(task: str, line: str | None, *, dry_run: bool) -> bool:
    """Install or remove the line, and show the change; whether there is one."""
    now = in_tehran(system_clock())
    before, after, backup = change_crontab(task, line, checkout=PROJECT_ROOT, now=now, dry_run=dry_run)
    if before == after:
        say("the crontab is already up to date")
        return False
    texts = before.split("\n"), after.split("\n")
    say("\n".join(unified_diff(*texts, "crontab", "crontab", "before", "after", n=0, lineterm="")))
    say("dry run: nothing was changed" if dry_run else f"done; the previous crontab is in {backup}")
    return True


def _lacking_under_cron(needed: Needed | None) -> Iterator[str]:
    """Settings that the line needs and cron does not see: only ``.env`` applies there, not this shell's environment."""
    try:
        settings = load_settings(environment={})
    except ConfigurationError as error:
        yield f"runs under cron will fail: {'; '.join(error.message.splitlines())}; {error.next_step}"
        return
    missing = needed.variable if needed and not getattr(settings, needed.variable.lower()) else None
    if missing:
        yield f"{missing} is not set where cron sees it, so every heal will fail: set it in {ENV_FILE}"
    with suppress(ConfigurationError):  # of variables that cron does not see
        if unseen := [name for name in only_set_here(settings) if name != missing]:
            yield f"cron will not see {', '.join(unseen)}, set in this shell's environment alone: set it in {ENV_FILE}"
    if proxies := network_variables():
        yield f"cron will not see {', '.join(proxies)}: set it where cron reads it, such as /etc/environment"
