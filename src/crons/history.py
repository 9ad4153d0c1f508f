"""The history of runs: a run is recorded however it ended, on the disk first, then in the table."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple

import structlog

from adapters._bases.errors import EtlError, LockHeldError, StorageUnavailable
from adapters._bases.tehran_time import tehran_text
from adapters.clickhouse.etl_runs_clickhouse_adapter import BUSY, FAILED, FIELDS, OK, EtlRunsAdapter, RunRecord
from adapters.files.locks import Holder
from adapters.files.spool import Batch, Spool
from configurations.config import VERSION
from crons.exits import CutShortError, supervise
from crons.job import JobContext

LIMIT_SECONDS = 20.0  # to record a run and close the database, beyond the run's own limit
_OUT_OF_REACH = (StorageUnavailable, LockHeldError)

log = structlog.get_logger(__name__)


def record(run: JobContext, error: BaseException | None) -> None:
    """Record a finished run, failed or not, unless it was a dry run; close its database."""
    dry_run = run.request.dry_run
    if not dry_run:
        _keep(run, _record_of(run, error))
    # After it was cut short, a thread of the run may still be inside the database.
    if isinstance(error, CutShortError):
        return

    def store_and_close() -> None:
        try:
            if not dry_run and not isinstance(error, _OUT_OF_REACH):
                store(run.resources.runs, run.resources.history_spool(run.name))
        finally:
            run.resources.close()

    with _warned():
        supervise(
            asyncio.to_thread(store_and_close),
            limit=(LIMIT_SECONDS, "nothing: the run itself was over"),
            step=lambda: "recording the run and closing the database",
        )


def keep_record(run: JobContext, error: EtlError | None, *, busy: bool = False) -> None:
    """Record a run whose process does not hold the job's lock under this run's id.

    A `busy` one did nothing, because another process holds the lock, which then stores the record.
    """
    made = _record_of(run, error)
    made.status = BUSY if busy else made.status
    _keep(run, made, name=f"0-{run.run_id}-")
    if not busy and not isinstance(error, _OUT_OF_REACH):
        with _warned():
            store(run.resources.runs, run.resources.history_spool(run.name))


def record_killed(run: JobContext, holder: Holder) -> None:
    """Keep a record of a killed run, as its lock's note has it, which this run's own record takes along."""
    if not holder.run_id:  # a dry run
        return
    log.warning("the previous run was killed, or the power was lost", was=str(holder))
    ending = f"was killed, or the power was lost, while {holder.step}"
    kind, host = holder.task.rpartition(" ")[2], socket.gethostname()
    span = holder.since, holder.since
    _keep(run, RunRecord(holder.run_id, run.name, kind, *span, FAILED, error=ending, host=host, version=VERSION))


def store(runs: EtlRunsAdapter, spool: Spool) -> None:
    """Store all records of a spool by one INSERT; if that fails, they stay. Idempotent."""
    batches = [spool.read(path) for path in spool.waiting()]
    records = [record for batch in batches for record in records_of(batch)]
    # A run that was killed after it kept its record has two; its own counts, which is the earlier.
    once = {record.run_id: record for record in reversed(records)}
    if once:
        runs.record(list(reversed(once.values())), perhaps_there=len(batches) > 1)
    for batch in batches:
        spool.settle(batch.path, batch.damage)


def records_of(batch: Batch) -> Iterator[RunRecord]:
    """The records of a spool file; what an older version did not know is zero or empty. Foreign ones are skipped."""
    for record in batch.records:
        with suppress(TypeError):  # a field without a default is missing
            yield RunRecord(**{name: record[name] for name in FIELDS if name in record})  # type: ignore[arg-type]


def _record_of(run: JobContext, error: BaseException | None) -> RunRecord:
    ending = "; ".join(run.report.failures)
    if isinstance(error, EtlError):
        ending = error.message
    elif error is not None:  # its text may hold a secret
        ending = f"unexpected {type(error).__name__}, see the log"
    return RunRecord(
        run.run_id,
        run.name,
        run.kind,
        tehran_text(run.started),
        tehran_text(run.now()),
        FAILED if ending else OK,
        error=" ".join(ending.split()),
        host=socket.gethostname(),
        version=VERSION,
        **run.report.counts(),
    )


def _keep(run: JobContext, record: RunRecord, name: str = "") -> None:
    with _warned():
        run.resources.history_spool(run.name).put(FIELDS, [astuple(record)], name=name)


@contextmanager
def _warned() -> Iterator[None]:
    """Turn a failure into a warning: the record waits on the disk for the next run."""
    try:
        yield
    except EtlError as failure:
        if isinstance(failure, CutShortError) and failure.signal:
            raise
        log.warning("run not recorded yet", reason=failure.message)
