"""The repository of an hourly table: the table, its rows by key, its backups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, quoted_identifier
from adapters._bases.hourly_backup import RowsTold, export_table, read_backup, telling, told_to_nobody
from adapters._bases.hourly_table import HourlyRow, HourlySchema, HourlyTable
from adapters._bases.hourly_upsert import (
    ChunkUpsert,
    Mutations,
    StoredRow,
    StuckMutation,
    UpsertReport,
    refuse_unstorable,
)
from adapters._bases.retry import RetryPolicy
from adapters._bases.tehran_time import tehran_text

_CHUNK_ROWS = 20_000


class HourlyRepository:
    """One row for each (symbol, Tehran hour); read it through the table's view.

    Every method may raise `StorageUnavailable`, after the retries of `retry`, and `StorageRejected`.

    Args:
        table: which one.
        clickhouse: where the table is; it stays the caller's to close.
        database: plain name.
        retry: how a failed step is tried again.
        clock: the present instant, aware; asked once for each upsert.

    Raises:
        ConfigurationError: the database's name is no identifier.
    """

    def __init__(
        self,
        *,
        table: HourlyTable,
        clickhouse: ClickHouseAdapter,
        database: str,
        retry: RetryPolicy,
        clock: Callable[[], datetime],
    ) -> None:
        self._table = table
        self._clickhouse = clickhouse
        self._retry = retry
        self._clock = clock
        self._name = f"{database}.{table.name}"
        self._schema = HourlySchema(clickhouse=clickhouse, database=database, table=table)
        self._mutations = Mutations(clickhouse=clickhouse, database=database, table=table.name)

    @property
    def name(self) -> str:
        """The table's name with its database's, for people."""
        return self._name

    def describe_server(self) -> str:
        """Which engine answers, where, and its version, in one line."""
        version = ".".join(map(str, self._retry.call(self._clickhouse.server_version)))
        return f"{self._clickhouse.address}, version {version}"

    def ensure_ready(self) -> None:
        """Make the database, the table and the view where they are missing; harmless to repeat.

        Raises:
            StorageRejected: a table of another shape is there; the message says what differs.
        """
        self._retry.call(self._schema.ensure_ready)

    def table_exists(self) -> bool:
        """Whether the table is there."""
        return self._retry.call(self._schema.table_exists)

    def drop_table(self) -> None:
        """Drop the view and the table with every row; harmless when they are missing. The database stays."""
        self._retry.call(self._schema.drop)

    def upsert(self, rows: Iterable[HourlyRow], target_hour: datetime | None = None) -> UpsertReport:
        """Store rows by their keys (symbol, hour); complete when this returns, harmless to repeat.

        A key that the table has gets the new values in place, whoever wrote it and whenever; a key that it has not is
        inserted; a key whose values are the very same (but for the run) is left alone. Of rows with one key the later
        one is stored. An update leaves `fetched_at` and `version` as they were, for the table is sorted and merged by
        them, and what a column `keeps_known` of a value that the row does not have.

        Args:
            rows: any number; taken in chunks of 20,000, each of at most three statements.
            target_hour: aware; the hour that all rows belong to, in whose start those observed at another time are
                placed; None leaves each row in the hour of its `fetched_at`.

        Raises:
            InvalidRowError: a value that cannot be stored; of its chunk nothing was written, unless only ClickHouse saw
                it, such as a text that is no time.
            ValueError: `target_hour` is naive.
        """
        updated_at = tehran_text(self._clock())
        hour = None if target_hour is None else tehran_text(target_hour)[:13] + ":00:00"
        return self._upsert(StoredRow(_placed(row, hour), updated_at) for row in rows)

    def count_rows(self) -> int:
        """How many rows the table holds, more than one of a key counted each."""
        return self._number(f"SELECT count() FROM {self._schema.table}")  # noqa: S608 - quoted

    def fingerprint(self) -> str:
        """A hash over every stored column of every row that the view shows, independent of their order.

        Equal for equal contents, on any server and in the embedded engine.
        """
        names = ", ".join(quoted_identifier(name) for name in self._table.stored)
        statement = f"SELECT sum(sipHash64(tuple({names}))) FROM {self._schema.view}"  # noqa: S608 - quoted
        return f"{self._number(statement):016x}"

    def stuck_mutations(self) -> list[StuckMutation]:
        """Mutations that have failed and are queued, with the statement that would withdraw each. Reads only."""
        return self._retry.call(self._mutations.stuck)

    def export_table(self, path: Path, told: RowsTold = told_to_nobody) -> int:
        """Write every row to a new file, verified by reading it back; how many rows it holds.

        Args:
            path: of the file.
            told: how far it is.

        Raises:
            StateError: the file exists already or cannot be written; none is left behind.
        """
        return self._retry.call(lambda: export_table(self._clickhouse, self._schema.table, self._table, path, told))

    def read_backup(self, path: Path, told: RowsTold = told_to_nobody) -> int:
        """How many rows a backup holds; every byte of it is read and checked. Needs no database.

        Args:
            path: of the file.
            told: how far it is.

        Raises:
            StateError: it is missing, truncated, damaged or of another kind.
        """
        return sum(1 for _ in telling(told, "checking", read_backup(self._table, path), None))

    def restore(self, path: Path, told: RowsTold = told_to_nobody) -> UpsertReport:
        """Put a backup back by the same upsert; a row whose key is missing comes back as it was, to its version.

        Args:
            path: of the file.
            told: how far it is: as it checks the whole file, then as it stores the rows.

        Raises:
            StateError: the file is not a whole backup; nothing was changed.
        """
        rows = self.read_backup(path, told)
        self.ensure_ready()
        return self._upsert(telling(told, "storing", read_backup(self._table, path), rows))

    def _upsert(self, rows: Iterable[StoredRow]) -> UpsertReport:
        report = UpsertReport(0, 0, 0)
        for chunk in _chunks(iter(rows)):
            refuse_unstorable(self._table, chunk)
            upsert = ChunkUpsert(
                clickhouse=self._clickhouse,
                name=self._schema.table,
                table=self._table,
                mutations=self._mutations,
                rows={stored.key: stored for stored in chunk},
            )
            report = report.plus(self._retry.call(upsert))
        return report

    def _number(self, statement: str) -> int:
        return int(str(self._retry.call(lambda: self._clickhouse.query(statement))[0][0]))


def _placed(row: HourlyRow, hour: str | None) -> HourlyRow:
    """The row in the hour, ``YYYY-MM-DD HH:00:00``; None means in its own."""
    return row if hour is None or row.fetched_at[:13] == hour[:13] else row._replace(fetched_at=hour)


def _chunks(rows: Iterator[StoredRow]) -> Iterator[list[StoredRow]]:
    while chunk := list(islice(rows, _CHUNK_ROWS)):
        yield chunk
