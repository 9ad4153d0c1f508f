"""The repository of an hourly table: its rows by key, queries, checks and backups."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import ClassVar, NamedTuple

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, Right, lacking, quoted_identifier, quoted_text
from adapters._bases.hourly_backup import Progress, export_table, no_progress, read_backup, reporting
from adapters._bases.hourly_table import OLDEST_VERSION, Hole, HourlyRow, HourlyTable
from adapters._bases.retry import RetryPolicy
from adapters._bases.schema import Schema, definition
from adapters._bases.tehran_time import tehran_text
from adapters._bases.topology import AS_FOUND, Replication
from adapters._bases.upsert import StoredRow, StuckMutation, UpsertReport, stuck_mutations, upsert

ABSURD_FACTOR = 100
"""How many times a value may be above or below what its neighbours say."""
NEIGHBOURS = 2
"""How many stored hours on either side a value is compared with, by the median of all, itself among them."""
MOST_FOUND = 10_000
"""The most findings of a kind; where as many are found, there may be more."""
_FORM = "'%Y-%m-%d %H:%i:%s'"
# An INSERT sets updated_at just before the server makes the version, so a later one means another write. The clocks of
# this host and of the server may differ by this much.
_CLOCK_DIFFERENCE_SECONDS = 2
_IS_UPDATED = (
    "ifNull(toUnixTimestamp(toDateTimeOrNull(updated_at, 'Asia/Tehran')) > "
    f"intDiv(version, 1000000000) + {_CLOCK_DIFFERENCE_SECONDS}, 0)"
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


class StoredPrice(NamedTuple):
    """One stored hour of one symbol, with its hour key as `datetime`.

    Attributes:
        name: what the symbol stands for, as users know it.
        price: the table's value, whatever double is stored, NaN and infinities too.
        market_cap: None if it is not known.
        currency: of the price; empty if the table does not have it.
        is_updated: whether the row was written again after its insert.
    """

    symbol: str
    datetime: str
    name: str
    price: float
    market_cap: float | None
    currency: str
    is_updated: bool


class StoredMeaning(NamedTuple):
    """A coin or pair whose prices are stored under a symbol.

    Attributes:
        meaning: its id or name at the source.
        label: the name that users know it by, in the latest of its rows.
        first: hour key of its first row.
        last: hour key of its last row.
        hours: the number of its rows.
    """

    symbol: str
    meaning: object
    label: str
    first: str
    last: str
    hours: int


class Wrong(NamedTuple):
    """A key at which something is wrong.

    Attributes:
        hour: its hour key.
        detail: what is wrong there, in some words.
    """

    symbol: str
    hour: str
    detail: str


class Defects(NamedTuple):
    """Wrong rows, at most `MOST_FOUND`.

    Attributes:
        repair: the statement that removes them, for an operator to run.
    """

    rows: list[Wrong]
    repair: str


class HourlyRepository:
    """One row for each (symbol, Tehran hour). Read it through the table's view.

    Hours are named by their keys, ``YYYY-MM-DD HH:00:00`` in Tehran, and a span has both its ends inside. Every method
    may raise `StorageUnavailable`, after the retries of `retry`, and `StorageRejected`.

    Args:
        clickhouse: where the table is; the caller closes it.
        database: plain name.
        clock: gives the aware time; asked once for each upsert.
        replication: what the operator set of it.

    Attributes:
        table: of a subclass.

    Raises:
        ConfigurationError: the database's name is not an identifier.
    """

    table: ClassVar[HourlyTable]

    def __init__(
        self,
        *,
        clickhouse: ClickHouseAdapter,
        database: str,
        retry: RetryPolicy,
        clock: Callable[[], datetime],
        replication: Replication = AS_FOUND,
    ) -> None:
        self._clickhouse = clickhouse
        self._retry = retry
        self._clock = clock
        self._database = database
        names = (self.table.name, self.table.view, self.table.holes)
        self._table, self._view, self._holes = (
            f"{quoted_identifier(database)}.{quoted_identifier(name)}" for name in names
        )
        self._schema = Schema(
            clickhouse=clickhouse,
            database=database,
            table=self.table.name,
            views=self.table.views,
            beside=[self.table.holes],  # dashboards join it
            replication=replication,
        )

    @property
    def name(self) -> str:
        """The table's name with its database's, for people."""
        return f"{self._database}.{self.table.name}"

    @property
    def view_name(self) -> str:
        """The view's name with its database's, for people."""
        return f"{self._database}.{self.table.view}"

    def describe_server(self) -> str:
        """The engine that answers, where it is, and its version, in one line."""
        version = ".".join(map(str, self._retry.call(self._clickhouse.server_version)))
        return f"{self._clickhouse.address}, version {version}"

    def describe_topology(self) -> str:
        """Where the database is, and how a changed row is written there, in one line."""
        changes = "the insert of a newer version" if self._retry.call(self._schema.inserts_changes) else "update"
        return f"{self._retry.call(self._schema.checked_topology)}; changes are written by {changes}"

    def is_old(self) -> bool:
        """Whether the server is older than any that the program was tried on."""
        return self._retry.call(self._clickhouse.server_version)[:2] < OLDEST_VERSION

    def lacking_rights(self, also: Sequence[Right] = ()) -> list[tuple[Right, str]] | None:
        """What a run does and the user may not, each with the next step; None where the server cannot be asked.

        Args:
            also: rights that are wanted beside those of the table and its views.
        """
        return self._retry.call(lambda: lacking(self._clickhouse, [*self._schema.wanted_rights(), *also]))

    def kept_settings(self) -> dict[str, str]:
        """The settings that the profile keeps at another value than a run asks for, each with that value."""
        return self._retry.call(self._clickhouse.kept_settings)

    def ensure_ready(self) -> None:
        """Make what is missing: see `Schema.ensure_ready`."""
        self._retry.call(self._schema.ensure_ready)

    def table_exists(self) -> bool:
        """Whether the table is there."""
        return self._retry.call(lambda: self.table.name in self._schema.existing())

    def is_ready(self) -> bool:
        """Whether both the table and its view are there, whatever their shape."""
        return self._retry.call(lambda: {self.table.name, *self.table.views} <= self._schema.existing())

    def differences(self) -> list[str]:
        """How the table and the view differ from what they should be: see `Schema.differences`."""
        return self._retry.call(self._schema.differences)

    def drop_table(self) -> None:
        """Drop the view and the table with every row: see `Schema.drop`."""
        self._retry.call(self._schema.drop)

    def upsert_prices(self, rows: Iterable[HourlyRow], target_hour: datetime | None = None) -> UpsertReport:
        """Store rows by their keys (symbol, hour). Complete when this returns. Idempotent.

        A stored key gets the new values in place, a new key is inserted, and a key whose values are the same (apart
        from the run) is left alone. Of rows with one key the later one is stored. An update keeps `fetched_at` and
        `version`, by which the table is sorted and merged, and of a column that `keeps_known` the value that the row
        does not have.

        Args:
            rows: any number, taken in chunks of 20,000 (smaller if the profile limits max_query_size), at most three
                statements each.
            target_hour: aware; the hour of all rows: those observed outside it are placed at its start. None leaves
                each row in the hour of its `fetched_at`.

        Raises:
            InvalidRowError: a value that cannot be stored. Nothing of its chunk was written, unless only ClickHouse
                could find it, as with a text that should be a time.
            ValueError: `target_hour` is naive.
        """
        updated_at = tehran_text(self._clock())
        hour = None if target_hour is None else tehran_text(target_hour)[:13] + ":00:00"
        return self._upsert(StoredRow(_placed(row, hour), updated_at) for row in rows)

    def count_rows(self) -> int:
        """How many rows the table holds, duplicate keys included, superseded versions not."""
        return self._number(f"SELECT count() FROM {self._table} FINAL")  # noqa: S608 - quoted

    def count_hours(self) -> int:
        """How many keys have a row."""
        return self._number(f"SELECT uniqExact(symbol, datetime) FROM {self._table}")  # noqa: S608 - quoted

    def stored(self, symbols: Sequence[str], *, first: str, last: str, valued_from: str) -> dict[str, StoredHours]:
        """What is stored of these symbols in a span, by symbol. Those without a row there are left out.

        Empty without a table. The values come along from the hour key `valued_from` on.
        """
        value = quoted_identifier(self.table.value)
        statement = (
            f"SELECT symbol, groupUniqArray(datetime), max(datetime), argMax({value}, (datetime, version)), "  # noqa: S608 - quoted
            f"arraySort(groupArrayIf((datetime, version, fetched_at, {value}), datetime >= {{valued_from:String}})) "
            f"FROM {self._table} WHERE {IN_SPAN} AND symbol IN {{symbols:Array(String)}} GROUP BY symbol"
        )
        found = self._read(statement, symbols=list(symbols), first=first, last=last, valued_from=valued_from)
        return {
            # Of several versions of an hour the highest comes last, and stays.
            str(symbol): StoredHours(frozenset(hours), str(last), value, {hour: one for hour, _, _, one in valued})  # type: ignore[arg-type,attr-defined,call-overload]  # as the statement says
            for symbol, hours, last, value, valued in found
        }

    def first_hours(self, symbols: Sequence[str]) -> dict[str, str]:
        """The earliest stored hour of each of these symbols that was ever stored. Reads every month."""
        statement = (
            f"SELECT symbol, min(datetime) FROM {self._table} "  # noqa: S608 - quoted
            "WHERE symbol IN {symbols:Array(String)} GROUP BY symbol"
        )
        found = self._read(statement, symbols=list(symbols)) if symbols else []
        return {str(symbol): str(hour) for symbol, hour in found}

    def symbols(self, *, first: str, last: str) -> set[str]:
        """The symbols with anything stored in a span, none without a table."""
        statement = f"SELECT DISTINCT symbol FROM {self._table} WHERE {IN_SPAN}"  # noqa: S608 - quoted
        return {str(symbol) for (symbol,) in self._read(statement, first=first, last=last)}

    def prices(self, *, first: str, last: str) -> list[StoredPrice]:
        """What the view shows of a span, by symbol and hour, empty without a view."""
        table = self.table
        market_cap = "market_cap" if "market_cap" in table.given else "NULL"
        currency = "currency" if "currency" in table.given else "''"
        columns = f"symbol, datetime, {table.label}, {table.value}, {market_cap}, {currency}, {_IS_UPDATED} != 0"
        return [StoredPrice._make(row) for row in self._shown(columns, first=first, last=last)]

    def note_holes(self, holes: Sequence[Hole]) -> None:
        """Remember holes; missing tables are made first. Idempotent."""

        def note() -> None:
            self._schema.ensure_ready()
            self._clickhouse.insert(self._holes, definition(self.table.holes).types, holes)

        if holes:
            self._retry.call(note)

    def holes(self, symbols: Sequence[str], *, first: str, last: str) -> list[Hole]:
        """The noted holes of these symbols in a span, by symbol and hour."""
        names = ", ".join(map(quoted_identifier, definition(self.table.holes).types))
        statement = (
            f"SELECT {names} FROM {self._holes} FINAL "  # noqa: S608 - quoted
            f"WHERE {IN_SPAN} AND symbol IN {{symbols:Array(String)}} ORDER BY symbol, datetime"
        )
        return [Hole._make(row) for row in self._read(statement, symbols=list(symbols), first=first, last=last)]

    def holes_by_symbol(
        self, symbols: Sequence[str], *, first: str, last: str, meant: Mapping[str, object] | None = None
    ) -> dict[str, set[str]]:
        """Symbol to its holes in a span, without those of what the symbol no longer means.

        Args:
            meant: what each symbol means; None for what is stored last under it.
        """
        noted = self.holes(symbols, first=first, last=last)
        means = self._last_meanings({hole.symbol for hole in noted}) if meant is None else meant
        found: dict[str, set[str]] = {}
        for hole in noted:
            if hole.meaning == means.get(hole.symbol):
                found.setdefault(hole.symbol, set()).add(hole.datetime)
        return found

    def _last_meanings(self, symbols: Collection[str]) -> dict[str, object]:
        statement = (
            f"SELECT symbol, argMax({quoted_identifier(self.table.meaning)}, (datetime, version)) "  # noqa: S608 - quoted
            f"FROM {self._table} WHERE symbol IN {{symbols:Array(String)}} GROUP BY symbol"
        )
        found = self._read(statement, symbols=sorted(symbols)) if symbols else []
        return {str(symbol): meaning for symbol, meaning in found}

    def meanings(self, symbols: Sequence[str] = (), *, retry: RetryPolicy | None = None) -> list[StoredMeaning]:
        """What the prices stored under symbols are of, by symbol and first hour; empty without a table.

        Rows without a meaning, which another program wrote, are left out.

        Args:
            symbols: empty for all.
            retry: in place of the repository's policy.
        """
        meaning, label = quoted_identifier(self.table.meaning), quoted_identifier(self.table.label)
        statement = (
            f"SELECT symbol, {meaning}, argMax({label}, datetime), min(datetime) AS first, max(datetime), "  # noqa: S608 - quoted
            f"uniqExact(datetime) FROM {self._table} FINAL WHERE toString({meaning}) NOT IN ('', '0') "
            "AND (empty({symbols:Array(String)}) OR has({symbols:Array(String)}, symbol)) "
            f"GROUP BY symbol, {meaning} ORDER BY symbol, first, {meaning}"
        )
        parameters = {"symbols": list(symbols)}
        rows = (retry or self._retry).call(lambda: self._clickhouse.query_if_there(statement, parameters))
        return [StoredMeaning._make(row) for row in rows]

    def unfinished(self, symbols: Sequence[str], *, first: str, last: str) -> dict[str, set[str]]:
        """Symbol to the hours of a span that were stored before they were over, and not completed since."""
        if not self.table.completed_by:
            return {}
        statement = (
            f"SELECT symbol, groupUniqArray(datetime) FROM {self._view} WHERE {IN_SPAN} "  # noqa: S608 - quoted
            f"AND symbol IN {{symbols:Array(String)}} AND isNull({quoted_identifier(self.table.completed_by)}) "
            "GROUP BY symbol"
        )
        found = self._read(statement, symbols=list(symbols), first=first, last=last)
        return {str(symbol): set(hours) for symbol, hours in found}  # type: ignore[call-overload]  # an array

    def duplicate_keys(self) -> Defects:
        """Keys with rows of several ``fetched_at``, even if the view hides them."""
        table, setting = self._table, "optimize_aggregation_in_order"  # for a table larger than the memory
        in_order = "" if self._retry.call(lambda: self._clickhouse.locks(setting)) else f" SETTINGS {setting} = 1"
        several = f"FROM {table} GROUP BY symbol, datetime HAVING count() > 1"
        repair = (  # leaves the row that the view shows
            f"DELETE FROM {table} WHERE (symbol, datetime) IN (SELECT symbol, datetime {several}) "  # noqa: S608 - quoted
            "AND (symbol, datetime, (version, fetched_at)) "
            f"NOT IN (SELECT symbol, datetime, max((version, fetched_at)) {several})"
        )
        statement = (
            f"SELECT symbol, datetime, concat(toString(count()), ' rows') FROM {table} FINAL "  # noqa: S608 - quoted
            f"GROUP BY symbol, datetime HAVING count() > 1 ORDER BY symbol, datetime LIMIT {MOST_FOUND}{in_order}"
        )
        return Defects(self._wrong(statement), repair)

    def count_superseded(self) -> int:
        """How many rows stand beside a newer version of themselves, until ClickHouse merges the two."""
        table = self._table
        return self._number(f"SELECT count() - (SELECT count() FROM {table} FINAL) FROM {table}")  # noqa: S608 - quoted

    def wrong_keys(self) -> Defects:
        """Rows whose key is not the hour of their ``fetched_at``, or whose ``fetched_at`` is not a time."""
        return self._rows_where(
            "datetime != concat(substring(fetched_at, 1, 13), ':00:00') "
            f"OR isNull(parseDateTimeOrNull(fetched_at, {_FORM}, 'UTC'))"
        )

    def future_rows(self, *, present: str) -> Defects:
        """Rows of hours after the one whose key is ``present``."""
        return self._rows_where(f"datetime > {quoted_text(present)}")

    def absurd_values(self) -> list[Wrong]:
        """Values that are NULL, not positive, not finite, or far off their neighbours (`ABSURD_FACTOR`)."""
        # Only a column of another type, one of the `differences`, can hold a NULL.
        value, table = quoted_identifier(self.table.value), self._table
        neighbours = f"OVER ({_ALONG_HOURS} {NEIGHBOURS} PRECEDING AND {NEIGHBOURS} FOLLOWING)"
        return self._wrong(
            f"SELECT symbol, datetime, concat('{self.table.value} ', ifNull(toString({value}), 'NULL'), "  # noqa: S608 - quoted
            f"if(isFinite({value}) AND {value} > 0, concat(', its neighbours say about ', toString(around)), '')) FROM "
            f"(SELECT symbol, datetime, {value}, medianExact({value}) {neighbours} AS around FROM {table} FINAL) "
            f"WHERE isNull({value}) OR NOT isFinite({value}) OR {value} <= 0 "
            f"OR (around > 0 AND ({value} > {ABSURD_FACTOR} * around OR {value} * {ABSURD_FACTOR} < around)) "
            f"ORDER BY symbol, datetime LIMIT {MOST_FOUND}"
        )

    def breaks(self, symbols: Sequence[str], *, last: str) -> list[tuple[str, str, str]]:
        """Gaps in the hours of these symbols, by wall clock: symbol, last hour before, first hour after.

        Rows after the hour key `last` and those whose key is not a time are left out: other checks find them.
        """
        previous = f"OVER ({_ALONG_HOURS} 1 PRECEDING AND CURRENT ROW)"
        statement = (
            "SELECT symbol, before, datetime FROM "  # noqa: S608 - quoted
            f"(SELECT symbol, datetime, lagInFrame(datetime, 1, '') {previous} AS before FROM {self._table} "
            "WHERE symbol IN {symbols:Array(String)} AND datetime <= {last:String} "
            f"AND isNotNull(parseDateTimeOrNull(datetime, {_FORM}, 'UTC'))) "
            f"WHERE before != '' AND dateDiff('hour', parseDateTimeOrNull(before, {_FORM}, 'UTC'), "
            f"parseDateTimeOrNull(datetime, {_FORM}, 'UTC')) > 1 "
            f"ORDER BY symbol, datetime LIMIT {MOST_FOUND}"
        )
        return [(one.symbol, one.hour, one.detail) for one in self._wrong(statement, symbols=list(symbols), last=last)]

    def stuck_mutations(self) -> list[StuckMutation]:
        """Mutations that have failed and are queued, with the statement that would withdraw each. Reads only."""
        return self._retry.call(lambda: stuck_mutations(self._clickhouse, self._database, self.table.name))

    def export_table(self, path: Path, progress: Progress = no_progress) -> int:
        """Write every row to a new file, verify it by reading it back, and return how many rows it holds.

        Raises:
            StateError: the file exists already or cannot be written; none is left behind.
        """
        return self._retry.call(lambda: export_table(self._clickhouse, self._table, self.table, path, progress))

    def restore(self, path: Path, progress: Progress = no_progress) -> UpsertReport:
        """Upsert the rows of a backup. One whose key is missing comes back as it was, version included.

        Raises:
            StateError: the file is not a whole backup; nothing was changed.
        """
        rows = sum(1 for _ in reporting(progress, "checking", read_backup(self.table, path), None))
        self.ensure_ready()
        return self._upsert(reporting(progress, "storing", read_backup(self.table, path), rows))

    def _upsert(self, rows: Iterable[StoredRow]) -> UpsertReport:
        return upsert(
            rows,
            clickhouse=self._clickhouse,
            database=self._database,
            table=self.table,
            retry=self._retry,
            replicated=self._retry.call(self._schema.is_replicated),
            inserts_changes=self._retry.call(self._schema.inserts_changes),
        )

    def _number(self, statement: str) -> int:
        return int(str(self._retry.call(lambda: self._clickhouse.query(statement))[0][0]))

    def _read(self, statement: str, **parameters: object) -> list[tuple[object, ...]]:
        return self._retry.call(lambda: self._clickhouse.query_if_there(statement, parameters))

    def _shown(
        self, columns: str, symbols: Sequence[str] | None = None, *, first: str, last: str
    ) -> list[tuple[object, ...]]:
        """Columns, in SQL, of what the view shows of these symbols, or of all, in a span; empty without a view."""
        condition = IN_SPAN if symbols is None else f"{IN_SPAN} AND symbol IN {{symbols:Array(String)}}"
        statement = f"SELECT {columns} FROM {self._view} WHERE {condition} ORDER BY symbol, datetime"  # noqa: S608 - quoted
        return self._read(statement, symbols=list(symbols or ()), first=first, last=last)

    def _rows_where(self, condition: str) -> Defects:
        return Defects(
            self._wrong(
                f"SELECT symbol, datetime, concat('fetched_at is ', fetched_at) FROM {self._table} FINAL "  # noqa: S608 - quoted
                f"WHERE {condition} ORDER BY symbol, datetime LIMIT {MOST_FOUND}"
            ),
            f"DELETE FROM {self._table} WHERE {condition}",  # noqa: S608 - quoted
        )

    def _wrong(self, statement: str, **parameters: object) -> list[Wrong]:
        found = self._retry.call(lambda: self._clickhouse.query(statement, parameters))
        return [Wrong(str(symbol), str(hour), str(detail)) for symbol, hour, detail in found]


def _placed(row: HourlyRow, hour: str | None) -> HourlyRow:
    """The row in the hour with that key, or in its own for None."""
    return row if hour is None or row.fetched_at[:13] == hour[:13] else row._replace(fetched_at=hour)
