"""The repository of an hourly table: its rows by key, what is read of them, what may never stand there, its backups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, quoted_identifier, quoted_text
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
ABSURD_FACTOR = 100
"""How many times a value may be above or below what its neighbours say."""
NEIGHBOURS = 2
"""How many stored hours on either side a value is compared with, by the median of all, itself among them."""
MOST_FOUND = 10_000
"""How many wrong things of a kind are looked for; where as many are found, there may be more."""
_FORM = "'%Y-%m-%d %H:%i:%s'"
_WRONG_KEY = (
    "datetime != concat(substring(fetched_at, 1, 13), ':00:00') "
    f"OR isNull(parseDateTimeOrNull(fetched_at, {_FORM}, 'UTC'))"
)
_ALONG_HOURS = "PARTITION BY symbol ORDER BY datetime ROWS BETWEEN"
IN_SPAN = "datetime BETWEEN {first:String} AND {last:String}"
"""The condition of a SELECT with the parameters ``first`` and ``last``."""


class StoredHours(NamedTuple):
    """What is stored of a symbol within a span.

    Attributes:
        hours: the keys that have a row, each once, in no order.
        last_hour: the latest of them.
        last_value: its value, whatever double stands there; None only in a table of another shape.
        values: hour key to value, of the hours that were asked for with their values; likewise.
    """

    hours: frozenset[str]
    last_hour: str
    last_value: float | None
    values: dict[str, float | None]


class Wrong(NamedTuple):
    """A key at which something is wrong.

    Attributes:
        symbol: of the key.
        hour: of the key, Tehran wall time.
        detail: what is wrong there, in some words.
    """

    symbol: str
    hour: str
    detail: str


class HourlyRepository:
    """One row for each (symbol, Tehran hour); read it through the table's view.

    Hours are named by their keys, ``YYYY-MM-DD HH:00:00`` in Tehran, and a span has both its ends inside. Every method
    may raise `StorageUnavailable`, after the retries of `retry`, and `StorageRejected`.

    Args:
        table: which one.
        clickhouse: where the table is; it stays the caller's to close.
        database: plain name.
        retry: how a failed step is tried again.
        clock: the present instant, aware; asked once for each upsert.

    Attributes:
        table: which one.

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
        self.table = table
        self._clickhouse = clickhouse
        self._retry = retry
        self._clock = clock
        self._database = database
        self._schema = HourlySchema(clickhouse=clickhouse, database=database, table=table)

    @property
    def name(self) -> str:
        """The table's name with its database's, for people."""
        return f"{self._database}.{self.table.name}"

    @property
    def view_name(self) -> str:
        """The view's name with its database's, for people."""
        return f"{self._database}.{self.table.view}"

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

    def is_ready(self) -> bool:
        """Whether both the table and its view are there, whatever their shape."""
        return self._retry.call(self._schema.is_ready)

    def differences(self) -> list[str]:
        """What makes the table or the view another one than is wanted, one line each; none where there is no table."""
        return self._retry.call(self._schema.differences)

    def drop_table(self) -> None:
        """Drop the view and the table with every row; harmless when they are missing. The database stays."""
        self._retry.call(self._schema.drop)

    def upsert_prices(self, rows: Iterable[HourlyRow], target_hour: datetime | None = None) -> UpsertReport:
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

    def count_hours(self) -> int:
        """How many keys have a row: hours of symbols, each once."""
        return self._number(f"SELECT uniqExact(symbol, datetime) FROM {self._schema.table}")  # noqa: S608 - quoted

    def stored(self, symbols: Sequence[str], *, first: str, last: str, valued_from: str) -> dict[str, StoredHours]:
        """What is stored of these symbols in a span; a symbol without a row there is left out. Empty without a table.

        Args:
            symbols: upper case.
            first: months before it are not read.
            last: hour key.
            valued_from: hour key; from here on the values come along.
        """
        value = quoted_identifier(self.table.value)
        statement = (
            f"SELECT symbol, groupUniqArray(datetime), max(datetime), argMax({value}, (datetime, version)), "  # noqa: S608 - quoted
            f"groupArrayIf((datetime, {value}), datetime >= {{valued_from:String}}) "
            f"FROM {self._schema.table} WHERE {IN_SPAN} AND symbol IN {{symbols:Array(String)}} GROUP BY symbol"
        )
        found = self._read(statement, symbols=list(symbols), first=first, last=last, valued_from=valued_from)
        return {
            str(symbol): StoredHours(frozenset(hours), str(last), value, dict(valued))  # type: ignore[call-overload,arg-type]  # as the statement says
            for symbol, hours, last, value, valued in found
        }

    def first_hours(self, symbols: Sequence[str]) -> dict[str, str]:
        """The earliest stored hour of each of these symbols; one that was never stored is left out.

        Ask for few: it looks at every month. Empty without a table.
        """
        statement = (
            f"SELECT symbol, min(datetime) FROM {self._schema.table} "  # noqa: S608 - quoted
            "WHERE symbol IN {symbols:Array(String)} GROUP BY symbol"
        )
        found = self._read(statement, symbols=list(symbols)) if symbols else []
        return {str(symbol): str(hour) for symbol, hour in found}

    def symbols(self, *, first: str, last: str) -> set[str]:
        """The symbols with anything stored in a span; none without a table."""
        statement = f"SELECT DISTINCT symbol FROM {self._schema.table} WHERE {IN_SPAN}"  # noqa: S608 - quoted
        return {str(symbol) for (symbol,) in self._read(statement, first=first, last=last)}

    def duplicate_keys(self) -> list[Wrong]:
        """Keys with more than one row, whether or not a merge or the view would hide it; at most `MOST_FOUND`."""
        return self._wrong(
            f"SELECT symbol, datetime, concat(toString(count()), ' rows') FROM {self._schema.table} "  # noqa: S608 - quoted
            "GROUP BY symbol, datetime HAVING count() > 1 ORDER BY symbol, datetime "
            f"LIMIT {MOST_FOUND} SETTINGS optimize_aggregation_in_order = 1"
        )

    def wrong_keys(self) -> list[Wrong]:
        """Rows whose key is not the hour of their ``fetched_at``, or whose ``fetched_at`` is no time; likewise."""
        return self._wrong(
            f"SELECT symbol, datetime, concat('fetched_at is ', fetched_at) FROM {self._schema.table} "  # noqa: S608 - quoted
            f"WHERE {_WRONG_KEY} ORDER BY symbol, datetime LIMIT {MOST_FOUND}"
        )

    def absurd_values(self) -> list[Wrong]:
        """Values that are NULL, zero, negative, not finite, or `ABSURD_FACTOR` times off their neighbours' median.

        At most `MOST_FOUND`. A NULL can stand in a column of another type only, which is one of the `differences`.
        """
        value, table = quoted_identifier(self.table.value), self._schema.table
        neighbours = f"OVER ({_ALONG_HOURS} {NEIGHBOURS} PRECEDING AND {NEIGHBOURS} FOLLOWING)"
        return self._wrong(
            f"SELECT symbol, datetime, concat('{self.table.value} ', ifNull(toString({value}), 'NULL'), "  # noqa: S608 - quoted
            f"if(isFinite({value}) AND {value} > 0, concat(', its neighbours say about ', toString(around)), '')) FROM "
            f"(SELECT symbol, datetime, {value}, medianExact({value}) {neighbours} AS around FROM {table}) "
            f"WHERE isNull({value}) OR NOT isFinite({value}) OR {value} <= 0 "
            f"OR (around > 0 AND ({value} > {ABSURD_FACTOR} * around OR {value} * {ABSURD_FACTOR} < around)) "
            f"ORDER BY symbol, datetime LIMIT {MOST_FOUND}"
        )

    def future_rows(self, *, present: str) -> list[Wrong]:
        """Rows of hours after the one whose key is ``present``; at most `MOST_FOUND`."""
        return self._wrong(
            f"SELECT symbol, datetime, concat('fetched_at is ', fetched_at) FROM {self._schema.table} "  # noqa: S608 - quoted
            f"WHERE datetime > {{present:String}} ORDER BY symbol, datetime LIMIT {MOST_FOUND}",
            present=present,
        )

    def without_duplicates(self) -> str:
        """A statement, for a person to run, that leaves of each of the `duplicate_keys` the row that the view shows."""
        table = self._schema.table
        several = f"FROM {table} GROUP BY symbol, datetime HAVING count() > 1"
        return (
            f"DELETE FROM {table} WHERE (symbol, datetime) IN (SELECT symbol, datetime {several}) "  # noqa: S608 - quoted
            "AND (symbol, datetime, (version, fetched_at)) "
            f"NOT IN (SELECT symbol, datetime, max((version, fetched_at)) {several})"
        )

    def without_wrong_keys(self) -> str:
        """A statement, for a person to run, that removes the `wrong_keys`."""
        return f"DELETE FROM {self._schema.table} WHERE {_WRONG_KEY}"  # noqa: S608 - quoted

    def without_future_rows(self, *, present: str) -> str:
        """A statement, for a person to run, that removes the `future_rows`."""
        return f"DELETE FROM {self._schema.table} WHERE datetime > {quoted_text(present)}"  # noqa: S608 - quoted

    def breaks(self, symbols: Sequence[str], *, last: str) -> list[tuple[str, str, str]]:
        """Where the hours of these symbols break off: symbol, last hour before, first hour after; by wall clock.

        At most `MOST_FOUND`.

        Args:
            symbols: upper case.
            last: hour key; rows after it are left out, as are those whose key is no time: other checks name them.
        """
        previous = f"OVER ({_ALONG_HOURS} 1 PRECEDING AND CURRENT ROW)"
        statement = (
            "SELECT symbol, before, datetime FROM "  # noqa: S608 - quoted
            f"(SELECT symbol, datetime, lagInFrame(datetime, 1, '') {previous} AS before FROM {self._schema.table} "
            "WHERE symbol IN {symbols:Array(String)} AND datetime <= {last:String} "
            f"AND isNotNull(parseDateTimeOrNull(datetime, {_FORM}, 'UTC'))) "
            f"WHERE before != '' AND dateDiff('hour', parseDateTime(before, {_FORM}, 'UTC'), "
            f"parseDateTime(datetime, {_FORM}, 'UTC')) > 1 "
            f"ORDER BY symbol, datetime LIMIT {MOST_FOUND}"
        )
        return [(one.symbol, one.hour, one.detail) for one in self._wrong(statement, symbols=list(symbols), last=last)]

    def stuck_mutations(self) -> list[StuckMutation]:
        """Mutations that have failed and are queued, with the statement that would withdraw each. Reads only."""
        return self._retry.call(self._mutations().stuck)

    def export_table(self, path: Path, told: RowsTold = told_to_nobody) -> int:
        """Write every row to a new file, verified by reading it back; how many rows it holds.

        Args:
            path: of the file.
            told: how far it is.

        Raises:
            StateError: the file exists already or cannot be written; none is left behind.
        """
        return self._retry.call(lambda: export_table(self._clickhouse, self._schema.table, self.table, path, told))

    def read_backup(self, path: Path, told: RowsTold = told_to_nobody) -> int:
        """How many rows a backup holds; every byte of it is read and checked. Needs no database.

        Args:
            path: of the file.
            told: how far it is.

        Raises:
            StateError: it is missing, truncated, damaged or of another kind.
        """
        return sum(1 for _ in telling(told, "checking", read_backup(self.table, path), None))

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
        return self._upsert(telling(told, "storing", read_backup(self.table, path), rows))

    def _upsert(self, rows: Iterable[StoredRow]) -> UpsertReport:
        report = UpsertReport(0, 0, 0)
        for chunk in _chunks(iter(rows)):
            refuse_unstorable(self.table, chunk)
            upsert = ChunkUpsert(
                clickhouse=self._clickhouse,
                name=self._schema.table,
                table=self.table,
                mutations=self._mutations(),
                rows={stored.key: stored for stored in chunk},
            )
            report = report.plus(self._retry.call(upsert))
        return report

    def _mutations(self) -> Mutations:
        return Mutations(clickhouse=self._clickhouse, database=self._database, table=self.table.name)

    def _number(self, statement: str) -> int:
        return int(str(self._retry.call(lambda: self._clickhouse.query(statement))[0][0]))

    def _read(self, statement: str, **parameters: object) -> list[tuple[object, ...]]:
        """The rows; none where there is no table yet."""
        return self._retry.call(lambda: self._clickhouse.query_if_there(statement, parameters))

    def _wrong(self, statement: str, **parameters: object) -> list[Wrong]:
        found = self._retry.call(lambda: self._clickhouse.query(statement, parameters))
        return [Wrong(str(symbol), str(hour), str(detail)) for symbol, hour, detail in found]


def _placed(row: HourlyRow, hour: str | None) -> HourlyRow:
    """The row in the hour, ``YYYY-MM-DD HH:00:00``; None means in its own."""
    return row if hour is None or row.fetched_at[:13] == hour[:13] else row._replace(fetched_at=hour)


def _chunks(rows: Iterator[StoredRow]) -> Iterator[list[StoredRow]]:
    while chunk := list(islice(rows, _CHUNK_ROWS)):
        yield chunk
