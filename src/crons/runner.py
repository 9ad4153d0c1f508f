"""One run of a job: its lock, its time limit, its monitor, and what is logged before and after."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import NoReturn

import structlog

from adapters._bases.errors import EtlError, LockHeldError, StateError
from adapters._bases.wording import counted, listed
from adapters.files.locks import ProcessLock
from adapters.files.spool import Spool
from configurations.config import PROJECT_ROOT, Settings, SettingsError
from configurations.logs import rotate_log
from crons.alarms import monitored
from crons.backfill import fill_past
from crons.exits import supervise
from crons.history import keep_record, record, record_killed
from crons.job import Job, JobContext, Request, RunReport, run_hour
from crons.resources import Resources

# They go first, because a line at a terminal has room for three facts.
_FIRST_COUNTS = ("rejected", "without_quote", "replayed", "credits", "calls")

log = structlog.get_logger(__name__)


def execute(
    request: Request, job: Job, settings: Settings, clock: Callable[[], datetime], *, failure: EtlError | None = None
) -> RunReport:
    """Run a job under its lock and within its time limit, and log what it did.

    Args:
        failure: prevents the run; raised once the monitor and the history have been informed.

    Raises:
        LockHeldError: another process runs this job; nothing was done.
        EtlError: the run failed.
    """
    name, kind, dry_run = request.name, request.kind, request.dry_run
    run_id = uuid.uuid4().hex[:12]
    lock_file, task = settings.data_path / "locks" / f"{name}.lock", f"{name} {kind}"
    # Without an id, a dry run stays out of the history even when it is killed.
    lock = ProcessLock(lock_file, task=task, clock=clock, run_id="" if dry_run else run_id)
    limit = settings.backfill_timeout_seconds, "BACKFILL_TIMEOUT_SECONDS"
    if kind == "run":
        limit = settings.run_timeout_seconds, "RUN_TIMEOUT_SECONDS"
    resources = Resources(settings, task=task, clock=clock, writes=True, limit_seconds=limit[0])
    run = JobContext(request, job, resources, run_id=run_id, step=lock.note)
    structlog.contextvars.bind_contextvars(run=run_id)
    with ExitStack() as held:
        try:
            held.enter_context(lock)
        except LockHeldError as error:
            if not dry_run:
                keep_record(run, error, busy=True)
            raise
        rotate_log(PROJECT_ROOT / "logs" / "cron.log")
        where = "embedded ClickHouse in" if settings.embedded else "ClickHouse at"
        writes = f"{where} {settings.engine}, database {settings.clickhouse_db}"
        log.info("run started", kind=kind, **({"dry_run": True} if dry_run else {"writes": writes}))
        if not dry_run:
            resources.history_spool(name).reserve()
        if lock.left_behind is not None:
            record_killed(run, lock.left_behind)
        with monitored(request.monitor(settings), run.report, clock=clock), _recorded(run):
            if failure is not None:
                raise failure
            hours = run_hour(run) if kind == "run" else fill_past(run, lambda: _run_beside(run))
            supervise(hours, limit=limit, step=lambda: lock.holder.step)
    _log_end(run)
    return run.report


@contextmanager
def _recorded(run: JobContext) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        if isinstance(error, EtlError) and not run.request.dry_run:
            error.next_step = "; ".join(filter(None, [error.next_step.rstrip("."), kept(run.spool)]))
        record(run, error)
        raise
    record(run, None)


async def _run_beside(past: JobContext) -> None:
    """Make the hourly run that cannot start while a backfill or heal holds the lock. Its failure ends only itself."""
    request = Request(past.name)
    hour = JobContext(request, past.job, past.resources, run_id=uuid.uuid4().hex[:12], step=past.step)

    def run() -> None:
        failure = None
        structlog.contextvars.bind_contextvars(run=hour.run_id)  # of this thread alone
        with monitored(request.monitor(past.settings), hour.report, clock=past.now):
            log.info("run started", kind="run", within=f"the {past.kind} that holds the lock")
            try:
                asyncio.run(run_hour(hour))
            except EtlError as error:
                failure = error
                raise
            finally:
                keep_record(hour, failure)
        _log_end(hour)

    try:
        # In a thread, because the monitor has an event loop of its own.
        await asyncio.to_thread(run)
    except EtlError as error:
        log.error("run failed", run=hour.run_id, reason=error.message, next=error.next_step)  # noqa: TRY400 - expected


def fail_for_settings(request: Request, job: Job, error: SettingsError, clock: Callable[[], datetime]) -> NoReturn:
    """Inform the monitor and, if it can be reached, the history of a run that wrong settings prevent; raise them."""
    request = replace(request, symbols=None)  # SYMBOLS may be among the wrong ones
    # With these wrong, the history may be elsewhere.
    if any(not name or name.startswith(("clickhouse_", "data_path")) for name in error.wrong):
        with monitored(request.monitor(error.settings), RunReport(), clock=clock):
            raise error
    execute(request, job, error.settings, clock, failure=error)
    raise error


def kept(spool: Spool) -> str:
    """Describe the pending rows of a spool; empty if there are none, or it cannot be read."""
    rows = 0
    with suppress(StateError):  # the run's own error counts
        rows = sum(len(spool.read(path).records) for path in spool.waiting())
    if not rows:
        return ""
    folder = spool.folder.relative_to(PROJECT_ROOT) if spool.folder.is_relative_to(PROJECT_ROOT) else spool.folder
    return f"{counted(rows, 'row')} kept in {folder}; the next run stores them"


def _log_end(run: JobContext) -> None:
    report = run.report
    # The failures last, where people look first.
    for line in report.rejects:
        log.warning("quote rejected", quote=line)
    for line in report.missing:
        log.warning("no quote", what=line)
    for line in [*report.flaws, *report.warnings]:
        log.warning(line)
    if run.kind == "run" and report.values:
        log.info("prices stored", what=listed([f"{symbol} {value:.8g}" for symbol, value in report.values.items()]))
    counts = report.counts()
    rows = {"stored": report.inserted, "updated": report.updated, "unchanged": report.unchanged}
    what = ", ".join(f"{count:,} {name}" for name, count in rows.items() if count) or "nothing stored"
    log.info(
        "run failed" if report.failures else "run finished",
        **({"dry_run": True} if run.request.dry_run else {"what": what}),
        **{name: counts[name] for name in (*_FIRST_COUNTS, *counts)},
    )
    for line in report.failures:
        log.error(line)
