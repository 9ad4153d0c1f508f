"""``check``: the prerequisites of the jobs in use, one row each; ``config``: the settings; ``verify``: the rows."""

from __future__ import annotations

import asyncio
import os
import platform
import shlex
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from adapters._bases.durable import check_writable, fix_for, sync_folder, write
from adapters._bases.errors import EtlError, LockHeldError, StorageRejected
from adapters._bases.hourly_repository import HourlyRepository
from adapters._bases.wording import counted
from adapters.files.spool import Spool
from adapters.system.crontab import START_CRON, has_crontab
from commands.compare import compared_sources
from commands.screen import mention, say, settings_with_log, show_findings, show_table, stale_groups
from configurations.config import ENV_FILE, LOOPBACK, PROJECT_ROOT, Settings, load_settings, nearly_right, origins
from crons.exits import DONE, FAILED
from crons.inspection import ttl_finding, verify_table
from crons.install import Schedules, read_schedules
from crons.job import Finding, Job, JobContext, Request, State
from crons.registry import JOBS, MAIN_JOB
from crons.resources import Resources, interactive_timeouts, system_clock
from crons.start_up import REMEDY

_OLDEST_VERSION = (24, 8)  # of ClickHouse that is supported
_LITTLE_BYTES, _TOO_LITTLE_BYTES = 500 * 10**6, 50 * 10**6


def check(*, as_json: bool) -> int:
    findings = list(dict.fromkeys(_findings()))  # jobs share some of them
    states = [finding.state for finding in findings]
    failed = states.count("fail")
    show_findings(findings, as_json=as_json, ready=not failed)
    if not as_json:
        say(f"{failed:,} failed, {counted(states.count('warn'), 'warning')}" if failed else "ready")
    return FAILED if failed else DONE


def config() -> int:
    show_table(("setting", "value", "origin"), origins())
    load_settings()
    return DONE


def verify(*, as_json: bool, quiet: bool) -> int:
    settings = settings_with_log(quiet=quiet, needs_database=True)
    findings, now = list[Finding](), system_clock()
    with Resources(settings, task="verify", briefly=True) as resources:
        for name, job in JOBS.items():
            table = resources.repository(job.repository)
            # Few users run every job.
            if not table.has_table() or (name != MAIN_JOB and not table.count_rows()):
                continue
            mention(f"checking the stored prices of {name}")
            prefix = "" if name == MAIN_JOB else f"{table.table.name}: "
            found = verify_table(JobContext(Request(name), job, resources))
            findings += [one._replace(subject=f"{prefix}{one.subject}") for one in found]
        if not findings:
            raise StorageRejected("there are no prices yet", next_step="run `./run.sh setup_db`, then cron_run")
        findings += compared_sources(resources, now)
    wrong = [finding for finding in findings if finding.state == "fail"]
    if shown := wrong if quiet and not as_json else findings:
        show_findings(shown, as_json=as_json)
    if not quiet and not as_json:
        say(f"{len(wrong)} of {len(findings)} checks found errors" if wrong else "no errors")
    return FAILED if wrong else DONE


def _findings() -> Iterator[Finding]:
    yield Finding("Python", "ok", f"{platform.python_version()} ({sys.executable})")
    if stale := ", ".join(stale_groups()):
        yield Finding("set-up", "warn", f"older than {stale}: cron's next run may lack a package", REMEDY)
    else:
        yield Finding("set-up", "ok", f"installed in {sys.prefix}")
    schedules = read_schedules(PROJECT_ROOT)
    in_use = [name for name in JOBS if name in schedules.installed]
    try:
        settings = interactive_timeouts(settings_with_log(quiet=True))
    except EtlError as error:
        yield from [Finding("settings", "fail", line, error.next_step) for line in error.message.splitlines()]
    else:
        yield from _of_env_file()
        yield from _of_folders(settings)
        yield from _of_disks(settings)
        with Resources(settings, task="check", briefly=True) as resources:
            # Every run leaves the folder of its history; before the first run only the main job is meant.
            ran = {name for name in JOBS if resources.history_spool(name).folder.exists()}
            in_use = [name for name in JOBS if name in ran or name in schedules.installed] or [MAIN_JOB]
            for name in in_use:
                yield from _of_job(name, JOBS[name], resources)
    yield from _of_crontab(schedules, in_use or [MAIN_JOB])


