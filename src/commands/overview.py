"""``check``: everything the jobs in use need, one row each."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator

from adapters._bases.errors import EtlError, LockHeldError
from adapters.system.crontab import Crontab
from commands.checks import (
    check_crontab,
    check_env_file,
    check_folders,
    check_poetry,
    check_python,
    check_spool,
    failed,
)
from commands.screen import SHORT_WAIT_SECONDS, settings_with_log, show_findings
from configurations.config import ENV_FILE, PROJECT_ROOT, Settings, load_settings
from crons.clock import system_clock
from crons.context import JobModule
from crons.doors.shared import impatient, spool
from crons.edge import DONE, FAILED
from crons.findings import Finding
from crons.history import history_spool
from crons.install import installed_schedule
from crons.registry import JOBS, MAIN_JOB


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
    yield check_poetry(PROJECT_ROOT)
    yield Finding("set-up", "ok", f"installed in {sys.prefix}")
    try:
        settings = impatient(settings_with_log())
    except EtlError as error:
        for line in error.message.splitlines():
            yield Finding(".env", "fail", line, error.next_step)
    else:
        yield from check_env_file(ENV_FILE, {name.upper() for name in Settings.model_fields})
        yield from check_folders(
            [settings.data_path, *(PROJECT_ROOT / name for name in ("logs", "backups", "reports"))]
        )
        for name in _jobs_in_use():
            yield from _of_job(name, JOBS[name].load(), settings)
    yield from _or_failed("crontab", lambda: check_crontab(Crontab(), _schedules()))


def _of_job(name: str, module: JobModule, settings: Settings) -> Iterator[Finding]:
    yield from _or_failed("ClickHouse", lambda: _of_table(module, settings))
    yield from _or_failed(module.SOURCE, lambda: [asyncio.run(module.check_source(settings, system_clock))])
    yield from check_spool(f"spool {name}", name, spool(settings, name))
    yield from check_spool(f"history {name}", name, history_spool(settings, name))


def _of_table(module: JobModule, settings: Settings) -> list[Finding]:
    with module.open_table(settings, task="check", clock=system_clock, wait_seconds=SHORT_WAIT_SECONDS) as table:
        found = [Finding("ClickHouse", "ok", table.describe_server())]
        if not table.table_exists():
            return [*found, Finding("table", "warn", f"{table.name} is not there yet", "./run.sh setup_db")]
        found.append(Finding("table", "ok", f"{table.name}, {table.count_rows()} rows"))
        stuck = [Finding("table", "warn", f"stuck mutation: {mutation}") for mutation in table.stuck_mutations()]
        return [*found, *stuck]


def _jobs_in_use() -> list[str]:
    """The main job, and the others whose line is installed: a job that nobody runs needs nothing."""
    try:
        schedules = _schedules()
    except EtlError:  # told with the crontab's own finding
        return [MAIN_JOB]
    return [MAIN_JOB, *(job for job, schedule in schedules.items() if schedule and job != MAIN_JOB)]


def _schedules() -> dict[str, str | None]:
    """Each job's schedule in the crontab; None where it has none."""
    crontab = Crontab()
    current = crontab.read() if crontab.is_available() else ""
    return {job: installed_schedule(current, checkout=PROJECT_ROOT, job=job) for job in JOBS}


def _or_failed(subject: str, look: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return look()
    except LockHeldError as error:
        return [Finding(subject, "warn", f"in use, so not looked into: {error.message}", error.next_step)]
    except EtlError as error:
        return [failed(subject, error)]
