"""One run of a job: its lock, its context, its time limit, its monitor, and what is logged before and after."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from datetime import datetime
from typing import Any, NamedTuple

import structlog

from adapters._bases.errors import EtlError
from adapters._bases.http_adapter import HttpAdapter
from adapters._bases.retry import RetryPolicy
from adapters.files.locks import ProcessLock
from adapters.http.healthchecks_http_adapter import HealthchecksAdapter, host_of
from configurations.config import PROJECT_ROOT, Settings
from configurations.logs import last_lines, rotate_log
from crons.history import Recording, record_killed
from crons.job import HealOptions, RunContext, RunReport
from crons.parts import clickhouse
from crons.registry import Job
from crons.supervision import supervise

PING_SECONDS = 3.0
"""The longest that one ping may hold a run up."""

Ping = Callable[[HealthchecksAdapter], Coroutine[Any, Any, None]]

log = structlog.get_logger(__name__)


def monitored(url: str | None, run: Callable[[], RunReport], *, clock: Callable[[], datetime]) -> RunReport:
    """What ``run`` returns or raises, its beginning and end told to the monitor; a ping that fails changes nothing.

    Args:
        url: the monitor's address; None tells nobody.
        run: the work.
        clock: gives the aware time.
    """
    if url is None:
        return run()

    def tell_failure(_kind: object, error: BaseException | None, _trace: object) -> None:
        if error is not None:
            text = "\n".join([*lines, _words(error)])
            _send(url, clock, lambda check: check.failed(text))

    with last_lines() as lines, ExitStack() as stack:
        _send(url, clock, lambda check: check.started())
        stack.push(tell_failure)
        report = run()
    text = "\n".join([*lines, *report.failures])
    _send(url, clock, lambda check: check.failed(text) if report.failures else check.succeeded())
    return report


def _words(error: BaseException) -> str:
    """What stopped the run; of an error that nobody foresaw only its kind, for its text may hold anything."""
    return error.message if isinstance(error, EtlError) else f"unexpected error: {type(error).__name__}"


def _send(url: str, clock: Callable[[], datetime], ping: Ping) -> None:
    # Not asyncio.run: that would wait for a look-up of the host's name that hangs in a thread.
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(_pinged(url, clock, ping))
    except EtlError:
        # Its message could quote the address, which is a secret.
        log.warning("the monitor of HEALTHCHECK_URL was not reached, the run goes on")
    finally:
        loop.close()


async def _pinged(url: str, clock: Callable[[], datetime], ping: Ping) -> None:
    once = RetryPolicy(attempts=1)
    http = HttpAdapter(base_url=host_of(url), headers={}, timeout_seconds=PING_SECONDS, retry=once, clock=clock)
    async with http:
        await ping(HealthchecksAdapter(http=http, url=url))


class Request(NamedTuple):
    """What is to be run.

    Attributes:
        name: the job's name.
        job: the job.
        hours: how many past hours to fill; None for the present hour's run.
        dry_run: only say what filling them would cost.
        heal: of those hours only the missing ones, and how; None fills them all.
    """

    name: str
    job: Job
    hours: int | None = None
    dry_run: bool = False
    heal: HealOptions | None = None

    @property
    def kind(self) -> str:
        """``run``, ``backfill`` or ``heal``."""
        if self.hours is None:
            return "run"
        return "backfill" if self.heal is None else "heal"

    def work(self, context: RunContext) -> Coroutine[Any, Any, RunReport]:
        """The job's own coroutine."""
        if self.hours is None:
            return self.job.load().run(context)
        if self.heal is not None:
            return self.job.load_past().heal(context, self.hours, self.heal, dry_run=self.dry_run)
        return self.job.load_past().backfill(context, self.hours, dry_run=self.dry_run)

    def limit(self, settings: Settings) -> tuple[float, str]:
        """The time limit in seconds, and the variable that sets it."""
        if self.hours is None:
            return settings.run_timeout_seconds, "RUN_TIMEOUT_SECONDS"
        return settings.backfill_timeout_seconds, "BACKFILL_TIMEOUT_SECONDS"

    def monitor(self, settings: Settings) -> str | None:
        """Who is told how it goes: of the scheduled run only, for whose absence a backfill would be no excuse."""
        if self.kind != "run" or settings.healthcheck_url is None:
            return None
        return settings.healthcheck_url.get_secret_value()


def execute(request: Request, settings: Settings, clock: Callable[[], datetime]) -> RunReport:
    """Run a job under its lock and within its time limit, and log what it did.

    Raises:
        LockHeldError: another process runs this job; nothing was done.
        EtlError: whatever stopped it.
    """
    run_id = uuid.uuid4().hex[:12]
    structlog.contextvars.bind_contextvars(job=request.name, run=run_id)
    lock_file = settings.data_path / "locks" / f"{request.name}.lock"
    # A dry run has no id, for it is in no history, not even when it is killed.
    noted = "" if request.dry_run else run_id
    with ProcessLock(lock_file, task=f"{request.name} {request.kind}", clock=clock, run_id=noted) as lock:
        _rotate_cron_log()
        current = ["starting"]

        def step(text: str) -> None:
            current[0] = text
            lock.tell(text)

        _log_start(request, settings)
        database = clickhouse(settings, task=f"{request.name} {request.kind}", clock=clock, writes=True)
        context = RunContext(settings, request.name, run_id, clock(), clock, step, database)
        record_killed(context, lock.left_behind)
        limit, variable = request.limit(settings)
        request.job.load()  # before the clock of the time limit starts

        def supervised() -> RunReport:
            with Recording(context, request.kind, recorded=not request.dry_run):
                return supervise(request.work(context), limit_seconds=limit, step=lambda: current[0], setting=variable)

        report = monitored(request.monitor(settings), supervised, clock=clock)
    _log_end(request, report)
    return report


def _rotate_cron_log() -> None:
    """Move cron's log aside once it is large; a log that stays as it is costs no hour."""
    path = PROJECT_ROOT / "logs" / "cron.log"
    try:
        rotate_log(path)
    except OSError as error:
        log.warning("the log could not be moved aside, and grows", path=str(path), reason=str(error))


def _log_start(request: Request, settings: Settings) -> None:
    """What is run, and where it writes: a dry run nowhere."""
    database = (
        f"embedded ClickHouse in {settings.clickhouse_path}"
        if settings.embedded
        else f"ClickHouse at {settings.clickhouse_host}:{settings.clickhouse_port}"
    )
    writes = {} if request.dry_run else {"writes": f"{database}, database {settings.clickhouse_db}"}
    log.info("started", kind=request.kind, **_mark(request), **writes)


def _log_end(request: Request, report: RunReport) -> None:
    """What the run did; the failures last, where people look first."""
    for line in report.rejected:
        log.warning("rejected", quote=line)
    for line in report.missing:
        log.warning("without a quote", what=line)
    for line in report.warnings:
        log.warning(line)
    log.info(
        "failed" if report.failures else "done",
        **_mark(request),
        inserted=report.inserted,
        updated=report.updated,
        unchanged=report.unchanged,
        replayed=sum(report.replayed),
        rejected=report.rejected_quotes,
        calls=report.calls,
        credits=report.credits,
    )
    for line in report.failures:
        log.error(line)


def _mark(request: Request) -> dict[str, bool]:
    """What tells a dry run from one that spends and stores."""
    return {"dry_run": True} if request.dry_run else {}
