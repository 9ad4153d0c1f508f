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
from crons.install import BACKUP, CrontabChange, Schedules, heal_of, read_schedules, remove_cron, setup_cron
from crons.job import Needed
from crons.registry import JOBS, find_job
from crons.resources import system_clock
from crons.schedule import BACKUP_SCHEDULE, HEAL_SCHEDULE, next_run


def show() -> int:
    """Print the jobs with their crontab lines, and return the exit code."""
    crontab = Crontab()
    every = [*(task for name in JOBS for task in (name, heal_of(name))), BACKUP]
    schedules = read_schedules(crontab, checkout=PROJECT_ROOT, tasks=every)
    rows = []
    for name, job in JOBS.items():
        tasks = [(name, job.summary, job.schedule, "")]
        if job.backfill is not None:
            tasks.append((heal_of(name), "its missing hours, filled", HEAL_SCHEDULE, " --heal"))
        rows += [_row(schedules, task, summary, usual, f"{name}{options}") for task, summary, usual, options in tasks]
    rows.append(_row(schedules, BACKUP, "every table, copied to backups/", BACKUP_SCHEDULE, "--backup"))
    show_table(("job", "what it does", "schedule", "installed"), rows)
    if not crontab.is_available():
        say("there is no crontab command on this machine: apt-get install cron")
    if schedules.unknown:
        say(f"what is installed is not known: {schedules.unknown.message}")
    return DONE


def _row(schedules: Schedules, task: str, summary: str, usual: str, arguments: str) -> tuple[str, str, str, str]:
    schedule = schedules.installed.get(task)
    absent = "not known" if schedules.unknown else f"no: ./run.sh setup_cron {arguments}"
    return task, summary, schedule or usual, "yes" if schedule else absent


CHECKOUT = Path(__file__).resolve().parents[2]


def install(name: str, *, schedule: str | None, heal: bool, backup: bool, dry_run: bool) -> int:
    """Install a job's line, the daily one that heals it, or that of backups, and return the exit code. Idempotent.

    Warns of what the line will lack when cron starts it, in an environment of its own.

    Raises:
        ConfigurationError: the job is unknown, or cron does not know such a schedule.
        StateError: the crontab cannot be read or written.
    """
    job = find_job(name, with_past=heal)
    usual = BACKUP_SCHEDULE if backup else HEAL_SCHEDULE if heal else job.schedule
    change = setup_cron(
        Crontab(),
        checkout=CHECKOUT,
        # Its links not resolved: as .venv/bin/python it finds what the set-up installed.
        python=Path(sys.executable),
        job=_task(name, heal=heal, backup=backup),
        schedule=usual if schedule is None else schedule,
        now=in_tehran(system_clock()),
        dry_run=dry_run,
    )
    _show(change, dry_run=dry_run)
    _tell_next(usual if schedule is None else schedule, takes_prices=not heal and not backup)
    for warning in _lacking_under_cron(job.past_needs if heal else None):
        tell(f"warning: {warning}")
    return DONE


def remove(name: str, *, heal: bool, backup: bool, dry_run: bool) -> int:
    """Remove a job's line, the one that heals it, or that of backups, and return the exit code. Idempotent."""
    find_job(name)
    job = _task(name, heal=heal, backup=backup)
    change = remove_cron(Crontab(), checkout=CHECKOUT, job=job, now=in_tehran(system_clock()), dry_run=dry_run)
    _show(change, dry_run=dry_run)
    return DONE


def _task(name: str, *, heal: bool, backup: bool) -> str:
    if heal and backup:
        raise ConfigurationError("--heal and --backup are lines of their own", next_step="give one of them at a time")
    return BACKUP if backup else heal_of(name) if heal else name


def _tell_next(schedule: str, *, takes_prices: bool) -> None:
    """Say when cron starts the line, on both clocks: on a UTC host Tehran's hours begin at half past."""
    now = system_clock()
    start = next_run(schedule, now)
    form = "%Y-%m-%d %H:%M"
    say(f"cron starts it next at {start:{form}} on this host's clock, {in_tehran(start):{form}} in Tehran")
    late = in_tehran(start).minute
    if takes_prices and late:
        begins = hour_start(now).astimezone().minute
        say(f'that is {late} minutes into the Tehran hour; for its beginning: --schedule "{begins} * * * *"')


def _lacking_under_cron(needed: Needed | None) -> Iterator[str]:
    """What the line will lack: cron does not have this shell's environment, so only ``.env`` counts.

    Args:
        needed: what it cannot do without.
    """
    try:
        settings = load_settings(environment={})
    except ConfigurationError as error:
        yield f"what cron starts will fail: {'; '.join(error.message.splitlines())}; {error.next_step}"
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
        yield f"cron will not see {', '.join(proxies)}: set it where your cron takes it from, such as /etc/environment"


def _show(change: CrontabChange, *, dry_run: bool) -> None:
    if not change.is_change:
        say("the crontab already says so: nothing was changed")
        return
    say(change.diff())
    say("dry run: nothing was changed" if dry_run else f"done; the previous crontab is kept in {change.backup}")
