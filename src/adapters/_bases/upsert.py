"""The upsert of an hourly table: look up the keys, update those that are stored, insert the others.

Both statements that look at stored keys find their rows by symbol and datetime, the primary key, and by the range of
datetime, which rules out partitions: their cost grows with the keys asked for, not with the table.

Values are checked here before anything is written, because ClickHouse's INSERT takes a missing number for zero, and its
UPDATE whatever does not fit. A price of zero would be an invented one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

import structlog

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, quoted_identifier, quoted_text, quoted_texts
from adapters._bases.clickhouse_errors import ABOUT_A_VALUE, ACCESS_DENIED, is_too_long
from adapters._bases.errors import InvalidRowError, StorageRejected
from adapters._bases.hourly_table import NEW_VERSION, HourlyRow, HourlyTable, has_sound_patches

log = structlog.get_logger(__name__)
_REASON_LIMIT = 200


class StuckMutation(NamedTuple):
    """A mutation that has failed and is still queued.

    Attributes:
        reason: why it failed last, on one line.
        kill_statement: the SQL that would withdraw it.
    """

    mutation_id: str
    reason: str
    kill_statement: str

    def __str__(self) -> str:
        return f"{self.mutation_id} fails: {self.reason}; this statement withdraws it: {self.kill_statement}"


class Mutations:
    """The mutations of one table. Its name and its database's are unquoted.

    Where the user may not see them, or may not withdraw one, they are left alone, with a warning once.
    """

    def __init__(self, *, clickhouse: ClickHouseAdapter, database: str, table: str) -> None:
        self._clickhouse = clickhouse
        self._database = database
        self._table = table
        self._warned = False

    def stuck(self) -> list[StuckMutation]:
        """The mutations that have failed and are queued, oldest first. Reads only."""
        try:
            found = self._select_stuck()
        except StorageRejected as error:
            self._allow_denied(error)
            return []
        return [self._described(str(mutation_id), str(reason)) for mutation_id, reason in found]

    def kill_stuck(self) -> list[StuckMutation]:
        """Withdraw the stuck ones, those of other programs included, and return them. Idempotent."""
        stuck = self.stuck()
        try:
            for mutation in stuck:
                self._clickhouse.query(mutation.kill_statement)
        except StorageRejected as error:
            self._allow_denied(error)
            return []
        return stuck

    def _allow_denied(self, error: StorageRejected) -> None:
        """Raise any other error than the lack of a right, and warn of that once."""
        if error.code != ACCESS_DENIED:
            raise error
        if not self._warned:
            log.warning("failed mutations are not looked after", reason=error.message, next=error.next_step)
        self._warned = True

    def _select_stuck(self) -> list[tuple[object, ...]]:
        return self._clickhouse.query(
            "SELECT mutation_id, latest_fail_reason FROM system.mutations WHERE database = {database:String} "
            "AND table = {table:String} AND NOT is_done AND latest_fail_reason != '' ORDER BY create_time, mutation_id",
            {"database": self._database, "table": self._table},
        )

    def _described(self, mutation_id: str, reason: str) -> StuckMutation:
        return StuckMutation(
            mutation_id,
            " ".join(reason.split())[:_REASON_LIMIT],
            f"KILL MUTATION WHERE database = {quoted_text(self._database)} AND table = {quoted_text(self._table)} "
            f"AND mutation_id = {quoted_text(mutation_id)}",
        )


class UpsertReport(NamedTuple):
    """What an upsert did, in rows.

    Attributes:
        inserted: keys that were not in the table.
        updated: keys that were, with other values.
        unchanged: keys that were, with the same values (apart from the run): not written.
    """

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0

    def plus(self, other: UpsertReport) -> UpsertReport:
        """The sum of both."""
        return UpsertReport(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


Key = tuple[str, str]
"""(symbol, datetime)"""

# A key as one text; no two keys share one, for what follows the last bar is always as long.
_KEY_TEXT = "concat(symbol, '|', datetime)"
_POSITION = "key_position"
FIRST_VERSION_WITH_PRUNED_MUTATIONS = (26, 8)
# The rows that SELECT may bring beyond those asked for, as a multiple, before it names each key.
_SUPERSET_LIMIT = 2


class StoredRow(NamedTuple):
    """A row as it goes into the table.

    Attributes:
        updated_at: when it is written, Tehran wall time.
        version: the version it had, for a row from a backup; None lets the server make one.
    """

    row: HourlyRow
    updated_at: str
    version: int | None = None

    @property
    def key(self) -> Key:
        """By the hour of `fetched_at`. The table computes the same key by its own formula."""
        return self.row.symbol, f"{self.row.fetched_at[:13]}:00:00"


def select_statement(name: str, table: HourlyTable, keys: Collection[Key]) -> str:
    """The SELECT of symbol, datetime and compared columns of all rows with these keys, perhaps others.

    `name` is the table's, quoted, with its database; `keys` is not empty. It selects every symbol at every hour among
    the keys; where that would be many more than the keys, each key is named.
    """
    symbols, hours = _sides(keys)
    where = _in_grid(symbols, hours)
    if len(symbols) * len(hours) > _SUPERSET_LIMIT * len(keys):
        where += f" AND {_position_of(keys)} > 0"
    columns = ", ".join(quoted_identifier(column) for column in ("symbol", "datetime", *table.compared))
    return f"SELECT {columns} FROM {name} WHERE {where}"  # noqa: S608 - every name and value in it is quoted


def select_versions_statement(name: str, table: HourlyTable, keys: Collection[Key]) -> str:
    """As `select_statement`, with `fetched_at`, `version` and the server's present version behind the columns.

    Those with one key come in the order of their versions: the last one is the row that the view shows.
    """
    columns, source = select_statement(name, table, keys).split(" FROM ", 1)
    return f"{columns}, fetched_at, version, {NEW_VERSION} FROM {source} ORDER BY version, fetched_at"


def update_statement(
    name: str,
    table: HourlyTable,
    rows: Mapping[Key, StoredRow],
    server_version: tuple[int, ...],
    *,
    replicated: bool = False,
    locked: Callable[[str], bool] = lambda _: False,
) -> str:
    """The ALTER … UPDATE that gives every stored row of these keys its new values. Arguments as above.

    It names no setting of which `locked` says that it cannot be changed.

    The values travel inside the statement, so that it needs no staging table that would have to outlive it, and it may
    be repeated. It is complete when ClickHouse answers: as a patch part where those are sound, else as a mutation that
    ClickHouse waits for.
    """
    symbols, hours = _sides(rows)
    where = _in_grid(symbols, hours)
    position = _position_of(rows)
    if len(symbols) * len(hours) != len(rows):
        where += f" AND {position} > 0"
    assignments = _assignments(table, list(rows.values()), position)
    settings = {"mutations_sync": "2"}  # also for the heavy form that ClickHouse falls back to
    if replicated:
        # Patch parts have open faults on replicas; and there a mutation may skip rows that another replica just took.
        if server_version[:2] >= FIRST_VERSION_WITH_PRUNED_MUTATIONS:
            settings["optimize_mutations_with_partition_pruning"] = "0"
    elif has_sound_patches(server_version):
        settings["alter_update_mode"] = "'lightweight'"
    sent = ", ".join(f"{setting} = {value}" for setting, value in settings.items() if not locked(setting))
    return f"ALTER TABLE {name} UPDATE {assignments} WHERE {where}" + (f" SETTINGS {sent}" if sent else "")


def _assignments(table: HourlyTable, rows: Sequence[StoredRow], position: str) -> str:
    """``column = value`` for each updated column: the value of all rows, or the row's place in an array."""
    texts = []
    place = f"({position} AS {_POSITION})"  # the alias serves the assignments that follow: it is computed once
    for column in table.updated:
        value_of = attrgetter(column if column == "updated_at" else f"row.{column}")
        values = [value_of(row) for row in rows]
        kind = table.types[column]
        if all(value == values[0] for value in values):
            new = f"arrayElement({_json_array(values[:1], kind)}, 1)"
        else:
            new = f"arrayElement({_json_array(values, kind)}, {place})"
            place = _POSITION
        if column in table.keeping:
            new = f"coalesce({new}, {quoted_identifier(column)})"
        texts.append(f"{quoted_identifier(column)} = {new}")
    return ", ".join(texts)


