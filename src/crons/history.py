"""The history of runs: a run is recorded however it ended, on the disk first, then in the table."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import MISSING, fields

import structlog

from adapters._bases.errors import EtlError, LockHeldError, StateError, StorageUnavailable
from adapters._bases.tehran_time import tehran_text
from adapters._bases.upsert import UpsertReport
from adapters.clickhouse.etl_runs_clickhouse_adapter import FAILED, FIELDS, OK, REPLAY, EtlRunsAdapter, RunRecord
from adapters.files.locks import Holder
from adapters.files.spool import Batch, Spool
from configurations.config import VERSION
from crons.job import JobContext
from crons.resources import Resources
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
        self._spool.put(FIELDS, [one.values() for one in records])

    def store(self) -> None:
        """Store all records that wait on the disk, by one INSERT. Idempotent.

        A damaged file is set aside, and one that can be neither moved nor removed is left; both are logged.

        Raises:
            StorageUnavailable: the database does not answer; they go on waiting.
            StorageRejected: it refuses; they go on waiting.
        """
        batches = [_without_strangers(self._spool.read(path)) for path in self._spool.waiting()]
        records = [record for batch in batches for record in records_of(batch)]
        # A run that was killed once its record was kept has two records; its own counts, which is the earlier.
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


def history_of(parts: Resources, job: str) -> History:
    """The history of a job, on the connection of these parts."""
    return History(runs=parts.runs, spool=parts.history_spool(job))


def records_of(batch: Batch) -> list[RunRecord]:
    """The records of a spool file; what an older version did not know yet is zero or empty.

    One without what every run has is skipped: it is not ours.
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


def record(run: JobContext, error: BaseException | None, *, dry_run: bool) -> None:
    """Put a run that has ended into the history, and close its database.

    Whatever goes wrong with that is a warning in the log. Of a run that was cut short only the disk is written to, for
    a thread of it may still be inside the database.

    Args:
        run: the run.
        error: what ended it; None for a good run.
        dry_run: whether it was one, and is not recorded.

    Raises:
        SignalledError: the process was asked to end meanwhile; the record waits on the disk.
    """
    history = history_of(run.resources, run.name)
    try:
        if not dry_run:
            history.keep(_records(run, error))
    except StateError as failure:
        _warn(failure)
    if isinstance(error, LEFT_BEHIND):
        return
    stores = not dry_run and not isinstance(error, _OUT_OF_REACH)

    async def finish() -> None:
        await asyncio.to_thread(_store_and_close, run, history if stores else None)

    try:
        supervise(
            finish(),
            limit=(LIMIT_SECONDS, "nothing: the run itself was over"),
            step=lambda: "recording the run and closing the database",
        )
    except SignalledError:
        raise
    except EtlError as failure:
        _warn(failure)


def _store_and_close(run: JobContext, history: History | None) -> None:
    try:
        if history is not None:
            history.store()
    finally:
        run.resources.close()


def _records(run: JobContext, error: BaseException | None) -> list[RunRecord]:
    """This run's, and that of the replay that it was to earlier ones, where it stored any of their rows."""
    report = run.report
    reason = "; ".join(report.failures) if error is None else _reason(error)
    made = RunRecord(
        run_id=run.run_id,
        job=run.name,
        kind=run.kind,
        started_at=tehran_text(run.started),
        finished_at=tehran_text(run.now()),
        status=FAILED if reason else OK,
        **report.counts(),
        error=" ".join(reason.split()),
        host=socket.gethostname(),
        version=VERSION,
    )
    return [made, _replay_of(made, report.replay)] if made.replayed else [made]


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


def record_killed(run: JobContext, holder: Holder) -> None:
    """Put a run on the disk that could not do so itself; this run's own record takes it along.

    Args:
        run: this run.
        holder: who left the job's lock without letting go of it.
    """
    if not holder.run_id:
        return
    log.warning("the run before this one ended without a word: it was killed, or the power was lost", was=str(holder))
    record = RunRecord(
        run_id=holder.run_id,
        job=run.name,
        kind=holder.task.rpartition(" ")[2],
        started_at=holder.since,
        finished_at=holder.since,
        status=FAILED,
        error=f"ended without a word (killed or power lost) while {holder.step}",
        host=socket.gethostname(),
        version=VERSION,
    )
    try:
        history_of(run.resources, run.name).keep([record])
    except StateError as failure:
        _warn(failure)


def _reason(error: BaseException) -> str:
    """The error in one line; of an unforeseen one only its kind, for its text may hold anything."""
    return error.message if isinstance(error, EtlError) else f"unexpected {type(error).__name__}, see the log"


def _warn(failure: EtlError) -> None:
    log.warning("this run is not in the history yet", reason=failure.message)
