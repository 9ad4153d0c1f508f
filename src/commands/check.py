"""``check``: everything the jobs in use need, one row each."""

from __future__ import annotations

import asyncio
import os
import platform
import shlex
import stat
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from pathlib import Path

import psutil

from adapters._bases.errors import EtlError, LockHeldError
from adapters._bases.hourly_repository import HourlyRepository
from adapters._bases.hourly_table import OLDEST_VERSION
from adapters.clickhouse.etl_runs_clickhouse_adapter import EtlRunsAdapter
from adapters.files.spool import Spool
from adapters.system.crontab import Crontab
from commands.screen import SHORT_WAIT_SECONDS, settings_with_log, show_findings, stale_groups
from configurations.config import ENV_FILE, PROJECT_ROOT, SETTINGS, Settings, load_settings, nearly_right
from crons import MAIN_JOB
from crons.exits import DONE, FAILED
from crons.install import Schedules, read_schedules
from crons.job import Finding, Job, JobContext
from crons.registry import JOBS
from crons.resources import Resources, interactive_timeouts, system_clock
from crons.start_up import REMEDY

_CRON_DAEMONS = {"cron", "crond", "cronie", "fcron", "busybox", "systemd-cron"}


def failed(subject: str, error: EtlError) -> Finding:
    """An expected error as a finding."""
    return Finding(subject, "fail", " ".join(error.message.split()), error.next_step)


def check_python() -> Finding:
    """Whether this Python is one that the program is tested on."""
    good = (3, 10) <= sys.version_info[:2] <= (3, 13)
    return Finding(
        "Python",
        "ok" if good else "fail",
        f"{platform.python_version()} ({sys.executable})",
        "" if good else "install Python 3.10 to 3.13, then PYTHON=python3.12 ./run.sh install",
    )


def check_set_up(stale: Collection[str]) -> Finding:
    """Whether what is installed is what the checkout asks for.

    Args:
        stale: requirements files that have changed since.
    """
    if not stale:
        return Finding("set-up", "ok", f"installed in {sys.prefix}")
    return Finding("set-up", "warn", f"older than {', '.join(stale)}: cron's next run may lack a package", REMEDY)


def check_env_file(path: Path, known: Collection[str]) -> list[Finding]:
    """Whether others on this host can read or change ``.env``, and whether a name in it was probably mistyped.

    Args:
        path: of the file, which is valid or absent.
        known: the names of the settings.
    """
    if not path.exists():
        return [Finding(".env", "ok", "none: defaults and the environment apply", "cp env.example .env to change them")]
    found = [
        Finding(".env", "warn", f"there is no setting {name}", f"did you mean {meant}?")
        for name, meant in nearly_right(path, known).items()
    ]
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return [
            Finding(
                ".env",
                "warn",
                "valid, but others on this host can read or change it",
                f"chmod 600 {shlex.quote(str(path))}",
            ),
            *found,
        ]
    return [Finding(".env", "ok", "valid, readable by its owner only"), *found]


