"""The history of runs: a record on the disk first, then in the table: so it also knows when the database failed."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from adapters._bases.errors import StateError
from adapters.clickhouse.etl_run import TABLE, RunRecord
from adapters.clickhouse.etl_runs_adapter import EtlRunsAdapter
from adapters.files.spool import Batch, Spool
from configurations.config import Settings
from crons.context import RunContext

_REQUIRED = frozenset(RunRecord._fields) - RunRecord._field_defaults.keys()

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
        self._spool.put(RunRecord._fields, records)

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
    runs = EtlRunsAdapter(
        clickhouse=context.database, database=settings.clickhouse_db, keep_days=settings.run_history_days
    )
    return History(runs=runs, spool=history_spool(settings, context.job))


def history_spool(settings: Settings, job: str) -> Spool:
    """Where records of a job's runs wait until they are stored; a folder for each job, so that its lock guards it."""
    return Spool(settings.data_path / "spool" / TABLE / job)


def records_of(batch: Batch) -> list[RunRecord]:
    """The records of a spool file; what an older version did not know yet is zero or empty.

    One without what every run has is passed over: it is none of ours.
    """
    known = [{name: record[name] for name in RunRecord._fields if name in record} for record in batch.records]
    whole = [values for values in known if values.keys() >= _REQUIRED]
    return [RunRecord(**values) for values in whole]  # type: ignore[arg-type]  # our own records, their checksum verified


def _without_strangers(batch: Batch) -> Batch:
    """The batch, damaged if it has records that `records_of` passes over."""
    strangers = len(batch.records) - len(records_of(batch))
    if not strangers:
        return batch
    words = f"{strangers} records lack what every run has"
    return batch._replace(damage=words if batch.damage is None else f"{batch.damage}; {words}")
