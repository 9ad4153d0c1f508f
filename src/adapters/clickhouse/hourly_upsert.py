"""One upsert of a bounded number of rows: look, update, insert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.clickhouse_errors import ABOUT_A_VALUE
from adapters._bases.errors import InvalidRowError, StorageRejected
from adapters.clickhouse.hourly_statements import Key, StoredRow, select_statement, update_statement
from adapters.clickhouse.hourly_table import HourlyTable
from adapters.clickhouse.mutations import Mutations
from adapters.clickhouse.upsert_report import UpsertReport


class ChunkUpsert:
    """The upsert of one chunk; every call does what is still missing, so it may be called again after any failure.

    Args:
        clickhouse: where the table is.
        name: the table's, quoted, with its database.
        table: what it is.
        mutations: those of the table.
        rows: what to store, by key; not empty.
    """

    def __init__(
        self,
        *,
        clickhouse: ClickHouseAdapter,
        name: str,
        table: HourlyTable,
        mutations: Mutations,
        rows: Mapping[Key, StoredRow],
    ) -> None:
        self._clickhouse = clickhouse
        self._name = name
        self._table = table
        self._mutations = mutations
        self._rows = rows
        self._report: UpsertReport | None = None

    def __call__(self) -> UpsertReport:
        """Store the rows; at most three statements: one SELECT, one ALTER … UPDATE, one INSERT.

        Returns:
            What the first look at the table found to do. A later call, after a lost answer, looks again and does only
            what the first one did not get done, which does not make an inserted row an unchanged one.

        Raises:
            StorageUnavailable: no answer; some, all or none of it may be done: call again.
            StorageRejected: ClickHouse refused; a failed mutation has been withdrawn.
            InvalidRowError: it refused a value; others of the rows may be written.
        """
        stored = self._stored()
        missing = {key: row for key, row in self._rows.items() if key not in stored}
        changed = {
            key: row
            for key, row in self._rows.items()
            if key in stored and any(self._table.changes(row.row, values) for values in stored[key])
        }
        if self._report is None:
            unchanged = len(self._rows) - len(missing) - len(changed)
            self._report = UpsertReport(len(missing), len(changed), unchanged)
        try:
            if changed:
                self._update(changed)
            if missing:
                self._insert(list(missing.values()))
        except StorageRejected as error:
            if error.code not in ABOUT_A_VALUE:
                raise
            raise InvalidRowError(f"{self._named()}: {error.message}") from error
        return self._report

    def _named(self) -> str:
        """The row, or, where there are several, that it is one of them."""
        (symbol, hour), *others = self._rows
        return f"one of {len(self._rows)} rows" if others else f"{symbol!r} at {hour}"

    def _stored(self) -> dict[Key, list[tuple[object, ...]]]:
        """The compared values of every stored row, by key; more than one where rows of one key were put in by hand."""
        stored: dict[Key, list[tuple[object, ...]]] = {}
        for symbol, hour, *values in self._clickhouse.query(select_statement(self._name, self._table, self._rows)):
            stored.setdefault((str(symbol), str(hour)), []).append(tuple(values))
        return stored

    def _update(self, rows: Mapping[Key, StoredRow]) -> None:
        statement = update_statement(self._name, self._table, rows, self._clickhouse.server_version())
        try:
            self._clickhouse.command(statement)
        except StorageRejected as error:
            withdrawn = self._mutations.kill_stuck()
            if not withdrawn:
                raise
            raise StorageRejected(
                f"{error.message}; mutation {', '.join(one.mutation_id for one in withdrawn)} withdrawn",
                next_step=error.next_step,
                code=error.code,
            ) from error

    def _insert(self, rows: Sequence[StoredRow]) -> None:
        """Rows from a backup bring their version along; for the others the server makes one."""
        columns = (*self._table.given, "updated_at")
        fresh = [(*row.row, row.updated_at) for row in rows if row.version is None]
        kept = [(*row.row, row.updated_at, row.version) for row in rows if row.version is not None]
        if fresh:
            self._clickhouse.insert(self._name, columns, fresh)
        if kept:
            self._clickhouse.insert(self._name, (*columns, "version"), kept)
