"""The history of runs: a run is recorded however it ended, on the disk first, then in the table."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import MISSING, fields
from types import TracebackType

import structlog

from adapters._bases.errors import EtlError, LockHeldError, StateError, StorageUnavailable
from adapters._bases.hourly_upsert import UpsertReport
from adapters._bases.tehran_time import tehran_text
from adapters.clickhouse.etl_runs_clickhouse_adapter import FAILED, FIELDS, OK, REPLAY, TABLE, EtlRunsAdapter, RunRecord
from adapters.files.locks import Holder
from adapters.files.spool import Batch, Spool
from configurations.config import VERSION, Settings
from crons.job import RunContext
from crons.parts import runs_table
from crons.supervision import LEFT_BEHIND, SignalledError, supervise

_REQUIRED = {field.name for field in fields(RunRecord) if field.default is MISSING}

log = structlog.get_logger(__name__)


class History:
    """Records runs; a record that cannot be stored waits for the next run's.

    Args:
        runs: the table.
        spool: where records wait.
    """

    def __init__(self, *, runs: EtlRunsAdapter, spool: Spool) -> None:
        self._runs = runs
        self._spool = spool

    def keep(self, records: Sequence[RunRecord]) -> None:
        """Put records on the disk, all of them or none.

        Raises:
            StateError: they cannot be written there.
        """
        self._spool.put(FIELDS, [record.values() for record in records])

    def store(self) -> None:
        """Store all records that wait on the disk, by one INSERT. Harmless to repeat.

        A damaged file is set aside, and one that can be neither moved nor removed is left; both are told in the log.

        Raises:
            StorageUnavailable: the database does not answer; they go on waiting.
            StorageRejected: it refuses; they go on waiting.
        """
        batches = [_without_strangers(self._spool.read(path)) for path in self._spool.waiting()]
        records = [record for batch in batches for record in records_of(batch)]
        # A run that was killed once its record was kept is told of twice; its own word counts, which is the earlier.
        once = {record.run_id: record for record in reversed(records)}
        if once:
            self._runs.record(list(reversed(once.values())), perhaps_there=len(batches) > 1)
        for batch in batches:
            self._settle(batch)

    def _settle(self, batch: Batch) -> None:
        """Forget a file whose records are stored, or set a damaged one aside."""
        try:
            if batch.damage is None:
                self._spool.remove(batch.path)
                return
            target = self._spool.set_aside(batch.path, batch.damage)
        except StateError as error:
            log.warning("a file of the history is in the way", reason=error.message)
        else:
            log.warning("a damaged file of the history was set aside", file=str(target), reason=batch.damage)


def history_of(context: RunContext) -> History:
    """The history, on the run's own connection."""
    settings = context.settings
    return History(runs=runs_table(settings, context.database), spool=history_spool(settings, context.job))


def history_spool(settings: Settings, job: str) -> Spool:
    """Where records of a job's runs wait until they are stored; a folder for each job, so that its lock guards it."""
    return Spool(settings.data_path / "spool" / TABLE / job)


def records_of(batch: Batch) -> list[RunRecord]:
    """The records of a spool file; what an older version did not know yet is zero or empty.

    One without what every run has is passed over: it is none of ours.
    """
    known = [{name: record[name] for name in FIELDS if name in record} for record in batch.records]
    whole = [values for values in known if values.keys() >= _REQUIRED]
    return [RunRecord(**values) for values in whole]  # type: ignore[arg-type]  # our own records, their checksum verified


def _without_strangers(batch: Batch) -> Batch:
    """The batch, damaged if it has records that `records_of` passes over."""
    strangers = len(batch.records) - len(records_of(batch))
    if not strangers:
        return batch
    words = f"{strangers} records lack what every run has"
    return batch._replace(damage=words if batch.damage is None else f"{batch.damage}; {words}")


LIMIT_SECONDS = 20.0
"""What a run may take beyond its own time to be recorded and to let go of the database."""
_OUT_OF_REACH = (StorageUnavailable, LockHeldError)


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
