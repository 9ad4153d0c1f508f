"""``python -m crons.run NAME [backfill [HOURS] | heal [HOURS]]``: what cron calls, and what cron_run does.

A run has a lock, a time limit, a monitor and a record in the history.
"""

from __future__ import annotations

import sys

from crons.start_up import prepare

if __name__ == "__main__":
    prepare()

# isort: split
import asyncio
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import datetime

import structlog

from adapters._bases.errors import ConfigurationError, EtlError, LockHeldError, StateError
from adapters._bases.wording import counted, listed
from adapters.files.locks import ProcessLock
from adapters.files.spool import Spool
from configurations.config import PROJECT_ROOT, Settings, SettingsError, load_settings, usable_settings
from configurations.logs import last_lines, rotate_log, set_up_logging
from crons.alarms import alert, monitored
from crons.backfill import fill_past
from crons.exits import DONE, EXIT_CODES, FAILED, INTERRUPTED, TERMINATED, USAGE, guarded, leave, supervise
from crons.history import keep, keep_killed, record, store
from crons.job import Job, JobContext, Request, RunReport, run_hour
from crons.registry import MAIN_JOB, find_job
from crons.resources import Resources, job_lock, require_owner, system_clock

MAX_HOURS = 24 * 366 * 10
HEAL_HOURS = 168
HEAL_CREDITS = 100
# They go first, because a line at a terminal has room for three facts.
_FIRST_COUNTS = ("rejected", "without_quote", "replayed", "credits", "calls")

log = structlog.get_logger(__name__)


def main(arguments: Sequence[str] | None = None, *, clock: Callable[[], datetime] = system_clock) -> int:
    """Run a job and log what happened; the exit code, see `crons.exits`. None takes the process's own arguments."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or [MAIN_JOB]
    # The usual line of cron needs no parser: importing Typer would take a tenth of an hourly run.
    if not name.startswith("-") and rest in ([], ["--quiet"]):
        return start(Request(name, quiet=bool(rest)), clock)
    from main import app  # noqa: PLC0415

    typed = [f"cron_{rest[0]}", name, *rest[1:]] if rest[:1] in (["backfill"], ["heal"]) else ["cron_run", name, *rest]
    try:
        app(typed, prog_name="./run.sh", obj=clock)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else DONE
    return DONE


def start(request: Request, clock: Callable[[], datetime]) -> int:
    """Run a job; the exit code. ALERT_COMMAND receives the log of a run that failed."""
    structlog.contextvars.bind_contextvars(job=request.name)
    code = guarded(lambda: _run(request, clock), tell=_log_error, clock=clock)
    if code in {FAILED, USAGE, TERMINATED} and request.kind != "backfill" and not request.dry_run:
        try:
            alert(usable_settings().alert_command, f"{request.name} {request.kind} failed", "\n".join(last_lines()))
        except KeyboardInterrupt:
            log.error(EXIT_CODES[INTERRUPTED])  # noqa: TRY400 - expected
            return INTERRUPTED
        except Exception:  # the log leaves out its text, which may quote secrets
            log.exception("ALERT_COMMAND not run", next="this is a bug; please report it with these lines")
    return code


def _run(request: Request, clock: Callable[[], datetime]) -> int:
    job = find_job(request.name, with_past=request.kind != "run")
    failure = None
    try:
        settings = load_settings()
    except SettingsError as error:
        settings, failure = error.settings, error
    set_up_logging(settings, clock, least="WARNING" if request.quiet else "DEBUG")
    if failure is None:
        request = request if request.kind == "run" else _of_past(request, job, clock())
        require_owner(settings)
    return FAILED if execute(request, job, settings, clock, failure=failure).failures else DONE


def _of_past(request: Request, job: Job, now: datetime) -> Request:
    """A backfill or heal, with the defaults of a heal; raises ConfigurationError if it makes no sense."""
    if request.max_credits is not None and not job.past_key:
        raise ConfigurationError(f"{request.name} uses no credits", next_step="leave --max-credits out")
    if request.kind == "heal":
        most = HEAL_CREDITS if request.max_credits is None else request.max_credits
        request = replace(request, hours=request.hours or HEAL_HOURS, max_credits=most)
    if (request.hours is None) == (request.first is None):
        example = "such as 168, or --from 2026-11-01 --to 2026-11-08"
        raise ConfigurationError("give either HOURS or --from", next_step=example)
    if request.end is not None and request.first is None:
        raise ConfigurationError("--to without --from", next_step="name the first hour too, by --from")
    # A list of too many hours could not be made.
    count = request.hours or len(request.starts(now))
    if not count:
        span = f"from {request.first} to {request.end or 'now'}"
        raise ConfigurationError(f"no past hour {span}", next_step="give an earlier --from")
    if count > MAX_HOURS:
        raise ConfigurationError(f"these are {count:,} hours", next_step=f"ask for {MAX_HOURS:,} at most at once")
    return request


def execute(
    request: Request,
    job: Job,
    settings: Settings,
    clock: Callable[[], datetime],
    *,
    failure: SettingsError | None = None,
) -> RunReport:
    """Run a job under its lock and within its time limit, and log what it did.

    Args:
        failure: wrong settings, which prevent the run; raised once the monitor and, if it can be reached, the history
            have been informed.

    Raises:
        LockHeldError: another process runs this job; nothing was done.
        EtlError: the run failed.
    """
    if failure:
        request = replace(request, symbols=None)  # SYMBOLS may be among the wrong ones
    run_id, task = uuid.uuid4().hex[:12], f"{request.name} {request.kind}"
    setting = "RUN_TIMEOUT_SECONDS" if request.kind == "run" else "BACKFILL_TIMEOUT_SECONDS"
    limit = getattr(settings, setting.lower()), setting
    # Without an id, a dry run stays out of the history even when it is killed.
    own_id = "" if request.dry_run else run_id
    lock = ProcessLock(job_lock(settings, request.name), task=task, clock=clock, run_id=own_id)
    resources = Resources(settings, task=task, clock=clock, writes=True, limit_seconds=limit[0])
    run = JobContext(request, job, resources, run_id=run_id, step=lock.note)
    structlog.contextvars.bind_contextvars(run=run_id)
    # With these wrong, locks and history may be elsewhere.
    if failure and any(not name or name.startswith(("clickhouse_", "data_path")) for name in failure.wrong):
        with monitored(run):
            raise failure
    with _locked(run, lock), monitored(run), _recorded(run):
        if failure:
            raise failure
        hours = run_hour(run) if run.kind == "run" else fill_past(run, lambda: _run_beside(run))
        supervise(hours, limit=limit, step=lambda: lock.holder.step)
    _log_end(run)
    return run.report


@contextmanager
def _locked(run: JobContext, lock: ProcessLock) -> Iterator[None]:
    """Hold the job's lock, log that the run has started, and note that the one before was killed."""
    settings, is_real = run.settings, not run.request.dry_run
    with ExitStack() as held:
        try:
            held.enter_context(lock)
        except LockHeldError as error:
            if is_real:
                keep(run, error, busy=True)
            raise
        rotate_log(PROJECT_ROOT / "logs" / "cron.log")
        where = "embedded ClickHouse in" if settings.embedded else "ClickHouse at"
        writes = f"{where} {settings.engine}, database {settings.clickhouse_db}"
        log.info("run started", kind=run.kind, **({"writes": writes} if is_real else {"dry_run": True}))
        if is_real:
            run.resources.history_spool(run.name).reserve()
        if lock.left_behind is not None:
            keep_killed(run, lock.left_behind)
        yield