def _of_job(name: str, job: Job, resources: Resources) -> Iterator[Finding]:
    yield from _or_failed("ClickHouse", partial(_of_database, resources.repository(job.repository), resources))
    context = JobContext(Request(name), job, resources)
    yield from _or_failed(job.source, lambda: [asyncio.run(job.check(context))])
    if look := job.check_symbols:
        yield from _or_failed("symbols", lambda: [asyncio.run(look(context))])
    for subject, spool in {"spool": resources.spool(name), "history": resources.history_spool(name)}.items():
        yield from _or_failed(f"{subject} {name}", partial(_of_spool, f"{subject} {name}", name, spool))


def _of_crontab(schedules: Schedules, jobs: Sequence[str]) -> Iterator[Finding]:
    if not has_crontab():
        yield Finding("crontab", "warn", "this host has no crontab command", "apt-get install cron")
        return
    # Without a daemon no line of a crontab has any effect.
    daemon = Finding("crontab", "warn", "no cron daemon runs", START_CRON)
    yield Finding("crontab", "ok", "cron runs") if schedules.cron_runs else daemon
    if error := schedules.unknown:
        yield Finding("crontab", "warn", f"cannot be read: {error.message}", error.next_step)
        return
    for name in jobs:
        if schedule := schedules.installed.get(name):
            yield Finding(f"job {name}", "ok", f"installed: {schedule}")
        else:
            yield Finding(f"job {name}", "warn", "not installed in the crontab", f"./run.sh setup_cron {name}")


def _or_failed(subject: str, look: Callable[[], Iterable[Finding]]) -> Iterable[Finding]:
    try:
        return list(look())
    except LockHeldError as error:
        return [Finding(subject, "warn", f"in use, so not checked: {error.message}", error.next_step)]
    except EtlError as error:
        return [Finding(subject, "fail", " ".join(error.message.split()), error.next_step)]


def _of_env_file() -> Iterator[Finding]:
    if not ENV_FILE.exists():
        yield Finding(".env", "ok", "none: defaults and the environment apply", "cp env.example .env to change them")
        return
    if ENV_FILE.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        step = f"chmod 600 {shlex.quote(str(ENV_FILE))}"
        yield Finding(".env", "warn", "valid, but other users of this host can read or change it", step)
    else:
        yield Finding(".env", "ok", "valid, readable by its owner only")
    for name, meant in nearly_right(ENV_FILE).items():
        yield Finding(".env", "warn", f"unknown setting {name}", f"did you mean {meant}?")


def _of_folders(settings: Settings) -> Sequence[Finding]:
    """Whether this user can write to the program's folders; a missing one is made when it is needed."""
    found, unsafe = [], "a power failure may lose its last files, since fsync of a folder fails there"
    for folder in (settings.data_path, settings.backup_path, PROJECT_ROOT / "logs", PROJECT_ROOT / "reports"):
        try:
            check_writable(_nearest(folder))
            if not sync_folder(_nearest(folder)):
                found.append(Finding("folders", "warn", f"{folder}: {unsafe}"))
        except OSError as error:  # noqa: PERF203 - each wrong folder has a row
            fault = f"{folder} cannot be written: {error.strerror}"
            found.append(Finding("folders", "fail", fault, fix_for(error)))
    return found or [Finding("folders", "ok", "data, logs, backups and reports are writable")]