def check_folders(folders: Iterable[Path]) -> list[Finding]:
    """Whether this user can write where the program does; a folder that is not there yet is made when it is needed."""
    stuck = [folder for folder in folders if not os.access(_nearest(folder), os.W_OK | os.X_OK)]
    if not stuck:
        return [Finding("folders", "ok", "data, logs, backups and reports can be written")]
    return [
        Finding("folders", "fail", f"{folder} cannot be written by this user", f"see who owns {_nearest(folder)}")
        for folder in stuck
    ]


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there; one whose name no disk can hold is not."""
    return next(path for path in (folder, *folder.parents) if os.path.exists(path))  # noqa: PTH110 - Path.exists raises


def check_crontab(crontab: Crontab, schedules: Schedules) -> list[Finding]:
    """Whether there is a crontab command, and for each job whether its line is installed, as far as that is known."""
    if not crontab.is_available():
        return [Finding("crontab", "warn", "there is no crontab command", "apt-get install cron")]
    found = [_check_daemon()]
    if error := schedules.unknown:
        return [*found, Finding("crontab", "warn", f"not known: {error.message}", error.next_step)]
    for job in sorted(JOBS):
        if schedule := schedules.installed.get(job):
            found.append(Finding(f"job {job}", "ok", f"installed: {schedule}"))
        else:
            found.append(Finding(f"job {job}", "warn", "not installed in the crontab", f"./run.sh setup_cron {job}"))
    return found


def _check_daemon() -> Finding:
    """Whether a cron daemon runs, as far as this user can see: without one no line of a crontab does anything."""
    names = {process.info["name"] for process in psutil.process_iter(["name"])}
    if names & _CRON_DAEMONS:
        return Finding("crontab", "ok", "cron runs")
    return Finding("crontab", "warn", "no cron daemon is seen to run", "service cron start")


def check_spool(subject: str, job: str, spool: Spool) -> list[Finding]:
    """What waits in a spool of a job: files that the job's next run loads, and damaged ones that need a person.

    Raises:
        StateError: it cannot be read.
    """
    found = []
    if waiting := spool.waiting():
        found.append(Finding(subject, "warn", f"{len(waiting)} files wait to be stored", f"./run.sh cron_run {job}"))
    found.extend(
        Finding(
            subject, "warn", f"waits, and is damaged: {path}: {damage}", "the next run sets it aside, or says why not"
        )
        for path, _, damage in map(spool.read, waiting)
        if damage is not None
    )
    found.extend(
        Finding(subject, "warn", f"damaged: {path}", f"see {path.name}.reason beside it, then remove both")
        for path in spool.rejected()
    )
    return found


def check() -> int:
    """Look, show, and give the exit code: 1 if a job cannot do without something that is missing."""
    findings = list(_findings())
    show_findings(findings, no_color=_no_color())
    return FAILED if any(finding.state == "fail" for finding in findings) else DONE


def _no_color() -> bool:
    """Whether the settings want no colours; settings that are wrong, a finding themselves, leave that to the screen."""
    try:
        return bool(load_settings().no_color)
    except EtlError:
        return False


def _findings() -> Iterator[Finding]:
    yield check_python()
    yield check_set_up(stale_groups())
    crontab = Crontab()
    schedules = read_schedules(crontab, checkout=PROJECT_ROOT, tasks=JOBS)
    try:
        settings = interactive_timeouts(settings_with_log())
    except EtlError as error:
        for line in error.message.splitlines():
            yield Finding("settings", "fail", line, error.next_step)
    else:
        yield from check_env_file(ENV_FILE, {name.upper() for name in SETTINGS})
        yield from check_folders(
            [settings.data_path, *(PROJECT_ROOT / name for name in ("logs", "backups", "reports"))]
        )
        # A job that is not run needs nothing; before any line is installed the main one is meant.
        for name in [job for job in JOBS if job in schedules.installed] or [MAIN_JOB]:
            yield from _of_job(name, JOBS[name], settings)
    yield from check_crontab(crontab, schedules)


def _of_job(name: str, job: Job, settings: Settings) -> Iterator[Finding]:
    with Resources(settings, task="check", clock=system_clock, wait_seconds=SHORT_WAIT_SECONDS) as parts:
        yield from _or_failed("ClickHouse", lambda: _of_database(job.repository_in(parts), parts.runs))
        yield from _or_failed(job.source, lambda: [asyncio.run(job.check(JobContext.begin(name, job, parts)))])
        for subject, spool in ((f"spool {name}", parts.spool(name)), (f"history {name}", parts.history_spool(name))):
            yield from _or_failed(subject, partial(check_spool, subject, name, spool))


def _of_user(table: HourlyRepository, runs: EtlRunsAdapter) -> list[Finding]:
    """What the database's user may do and set, of what a run does and asks for."""
    found = [
        Finding("settings", "ok", f"the profile keeps {name} = {value}, and a run works within it")
        for name, value in table.kept_settings().items()
    ] or [Finding("settings", "ok", "the profile allows all that a run asks for")]
    lacks = table.lacking_rights(runs.wanted_rights())
    if lacks is None:
        return [*found, Finding("rights", "ok", "not looked at: this version of ClickHouse has no CHECK GRANT")]
    found += [Finding("rights", "fail", f"the user lacks {right}", next_step) for right, next_step in lacks]
    return found if lacks else [*found, Finding("rights", "ok", "the user has all that a run needs")]


def _of_database(table: HourlyRepository, runs: EtlRunsAdapter) -> list[Finding]:
    server = Finding("ClickHouse", "ok", table.describe_server())
    if table.is_old():
        oldest = ".".join(map(str, OLDEST_VERSION))
        server = server._replace(state="warn", next_step=f"not tried below {oldest}: upgrade ClickHouse")
    topology = Finding("topology", "ok", table.describe_topology())
    return [server, topology, *_of_user(table, runs), *_or_failed("table", lambda: _of_table(table))]


def _of_table(table: HourlyRepository) -> list[Finding]:
    if not table.table_exists():
        return [Finding("table", "warn", f"{table.name} is not there yet", "./run.sh setup_db")]
    stuck = [Finding("table", "warn", f"stuck mutation: {mutation}") for mutation in table.stuck_mutations()]
    return [Finding("table", "ok", f"{table.name}, {table.count_rows()} rows"), *stuck]


def _or_failed(subject: str, look: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return look()
    except LockHeldError as error:
        return [Finding(subject, "warn", f"in use, so not looked into: {error.message}", error.next_step)]
    except EtlError as error:
        return [failed(subject, error)]
