"""Puts a run into the history, however it ended."""

from __future__ import annotations

import asyncio
import socket
from types import TracebackType

import structlog

from adapters._bases.errors import EtlError, LockHeldError, StateError, StorageUnavailable
from adapters._bases.tehran_zone import tehran_text
from adapters.clickhouse.etl_run import FAILED, OK, REPLAY, RunRecord
from adapters.clickhouse.upsert_report import UpsertReport
from adapters.files.process_lock import Holder
from configurations.version import VERSION
from crons.context import RunContext
from crons.history import history_of
from crons.supervision import LEFT_BEHIND, SignalledError, supervise

LIMIT_SECONDS = 20.0
"""What a run may take beyond its own time to be recorded and to let go of the database."""
_OUT_OF_REACH = (StorageUnavailable, LockHeldError)

log = structlog.get_logger(__name__)


class Recording:
    """Puts the run that happens inside into the history, however it ends, and lets go of its database.

    A context manager that fails by a signal only: what else goes wrong with the record is a warning in the log, and of
    a run that was cut short only the disk is written to, for a thread of it may still be inside the database.

    Args:
        context: the run's.
        kind: ``run``, ``backfill`` or ``heal``.
        recorded: whether it goes into the history; a dry run does not.
    """

    def __init__(self, context: RunContext, kind: str, *, recorded: bool) -> None:
        self._context = context
        self._kind = kind
        self._recorded = recorded
        self._history = history_of(context)

    def __enter__(self) -> None:
        """Nothing is written before the end."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Record the run; its error goes on.

        Raises:
            SignalledError: the process was told to end meanwhile; the record waits on the disk.
        """
        try:
            if self._recorded:
                self._history.keep(self._records(error))
        except StateError as failure:
            _tell(failure)
        if not isinstance(error, LEFT_BEHIND):
            self._finish(store=self._recorded and not isinstance(error, _OUT_OF_REACH))

    def _finish(self, *, store: bool) -> None:
        async def work() -> None:
            await asyncio.to_thread(self._store_and_close, store=store)

        def step() -> str:
            return "recording the run and closing the database"

        try:
            supervise(work(), limit_seconds=LIMIT_SECONDS, step=step, setting="nothing: the run itself was over")
        except SignalledError:
            raise
        except EtlError as failure:
            _tell(failure)

    def _store_and_close(self, *, store: bool) -> None:
        try:
            if store:
                self._history.store()
        finally:
            self._context.database.close()

    def _records(self, error: BaseException | None) -> list[RunRecord]:
        """This run's, and that of the replay that it was to earlier ones, where it stored any of their rows."""
        report, context = self._context.report, self._context
        reason = "; ".join(report.failures) if error is None else _reason(error)
        record = RunRecord(
            run_id=context.run_id,
            job=context.job,
            kind=self._kind,
            started_at=tehran_text(context.now),
            finished_at=tehran_text(context.clock()),
            status=FAILED if reason else OK,
            extracted=report.extracted,
            inserted=report.inserted,
            updated=report.updated,
            unchanged=report.unchanged,
            replayed=sum(report.replayed),
            rejected=report.rejected_quotes,
            hours_asked=report.hours_asked,
            without_quote=report.without_quote,
            calls=report.calls,
            credits=report.credits,
            error=" ".join(reason.split()),
            host=socket.gethostname(),
            version=VERSION,
        )
        return [record, _replay_of(record, report.replayed)] if record.replayed else [record]


def _replay_of(run: RunRecord, stored: UpsertReport) -> RunRecord:
    """The record of what a run stored of earlier ones' rows; good, for it counts what is stored."""
    return RunRecord(
        run_id=f"{run.run_id}-replay",
        job=run.job,
        kind=REPLAY,
        started_at=run.started_at,
        finished_at=run.finished_at,
        status=OK,
        host=run.host,
        version=run.version,
        **stored._asdict(),
    )


def record_killed(context: RunContext, holder: Holder | None) -> None:
    """Put a run on the disk that could not do so itself; this run's own record takes it along.

    Args:
        context: of this run.
        holder: who left the job's lock without letting go of it; None when nobody did.
    """
    if holder is None or not holder.run_id:
        return
    log.warning("the run before this one ended without a word: it was killed, or the power was lost", was=str(holder))
    record = RunRecord(
        run_id=holder.run_id,
        job=context.job,
        kind=holder.task.rpartition(" ")[2],
        started_at=holder.since,
        finished_at=holder.since,
        status=FAILED,
        error=f"ended without a word (killed or power lost) while {holder.step}",
        host=socket.gethostname(),
        version=VERSION,
    )
    try:
        history_of(context).keep([record])
    except StateError as failure:
        _tell(failure)


def _reason(error: BaseException) -> str:
    """The error in one line; of one that nobody foresaw only its kind, for its text may hold anything."""
    return error.message if isinstance(error, EtlError) else f"unexpected {type(error).__name__}, see the log"


def _tell(failure: EtlError) -> None:
    log.warning("this run is not in the history yet", reason=failure.message)
