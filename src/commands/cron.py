"""``setup_cron``, ``remove_cron`` and ``jobs``: the jobs and their crontab lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from difflib import unified_diff
from pathlib import Path

from adapters._bases.errors import ConfigurationError
from adapters._bases.tehran_time import in_tehran
from adapters._bases.wording import counted
from adapters.system.crontab import START_CRON, has_crontab
from commands.screen import say, say_json, show_table, tell
from configurations.config import ENV_FILE, PROJECT_ROOT, SETTINGS, load_settings, network_variables, usable_settings
from crons import install
from crons.exits import DONE
from crons.job import Job
from crons.registry import JOBS, find_job
from crons.resources import require_owner, system_clock

_DAILY_WORDS = {install.BACKUP: "copy every table to backups/", install.WATCH: "report what needs attention"}


def jobs(*, as_json: bool) -> int:
    now, tasks = system_clock(), []
    for name, job in JOBS.items():
        tasks.append((name, job.summary, install.hourly_schedule(now), name))
        if job.backfill is not None:
            tasks.append((install.heal_of(name), "fill its missing hours", install.HEAL_SCHEDULE, f"{name} --heal"))
    tasks += [(task, words, install.DAILY[task], f"--{task}") for task, words in _DAILY_WORDS.items()]
    found = install.read_schedules(PROJECT_ROOT)
    rows = []
    for task, summary, usual, arguments in tasks:
        installed = None if found.unknown else task in found.installed
        rows.append((task, summary, found.installed.get(task, usual), installed, f"./run.sh setup_cron {arguments}"))
    if as_json:
        names = ("name", "summary", "schedule", "installed", "install")
        jobs = [dict(zip(names, row, strict=True)) for row in rows]
        say_json(now, crontab_not_known=found.unknown and found.unknown.message, jobs=jobs)
        return DONE
    words = {True: "yes", False: "no", None: "not known"}
    show_table(("job", "what it does", "schedule", "installed"), [(*row[:3], words[row[3]]) for row in rows])
    if missing := [f"  {row[4]}" for row in rows if row[3] is False]:
        say("\n".join(["", "to install", *missing]))
    if not has_crontab():
        say("there is no crontab command on this machine: apt-get install cron")
    if found.unknown:
        say(f"installed lines not known: {found.unknown.message}")
    return DONE


def setup_cron(name: str, *, schedule: str | None, heal: bool, backup: bool, watch: bool, dry_run: bool) -> int:
    now = system_clock()
    task = _task(name, heal=heal, backup=backup, watch=watch)
    job = find_job(name, with_past=heal)
    usual = install.DAILY.get(task) or (install.HEAL_SCHEDULE if heal else install.hourly_schedule(now))
    found = install.read_schedules(PROJECT_ROOT)
    if schedule is None:
        schedule = found.installed.get(task, usual)
    # The links of the path are not resolved: as .venv/bin/python it finds the installed packages.
    line = install.crontab_line(task, schedule, checkout=PROJECT_ROOT, python=Path(sys.executable))
    changed = _change(task, line, dry_run=dry_run)
    start = install.next_run(schedule, now)
    times = f"{start:%Y-%m-%d %H:%M} on this host's clock, {in_tehran(start):%Y-%m-%d %H:%M} in Tehran"
    say(f"cron {'would start' if dry_run and changed else 'starts'} it next at {times}")
    if task == name:
        begins, late = install.hourly_schedule(now), in_tehran(start).minute
        tip = f'{counted(late, "minute")} into the Tehran hour; for its beginning: --schedule "{begins}"'
        zone = f"minute {begins.split()[0]} on this host's clock ({now.astimezone():%Z})"
        say(f"that is {tip}" if late else f"that is when an hour begins in Tehran, {zone}")
    for warning in _lacking_under_cron(job if heal else None):
        tell(f"warning: {warning}")
    if not found.cron_runs:
        tell(f"warning: no cron daemon runs, so cron starts nothing: {START_CRON}")
    return DONE


def remove_cron(name: str, *, heal: bool, backup: bool, watch: bool, everything: bool, dry_run: bool) -> int:
    find_job(name)
    _change(None if everything else _task(name, heal=heal, backup=backup, watch=watch), None, dry_run=dry_run)
    return DONE


def _task(name: str, **chosen: bool) -> str:
    names = [one for one, given in chosen.items() if given]
    if len(names) > 1:
        words = " and ".join(f"--{one}" for one in names)
        raise ConfigurationError(f"{words} are separate lines", next_step="give one of them at a time")
    return name if not names else install.heal_of(name) if names == ["heal"] else names[0]


def _change(task: str | None, line: str | None, *, dry_run: bool) -> bool:
    """Install or remove the line, and show the change; whether there is one."""
    if not dry_run:
        require_owner(usable_settings())
    before, after, backup = install.change_crontab(
        task, line, checkout=PROJECT_ROOT, now=system_clock(), dry_run=dry_run
    )
    if before == after:
        say("the crontab is already up to date")
        return False
    texts = before.split("\n"), after.split("\n")
    say("\n".join(unified_diff(*texts, "crontab", "crontab", "before", "after", n=0, lineterm="")))
    say("dry run: nothing was changed" if dry_run else f"done; the previous crontab is in {backup}")
    return True


def _lacking_under_cron(healed: Job | None) -> Iterator[str]:
    """Settings that the line needs and cron does not see: only ``.env`` applies there, not this shell's environment."""
    try:
        settings = load_settings(environment={})
    except ConfigurationError as error:
        yield f"runs under cron will fail: {'; '.join(error.message.splitlines())}; {error.next_step}"
        return
    missing = healed.lacks(settings)[0] if healed else ""
    if missing:
        yield f"{missing} is not set where cron sees it, so every heal will fail: set it in {ENV_FILE}"
    with suppress(ConfigurationError):  # of variables that cron does not see
        here = load_settings()
        unseen = [name.upper() for name in SETTINGS if getattr(here, name) != getattr(settings, name)]
        if unseen := [name for name in unseen if name != missing]:
            yield f"cron will not see {', '.join(unseen)}, set in this shell's environment alone: set it in {ENV_FILE}"
    if proxies := network_variables():
        yield f"cron will not see {', '.join(proxies)}: set it where cron reads it, such as /etc/environment"