@contextmanager
def _recorded(run: JobContext) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        if isinstance(error, EtlError) and not run.request.dry_run:
            error.next_step = "; ".join(filter(None, [error.next_step.rstrip("."), _kept(run.spool)]))
        record(run, error)
        raise
    record(run, None)


async def _run_beside(past: JobContext) -> None:
    """Make the hourly run that cannot start while a backfill or heal holds the lock. Its failure ends only itself."""
    hour = JobContext(Request(past.name), past.job, past.resources, run_id=uuid.uuid4().hex[:12], step=past.step)

    def run() -> None:
        failure = None
        structlog.contextvars.bind_contextvars(run=hour.run_id)  # of this thread alone
        with monitored(hour):
            log.info("run started", kind="run", within=f"the {past.kind} that holds the lock")
            try:
                asyncio.run(run_hour(hour))
            except EtlError as error:
                failure = error
                raise
            finally:
                keep(hour, failure, beside=True)
                store(hour, failure)
        _log_end(hour)

    try:
        # In a thread, because the monitor has an event loop of its own.
        await asyncio.to_thread(run)
    except EtlError as error:
        log.error("run failed", run=hour.run_id, reason=error.message, next=error.next_step)  # noqa: TRY400 - expected


def _kept(spool: Spool) -> str:
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


def _log_error(error: EtlError) -> None:
    *lines, last = error.message.split("\n")
    for line in lines:
        log.error(line)
    log.error(last, **({"next": error.next_step} if error.next_step else {}))


if __name__ == "__main__":
    leave(main())
