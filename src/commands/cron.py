"""``setup_cron``, ``remove_cron`` and ``jobs``: the jobs and their crontab lines."""

from __future__ import annotations

import sys
from pathlib import Path

from adapters._bases.tehran_time import hour_start, in_tehran
from adapters.system.crontab import Crontab
from commands.screen import say, show_table, tell
from configurations.config import PROJECT_ROOT, load_settings
from crons.exits import DONE
from crons.install import CrontabChange, heal_of, installed_schedule, remove_cron, setup_cron
from crons.parts import system_clock
from crons.registry import JOBS, find_job, find_job_with_past
from crons.schedule import HEAL_SCHEDULE, next_run


def show() -> int:
    """Show the registry; the exit code.

    Raises:
        StateError: the crontab cannot be read.
    """
    crontab = Crontab()
    current = crontab.read() if crontab.is_available() else ""
    rows = []
    for name, job in JOBS.items():
        tasks = [(name, job.summary, job.schedule, "")]
        if job.backfill is not None:
            tasks.append((heal_of(name), "its missing hours, filled", HEAL_SCHEDULE, " --heal"))
        for task, summary, usual, options in tasks:
            schedule = installed_schedule(current, checkout=PROJECT_ROOT, job=task)
            installed = "yes" if schedule else f"no: ./run.sh setup_cron {name}{options}"
            rows.append((task, summary, schedule or usual, installed))
    show_table(("job", "what it does", "schedule", "installed"), rows)
    if not crontab.is_available():
        say("there is no crontab command on this machine: apt-get install cron")
    return DONE


CHECKOUT = Path(__file__).resolve().parents[2]


def install(name: str, *, schedule: str | None, heal: bool, dry_run: bool) -> int:
    """Install a job's line, or the daily one that heals it; the exit code. Harmless to repeat.

    Raises:
        ConfigurationError: no such job, a schedule that cron does not know, or, for a heal, wrong settings.
        StateError: the crontab cannot be read or written.
    """
    job = find_job_with_past(name) if heal else find_job(name)
    lacking = job.lacks(load_settings()) if heal else None
    usual = HEAL_SCHEDULE if heal else job.schedule
    change = setup_cron(
        Crontab(),
        checkout=CHECKOUT,
        # Its links not resolved: as .venv/bin/python it finds what the set-up installed.
        python=Path(sys.executable),
        job=heal_of(name) if heal else name,
        schedule=usual if schedule is None else schedule,
        now=in_tehran(system_clock()),
        dry_run=dry_run,
    )
    _show(change, dry_run=dry_run)
    _tell_next(usual if schedule is None else schedule, takes_prices=not heal)
    if lacking:
        tell(f"warning: {lacking.variable} is not set, so every heal will fail: set it in .env")
    return DONE


def remove(name: str, *, heal: bool, dry_run: bool) -> int:
    """Remove a job's line, or the one that heals it; the exit code. Harmless to repeat."""
    find_job(name)
    job = heal_of(name) if heal else name
    change = remove_cron(Crontab(), checkout=CHECKOUT, job=job, now=in_tehran(system_clock()), dry_run=dry_run)
    _show(change, dry_run=dry_run)
    return DONE


def _tell_next(schedule: str, *, takes_prices: bool) -> None:
    """Say when cron starts the line, on both clocks: Tehran's hours begin at half past on a host whose zone is UTC."""
    now = system_clock()
    start = next_run(schedule, now)
    form = "%Y-%m-%d %H:%M"
    say(f"cron starts it next at {start:{form}} on this host's clock, {in_tehran(start):{form}} in Tehran")
    late = in_tehran(start).minute
    if takes_prices and late:
        begins = hour_start(now).astimezone().minute
        say(f'that is {late} minutes into the Tehran hour; for its beginning: --schedule "{begins} * * * *"')


def _show(change: CrontabChange, *, dry_run: bool) -> None:
    if not change.is_change:
        say("the crontab is so already: nothing was changed")
        return
    say(change.diff())
    say("dry run: nothing was changed" if dry_run else f"done; the crontab of before is kept in {change.backup}")
