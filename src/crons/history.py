"""The history of runs: a run is recorded however it ended, on the disk first, then in the table."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple

import structlog

from adapters._bases.errors import EtlError, LockHeldError, StorageUnavailable
from adapters._bases.tehran_time import tehran_text
from adapters.clickhouse.etl_runs_clickhouse_adapter import BUSY, FAILED, FIELDS, OK, RunRecord
from adapters.files.locks import Holder
from adapters.files.spool import Batch
from configurations.config import VERSION
from crons.exits import CutShortError, supervise
from crons.job import JobContext

_LIMIT = 20.0, "nothing: the run itself was over"  # to record a run and close the database, beyond the run's own limit

log = structlog.get_logger(__name__)


def record(run: JobContext, error: BaseException | None) -> None:
    """Record a finished run, failed or not, unless it was a dry run; close its database."""
    is_real = not run.request.dry_run
    if is_real:
        keep(run, error)
    # After it was cut short, a thread of the run may still be inside the database.
    if isinstance(error, CutShortError):
        return

    def store_and_close() -> None:
        with run.resources:
            if is_real:
                store(run, error)

    with _warned():
        work = asyncio.to_thread(store_and_close)
        supervise(work, limit=_LIMIT, step=lambda: "recording the run and closing the database")


def keep(run: JobContext, error: BaseException | None, *, busy: bool = False, beside: bool = False) -> None:
    """Keep the record of a run on the disk, for `store`.

    Args:
        busy: it did nothing, because another process holds the job's lock, which then stores the record.
        beside: this process holds the lock under another run's id.
    """
    ending = "; ".join(run.report.failures)
    if isinstance(error, EtlError):
        ending = error.message
    elif error is not None:  # its text may hold a secret
        ending = f"unexpected {type(error).__name__}, see the log"
    status = BUSY if busy else FAILED if ending else OK
    made = RunRecord(
        run.run_id,
        run.name,
        run.kind,
        tehran_text(run.started),
        tehran_text(run.now()),
        status,
        error=" ".join(ending.split()),
        host=socket.gethostname(),
        version=VERSION,
        **run.report.counts(),
    )
    # The numbered files are the lock's holder's.
    _put(run, made, name=f"0-{run.run_id}-" if busy or beside else "")


def keep_killed(run: JobContext, holder: Holder) -> None:
    """Keep the record of a killed run, as its lock's note has it; this run stores it with its own."""
    if not holder.run_id:  # a dry run
        return
    log.warning("the previous run was killed, or the power was lost", was=str(holder))
    ending = f"was killed, or the power was lost, while {holder.step}"
    kind, host = holder.task.rpartition(" ")[2], socket.gethostname()
    span = holder.since, holder.since
    _put(run, RunRecord(holder.run_id, run.name, kind, *span, FAILED, error=ending, host=host, version=VERSION))


def store(run: JobContext, error: BaseException | None) -> None:
    """Store all kept records of a job by one INSERT, unless this error says that the database is out of reach.

    If that fails, they stay. Idempotent.
    """
    if isinstance(error, StorageUnavailable | LockHeldError):
        return
    spool = run.resources.history_spool(run.name)
    with _warned():
        batches = [spool.read(path) for path in spool.waiting()]
        # A run that was killed after it kept its record has two; its own counts, which is the earlier.
        once = {record.run_id: record for record in reversed(kept_runs(batches))}
        if once:
            run.resources.runs.record(list(reversed(once.values())), perhaps_there=len(batches) > 1)
        for batch in batches:
            spool.settle(batch.path, batch.damage)


def kept_runs(batches: Iterable[Batch]) -> list[RunRecord]:
    """The records of spool files; what an older version did not know is zero or empty. Foreign ones are skipped."""
    found = []
    for record in (record for batch in batches for record in batch.records):
        with suppress(TypeError):  # a field without a default is missing
            found.append(RunRecord(**{name: record[name] for name in FIELDS if name in record}))  # type: ignore[arg-type]
    return found


def _put(run: JobContext, record: RunRecord, name: str = "") -> None:
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
