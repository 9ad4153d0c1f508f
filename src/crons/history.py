"""The history of runs: a run is recorded however it ended, on the disk first, then in the table."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import MISSING, fields

import structlog

from adapters._bases.errors import EtlError, LockHeldError, StateError, StorageUnavailable
from adapters._bases.tehran_time import tehran_text
from adapters.clickhouse.etl_runs_clickhouse_adapter import BUSY, FAILED, FIELDS, OK, EtlRunsAdapter, RunRecord
from adapters.files.locks import Holder
from adapters.files.spool import Batch, Spool
from configurations.config import VERSION
from crons.exits import LEFT_BEHIND, SignalledError, supervise
from crons.job import JobContext

LIMIT_SECONDS = 20.0  # to record a run and close the database, beyond the run's own limit
_REQUIRED = {field.name for field in fields(RunRecord) if field.default is MISSING}
_OUT_OF_REACH = (StorageUnavailable, LockHeldError)

log = structlog.get_logger(__name__)


def record(run: JobContext, error: BaseException | None, *, dry_run: bool) -> None:
    """Put a run that has ended, by an error or well, into the history, unless it was a dry run; close its database.

    A failure of that is a warning in the log; the record waits on the disk for the next run.

    Raises:
        SignalledError: the process was asked to end meanwhile.
    """
    if not dry_run:
        _keep(run, _record_of(run, error))
    # After it was cut short, a thread of the run may still be inside the database.
    if isinstance(error, LEFT_BEHIND):
        return

    def store_and_close() -> None:
        try:
            if not dry_run and not isinstance(error, _OUT_OF_REACH):
                store(run.resources.runs, run.resources.history_spool(run.name))
        finally:
            run.resources.close()

    try:
        supervise(
            asyncio.to_thread(store_and_close),
            limit=(LIMIT_SECONDS, "nothing: the run itself was over"),
            step=lambda: "recording the run and closing the database",
        )
    except SignalledError:
        raise
    except EtlError as failure:
        _warn(failure)


def keep_record(run: JobContext, error: EtlError | None, *, busy: bool = False) -> None:
    """Put a run into the history whose process does not hold the lock by it.

    A `busy` one did nothing, because another process holds the lock, which then stores the record.
    """
    made = _record_of(run, error)
    made.status = BUSY if busy else made.status
    _keep(run, made, owner=run.run_id)
    if not busy and not isinstance(error, _OUT_OF_REACH):
        try:
            store(run.resources.runs, run.resources.history_spool(run.name))
        except EtlError as failure:
            _warn(failure)


def record_killed(run: JobContext, holder: Holder) -> None:
    """Keep a record of a killed run, as its lock's note has it, which this run's own record takes along."""
    if not holder.run_id:  # a dry run
        return
    log.warning("the previous run was killed, or the power was lost", was=str(holder))
    ending, kind = f"was killed, or the power was lost, while {holder.step}", holder.task.rpartition(" ")[2]
    _keep(run, _made(run, holder.run_id, kind, (holder.since, holder.since), ending))


def store(runs: EtlRunsAdapter, spool: Spool) -> None:
    """Store all records of a spool by one INSERT; if that fails, they stay. Idempotent.

    A damaged file is set aside, and one that can be neither moved nor removed is left; both are logged.
    """
    batches = [spool.read(path) for path in spool.waiting()]
    records = [record for batch in batches for record in records_of(batch)]
    # A run that was killed after it kept its record has two; its own counts, which is the earlier.
    once = {record.run_id: record for record in reversed(records)}
    if once:
        runs.record(list(reversed(once.values())), perhaps_there=len(batches) > 1)
    for batch in batches:
        try:
            if batch.damage is None:
                spool.remove(batch.path)
            else:
                target = spool.set_aside(batch.path, batch.damage)
                log.warning("damaged history file set aside", file=str(target), reason=batch.damage)
        except StateError as error:  # noqa: PERF203 - the others are still processed
            log.warning("history file not processed", reason=error.message)


def records_of(batch: Batch) -> list[RunRecord]:
    """The records of a spool file; what an older version did not know is zero or empty. Foreign ones are skipped."""
    known = [{name: record[name] for name in FIELDS if name in record} for record in batch.records]
    whole = [values for values in known if values.keys() >= _REQUIRED]
    return [RunRecord(**values) for values in whole]  # type: ignore[arg-type]  # our own records, their checksum verified


def _record_of(run: JobContext, error: BaseException | None) -> RunRecord:
    ending = "; ".join(run.report.failures)
    if isinstance(error, EtlError):
        ending = error.message
    elif error is not None:  # its text may hold a secret
        ending = f"unexpected {type(error).__name__}, see the log"
    span = tehran_text(run.started), tehran_text(run.now())
    made = _made(run, run.run_id, run.kind, span, " ".join(ending.split()))
    for name, count in run.report.counts().items():
        setattr(made, name, count)
    return made


def _made(run: JobContext, run_id: str, kind: str, span: tuple[str, str], error: str) -> RunRecord:
    status, host = FAILED if error else OK, socket.gethostname()
    return RunRecord(run_id, run.name, kind, *span, status, error=error, host=host, version=VERSION)


def _keep(run: JobContext, record: RunRecord, owner: str = "") -> None:
    try:
        run.resources.history_spool(run.name).put(FIELDS, [record.values()], owner=owner)
    except StateError as failure:
        _warn(failure)


def _warn(failure: EtlError) -> None:
    log.warning("run not recorded yet", reason=failure.message)