def _json_array(values: Iterable[object], element_type: str) -> str:
    """An Array of `element_type`, written as one JSON text and parsed by the server once.

    A literal array is many times slower to parse and to plan once it holds thousands of elements. Doubles keep every
    digit: JSON carries the shortest text that reads back as the same double.

    Raises:
        ValueError: a NaN or an infinity, which JSON cannot carry.
    """
    text = json.dumps(list(values), separators=(",", ":"), allow_nan=False)
    return f"JSONExtract({quoted_text(text)}, {quoted_text(f'Array({element_type})')})"


def _sides(keys: Collection[Key]) -> tuple[list[str], list[str]]:
    return sorted({symbol for symbol, _ in keys}), sorted({hour for _, hour in keys})


def _in_grid(symbols: Sequence[str], hours: Sequence[str]) -> str:
    between = f"datetime BETWEEN {quoted_text(hours[0])} AND {quoted_text(hours[-1])}"
    return f"{between} AND symbol IN ({quoted_texts(symbols)}) AND datetime IN ({quoted_texts(hours)})"


def _position_of(keys: Collection[Key]) -> str:
    """Where a row's key stands among `keys`, from 1. 0 for a row of another key."""
    texts = _json_array((f"{symbol}|{hour}" for symbol, hour in keys), "String")
    return f"transform({_KEY_TEXT}, {texts}, range(1, {len(keys) + 1}), 0)"


