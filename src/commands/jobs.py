"""``jobs``: what can be run, scheduled and healed."""

from __future__ import annotations

from adapters.system.crontab import Crontab
from commands.screen import say, show_table
from configurations.config import PROJECT_ROOT
from crons.edge import DONE
from crons.install import heal_of, installed_schedule
from crons.registry import JOBS
from crons.schedule import HEAL_SCHEDULE


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
        if job.past:
            tasks.append((heal_of(name), "its missing hours, filled", HEAL_SCHEDULE, " --heal"))
        for task, summary, usual, options in tasks:
            schedule = installed_schedule(current, checkout=PROJECT_ROOT, job=task)
            installed = "yes" if schedule else f"no: ./run.sh setup_cron {name}{options}"
            rows.append((task, summary, schedule or usual, installed))
    show_table(("job", "what it does", "schedule", "installed"), rows)
    if not crontab.is_available():
        say("there is no crontab command on this machine: apt-get install cron")
    return DONE