def _of_disks(settings: Settings) -> Iterator[Finding]:
    """The free space where data and backups are, after a trial write; one row for each disk."""
    data = settings.clickhouse_path if settings.embedded else settings.data_path
    folders = {"data": settings.data_path, "database": data, "backups": settings.backup_path}
    disks: dict[int, list[str]] = {}
    for name, folder in folders.items():
        disks.setdefault(_nearest(folder).stat().st_dev, []).append(name)
    for names in disks.values():
        existing, what = _nearest(folders[names[0]]), ", ".join(names)
        trial, free = existing / f".check-{os.getpid()}", shutil.disk_usage(existing).free
        try:
            write(trial, bytes(8192))
        except OSError as error:
            yield Finding("disk", "fail", f"{what}: {existing}: {error.strerror}", fix_for(error))
        else:
            state: State = "fail" if free < _TOO_LITTLE_BYTES else "warn" if free < _LITTLE_BYTES else "ok"
            step = "" if state == "ok" else f"free space on the disk of {existing}"
            yield Finding("disk", state, f"{free / 1e6:,.0f} MB free for {what}", step)
        with suppress(OSError):
            trial.unlink(missing_ok=True)
    # Where a server elsewhere has its disk does not matter.
    is_local = settings.embedded or settings.clickhouse_host in LOOPBACK
    if is_local and any({"database", "backups"} <= set(names) for names in disks.values()):
        step = "set BACKUP_PATH to a folder on another disk"
        yield Finding("backups", "warn", "on the same disk as the data", step)


def _nearest(folder: Path) -> Path:
    # Path.exists raises for a name that no disk can hold.
    return next(path for path in (folder, *folder.parents) if os.path.exists(path))  # noqa: PTH110


def _of_database(table: HourlyRepository, resources: Resources) -> Iterator[Finding]:
    database = resources.database
    version = resources.retry.call(database.server_version)
    server = Finding("ClickHouse", "ok", f"{database.address}, version {'.'.join(map(str, version))}")
    if version[:2] < _OLDEST_VERSION:
        oldest = ".".join(map(str, _OLDEST_VERSION))
        server = server._replace(state="warn", next_step=f"not tried below {oldest}: upgrade ClickHouse")
    yield server
    yield Finding("topology", "ok", table.describe())
    kept = database.kept_settings()
    for name, value in kept.items():
        yield Finding("settings", "ok", f"the profile keeps {name} = {value}; a run works within it")
    if not kept:
        yield Finding("settings", "ok", "the profile allows all settings of a run")
    wanted = [*table.wanted_rights(), *resources.runs.wanted_rights()]
    missing = resources.retry.call(partial(database.lacking, wanted))
    for right, next_step in (missing or {}).items():
        yield Finding("rights", "fail", f"the user lacks {right}", next_step)
    if not missing:
        unchecked = "not checked: this version of ClickHouse has no CHECK GRANT"
        yield Finding("rights", "ok", unchecked if missing is None else "the user has all rights of a run")
    yield from _or_failed("table", lambda: _of_table(table))


def _of_table(table: HourlyRepository) -> Iterator[Finding]:
    if not table.has_table():
        yield Finding("table", "warn", f"{table.name} does not exist yet", "./run.sh setup_db")
        return
    yield Finding("table", "ok", f"{table.name}, {counted(table.count_rows(), 'row')}")
    for mutation in table.stuck_mutations():
        yield Finding("table", "warn", f"stuck mutation: {mutation}")
    yield from ttl_finding(table)


def _of_spool(subject: str, job: str, spool: Spool) -> Iterator[Finding]:
    run = f"./run.sh cron_run {job}"
    if pending := spool.waiting():
        yield Finding(subject, "warn", counted(len(pending), "pending file"), run)
    if held := spool.held.waiting():
        rows = f"{counted(len(held), 'row')} acknowledged and not visible, in {spool.held.folder}"
        yield Finding(subject, "warn", rows, f"{run} says why, and releases visible ones")
    for path in spool.rejected.waiting():
        yield Finding(subject, "warn", f"damaged: {path}", f"see {path.name}.reason beside it, then remove both")