def refuse_unstorable(table: HourlyTable, rows: Sequence[StoredRow]) -> None:
    """Check that every value can be written as it is, before anything is.

    Raises:
        InvalidRowError: names a row with a missing value where the column knows no NULL, one of another type or beyond
            its bounds, a number that is not finite, or half a character in a text.
    """
    for name, values in zip(table.given, zip(*(stored.row for stored in rows), strict=True), strict=True):
        kind = table.types[name]
        takes = _taker(kind)
        for (row, *_), value in zip(rows, values, strict=True):
            if not takes(value):
                shown = "missing" if value is None else f"{value!a:.60}, which is not a {kind}"
                raise InvalidRowError(f"{row.symbol!r} at {str(row.fetched_at)[:13]}:00:00: {name} is {shown}")


def _taker(kind: str) -> Callable[[object], bool]:
    """Whether a column of this type takes a value."""
    inner = kind.removeprefix("Nullable(").removesuffix(")")
    takes = _TAKERS[inner]
    return takes if inner == kind else lambda value: value is None or takes(value)


def _is_text(value: object) -> bool:
    """UTF-8 has no code for half a character."""
    return isinstance(value, str) and (value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value))


def _is_double(value: object) -> bool:
    return isinstance(value, (float, int)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_unsigned(bits: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and 0 <= value < 1 << bits


_TAKERS: dict[str, Callable[[object], bool]] = {
    "String": _is_text,
    "Float64": _is_double,
    "UInt32": _is_unsigned(32),
    "UInt64": _is_unsigned(64),
}


def _in_parts(
    rows: Mapping[Key, StoredRow],
    *,
    write: Callable[[Mapping[Key, StoredRow]], str],
    takes: Callable[[str], bool],
    send: Callable[[str], None],
) -> None:
    """Send what is written of these rows, or of each half of them where ClickHouse does not take as long a statement.

    Raises:
        StorageRejected: it is refused, if for its length then already for one row.
    """
    statement = write(rows)
    if len(rows) == 1 or takes(statement):
        try:
            send(statement)
        except StorageRejected as error:
            if len(rows) == 1 or not is_too_long(error):
                raise
        else:
            return
    entries = list(rows.items())
    for part in (entries[: len(rows) // 2], entries[len(rows) // 2 :]):
        _in_parts(dict(part), write=write, takes=takes, send=send)


class _Version(NamedTuple):
    """The row of a key that the view shows.

    Attributes:
        compared: its values of the table's `compared` columns.
        now: the version that a row inserted now would get.
    """

    compared: tuple[object, ...]
    fetched_at: str
    version: int
    now: int


class ChunkUpsert:
    """The upsert of one chunk. Each call does what is still missing, so it may follow any failure.

    Args:
        name: the table's, quoted, with its database.
        rows: what to store, by key; not empty.
        replicated: whether the table's rows are on several replicas.
        inserts_changes: whether a changed row is inserted as a newer version of the stored one, in place of an update.
    """

    def __init__(
        self,
        *,
        clickhouse: ClickHouseAdapter,
        name: str,
        table: HourlyTable,
        mutations: Mutations,
        rows: Mapping[Key, StoredRow],
        replicated: bool = False,
        inserts_changes: bool = False,
    ) -> None:
        self._clickhouse = clickhouse
        self._name = name
        self._table = table
        self._mutations = mutations
        self._rows = rows
        self._replicated = replicated
        self._inserts_changes = inserts_changes
        self._report: UpsertReport | None = None

    def __call__(self) -> UpsertReport:
        """Store the rows by one SELECT, then one INSERT and one ALTER … UPDATE, or one or two INSERTs.

        Where the profile wants shorter statements, SELECT and UPDATE become several. New keys are stored whatever
        becomes of the update.

        Returns:
            What the first SELECT found to do. A later call, after a lost answer, does only what the first one did not
            get done, which does not turn an inserted row into an unchanged one.

        Raises:
            StorageUnavailable: no answer; some, all or none of it may be done.
            StorageRejected: ClickHouse refused; a failed mutation has been withdrawn.
            InvalidRowError: it refused a value; others of the rows may be written.
        """
        versions = self._versions() if self._inserts_changes else {}
        stored = {key: [one.compared] for key, one in versions.items()} if self._inserts_changes else self._stored()
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
            newer = [self._newer(row, versions[key]) for key, row in changed.items() if key in versions]
            if missing or newer:
                self._insert([*missing.values(), *newer])
            if changed and not self._inserts_changes:
                self._update(changed)
        except StorageRejected as error:
            if error.code not in ABOUT_A_VALUE:
                raise
            raise InvalidRowError(f"{self._named()}: {error.message}") from error
        return self._report

    def _named(self) -> str:
        (symbol, hour), *others = self._rows
        return f"one of {len(self._rows)} rows" if others else f"{symbol!r} at {hour}"

    def _stored(self) -> dict[Key, list[tuple[object, ...]]]:
        """The compared values of every stored row by key, several for rows of one key inserted by hand."""
        stored: dict[Key, list[tuple[object, ...]]] = {}
        for symbol, hour, *values in self._found(select_statement):
            stored.setdefault((str(symbol), str(hour)), []).append(tuple(values))
        return stored

    def _versions(self) -> dict[Key, _Version]:
        """The row of each stored key that the view shows."""
        return {
            (str(symbol), str(hour)): _Version(tuple(values), str(fetched_at), int(str(version)), int(str(now)))
            for symbol, hour, *values, fetched_at, version, now in self._found(select_versions_statement)
        }

    def _found(self, write: Callable[[str, HourlyTable, Collection[Key]], str]) -> list[tuple[object, ...]]:
        """The stored rows of these keys, perhaps others', by one of the SELECTs above."""
        found: list[tuple[object, ...]] = []
        _in_parts(
            self._rows,
            write=lambda part: write(self._name, self._table, part),
            takes=self._clickhouse.takes,
            send=lambda statement: found.extend(self._clickhouse.query(statement)),
        )
        return found

    def _newer(self, row: StoredRow, stored: _Version) -> StoredRow:
        """The row as the next version of the stored one: under its sorting key, with what it keeps of it."""
        kept = {
            name: old
            for name, old in zip(self._table.compared, stored.compared, strict=True)
            if name in self._table.keeping and getattr(row.row, name) is None
        }
        # The clock of another replica may be ahead, and this one's may have stepped back.
        version = max(stored.now, stored.version + 1)
        return row._replace(row=row.row._replace(fetched_at=stored.fetched_at, **kept), version=version)

    def _update(self, rows: Mapping[Key, StoredRow]) -> None:
        version = self._clickhouse.server_version()
        try:
            _in_parts(
                rows,
                write=lambda part: update_statement(
                    self._name,
                    self._table,
                    part,
                    version,
                    replicated=self._replicated,
                    locked=self._clickhouse.locks,
                ),
                takes=self._clickhouse.takes,
                send=self._clickhouse.command,
            )
        except StorageRejected as error:
            if error.code == ACCESS_DENIED:
                error.next_step = f"{error.next_step}; or set CLICKHOUSE_CHANGES=insert, which needs no such right"
                raise
            withdrawn = self._mutations.kill_stuck()
            if not withdrawn:
                raise
            raise StorageRejected(
                f"{error.message}; mutation {', '.join(one.mutation_id for one in withdrawn)} withdrawn",
                next_step=error.next_step,
                code=error.code,
            ) from error

    def _insert(self, rows: Sequence[StoredRow]) -> None:
        """Insert the rows. Those from a backup and newer versions bring theirs along, the server makes the others'."""
        columns = {name: self._table.types[name] for name in (*self._table.given, "updated_at")}
        fresh = [(*row.row, row.updated_at) for row in rows if row.version is None]
        kept = [(*row.row, row.updated_at, row.version) for row in rows if row.version is not None]
        if fresh:
            self._clickhouse.insert(self._name, columns, fresh)
        if kept:
            self._clickhouse.insert(self._name, {**columns, "version": self._table.types["version"]}, kept)
