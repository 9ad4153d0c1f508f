"""The upsert of an hourly table: look up the keys, update the stored ones, insert the others, look them up again."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple

from adapters._bases.clickhouse_adapter import quoted_name, quoted_text
from adapters._bases.clickhouse_errors import (
    ABOUT_A_VALUE,
    ACCESS_DENIED,
    CONSTRAINT_VIOLATED,
    TIMEOUT_EXCEEDED,
    is_about_size,
)
from adapters._bases.errors import EtlError, InvalidRowError, StorageRejected, StorageUnavailable, causes
from adapters._bases.hourly_table import NEW_VERSION, Correction, HourlyTable, Key
from adapters._bases.schema import FIRST_VERSION_WITH_SOUND_PATCHES, LEDGER, Schema
from adapters._bases.sql_files import definition, query_text
from adapters._bases.topology import if_allowed, stuck_mutations

_CHUNK_ROWS = 20_000
_FIRST_VERSION_WITH_PRUNED_MUTATIONS = (26, 8)
_ROW_BYTES = 1_000  # of the longest statement, generously
_SHOWN_KEYS = 5
_TRIES_OF_A_ROW = 5
_SEVERAL = "more than one row"
_VIEW = re.compile(r"pushing to view ([^\s(]+?)\.?(?: |$)")
# No two keys share a text: what follows the last bar always has the same length.
_KEY_TEXT = "concat(symbol, '|', datetime)"
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_POSITION = "key_position"
# How many rows the SELECT may return for each key before it names every key.
_SUPERSET_LIMIT = 2


class UpsertReport(NamedTuple):
    """The result of an upsert, in rows."""

    inserted: int = 0  # new keys
    updated: int = 0  # stored keys with other values
    unchanged: int = 0  # stored keys with the same values, apart from the run: not written

    def plus(self, other: UpsertReport) -> UpsertReport:
        return UpsertReport(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


Row = Mapping[str, Any]
"""Column to value: the columns of the table's row type, `updated_at`, and `version` unless the server is to make it."""


@dataclass(eq=False, repr=False, kw_only=True)
class IncompleteWriteError(StorageRejected):
    """All rows were written as far as possible; `stored` is visible, and the operator has to look at the rest."""

    stored: UpsertReport


def upsert(rows: Iterable[Row], schema: Schema, *, now: str, unproven: set[Key] | None = None) -> UpsertReport:
    """Store rows by key, chunk by chunk. Complete and visible when this returns. Idempotent.

    Before a stored value of an hour that is over is replaced, it goes into the ledger of corrections.

    Args:
        rows: all with a version or none; the last of several with one key is stored.
        now: Tehran wall time.
        unproven: keys that were acknowledged and not seen since, which are not inserted again; kept up to date, also if
            an error is raised.

    Raises:
        InvalidRowError: a value cannot be stored, and nothing of its chunk was written; or ClickHouse refused a value
            or the size of the chunk, and some of it may be stored.
        StorageUnavailable: no answer after all retries; some, all or none of a chunk may be stored.
        StorageRejected: ClickHouse refused; failed mutations have been killed.
        IncompleteWriteError: some rows are not visible as written, or an object that depends on the table failed.
    """
    retry, remaining, report, incomplete = schema.retry, iter(rows), UpsertReport(), list[_Chunk]()
    limit = int(retry.call(partial(schema.clickhouse.value_of, "max_query_size")) or 0)
    chunk_rows = min(_CHUNK_ROWS, limit // _ROW_BYTES) if limit else _CHUNK_ROWS
    unproven = set() if unproven is None else unproven
    while chunk := list(islice(remaining, chunk_rows)):
        _check_values(schema.table, chunk)
        keyed = {(row["symbol"], f"{row['fetched_at'][:13]}:00:00"): row for row in chunk}
        one = _Chunk(schema, keyed, now, unproven)
        try:
            report = report.plus(retry.call(one.store))
        except (StorageRejected, StorageUnavailable) as error:
            if error.code not in ABOUT_A_VALUE and not is_about_size(error):
                raise
            (symbol, hour), *others = one.rows
            named = f"one of {len(one.rows):,} rows" if others else f"{symbol!r} at {hour}"
            raise InvalidRowError(f"{named}: {error.message}", next_step=error.next_step) from error
        if one.wrong or one.dependent_error:
            incomplete.append(one)
    if incomplete:
        raise _incomplete(schema, incomplete, report)
    return report


def _incomplete(schema: Schema, chunks: Sequence[_Chunk], stored: UpsertReport) -> IncompleteWriteError:
    message, next_step = next((one.dependent_error for one in chunks if one.dependent_error), ("", ""))
    if wrong := [f"{symbol} at {hour}: {what}" for one in chunks for (symbol, hour), what in one.wrong.items()]:
        more = f" and {len(wrong) - _SHOWN_KEYS:,} more" if len(wrong) > _SHOWN_KEYS else ""
        message = (
            f"ClickHouse acknowledged {sum(one.written for one in chunks):,} rows of {schema.name}, but a look at them "
            f"shows: {'; '.join(wrong[:_SHOWN_KEYS])}{more}{message and f'; {message}'}"
        )
        next_step = (
            "look for a row policy, a TTL, a cache or proxy, insert deduplication, or a second writer "
            "(`./run.sh verify`); until they are visible, no run inserts these rows again"
        )
    return IncompleteWriteError(message, next_step=next_step, stored=stored)


def select_statement(name: str, table: HourlyTable, keys: Collection[Key]) -> str:
    """The SELECT of all rows with these keys, at least one, perhaps of others too.

    Its one row, which no break can cut short unnoticed: the version of a row inserted now, the number of rows, and the
    rows: symbol, datetime, the compared columns, fetched_at, version.
    """
    where = _condition(keys, superset=_SUPERSET_LIMIT)
    columns = ("symbol", "datetime", *table.compared, "fetched_at", "version")
    types = definition(table.name).types
    names, kinds = ", ".join(columns), ", ".join(types[name] for name in columns)
    # Cast, because some versions name a tuple's elements, which the driver reads as a dict.
    rows = f"CAST(({names}), 'Tuple({kinds})')"
    return f"SELECT {NEW_VERSION}, count(), groupArray({rows}) FROM {name} WHERE {where}"  # noqa: S608 - quoted


def update_statement(
    name: str, table: HourlyTable, rows: Mapping[Key, Row], version: tuple[int, ...], *, replicated: bool
) -> str:
    """The ALTER … UPDATE that gives every stored row with these keys its new values. It may be repeated.

    It is complete when ClickHouse answers: as a patch part where those are sound, else as a mutation.
    """
    settings = {"mutations_sync": "2"}  # also for the heavy form that ClickHouse falls back to
    if replicated:
        # Patch parts have open bugs on replicas, and a pruned mutation may skip rows that another replica just took.
        if version[:2] >= _FIRST_VERSION_WITH_PRUNED_MUTATIONS:
            settings["optimize_mutations_with_partition_pruning"] = "0"
    elif version[:2] >= FIRST_VERSION_WITH_SOUND_PATCHES:
        settings["alter_update_mode"] = "'lightweight'"
    sent = ", ".join(f"{setting} = {value}" for setting, value in settings.items())
    # The values travel inside the statement: a staging table would have to outlive it.
    assignments = _assignments(table, list(rows.values()), _position_of(rows))
    return f"ALTER TABLE {name} UPDATE {assignments} WHERE {_condition(rows)} SETTINGS {sent}"


def _assignments(table: HourlyTable, rows: Sequence[Row], position: str) -> str:
    """``column = value`` for each column outside the sorting key: the value of all rows, or an array's element."""
    texts = []
    place = f"({position} AS {_POSITION})"  # computed once: the assignments that follow use the alias
    for column in (*table.compared, "run_id", "updated_at"):
        values, kind = [row[column] for row in rows], definition(table.name).types[column]
        if all(value == values[0] for value in values):
            new = f"arrayElement({_json_array(values[:1], kind)}, 1)"
        else:
            new = f"arrayElement({_json_array(values, kind)}, {place})"
            place = _POSITION
        if column in table.keeps_known:
            new = f"coalesce({new}, {column})"
        texts.append(f"{column} = {new}")
    return ", ".join(texts)


def _json_array(values: Iterable[object], element_type: str) -> str:
    # A literal array of thousands of elements is many times slower to parse and plan than one JSON text. JSON keeps
    # every digit of a double: it carries the shortest text that reads back as the same one.
    text = json.dumps(list(values), separators=(",", ":"), allow_nan=False)
    return f"JSONExtract({quoted_text(text)}, {quoted_text(f'Array({element_type})')})"


def _condition(keys: Collection[Key], *, superset: int = 1) -> str:
    """Rows with these keys, and of others if that makes at most `superset` times as many."""
    # By the primary key, and by a range that prunes partitions: the cost grows with the keys, not with the table.
    symbols, hours = sorted({symbol for symbol, _ in keys}), sorted({hour for _, hour in keys})
    condition = (
        f"datetime BETWEEN {quoted_text(hours[0])} AND {quoted_text(hours[-1])} "
        f"AND symbol IN ({', '.join(map(quoted_text, symbols))}) AND datetime IN ({', '.join(map(quoted_text, hours))})"
    )
    if len(symbols) * len(hours) > superset * len(keys):
        condition += f" AND {_position_of(keys)} > 0"
    return condition


def _position_of(keys: Collection[Key]) -> str:
    """The position of a row's key among `keys`, from 1; 0 if it is another key."""
    texts = _json_array((f"{symbol}|{hour}" for symbol, hour in keys), "String")
    return f"transform({_KEY_TEXT}, {texts}, range(1, {len(keys) + 1}), 0)"


def _check_values(table: HourlyTable, rows: Sequence[Row]) -> None:
    """Raise InvalidRowError for a value that its column would not store as it is."""
    # ClickHouse's INSERT would take a missing number for zero, and a price of zero would be made up.
    for name in table.given:
        kind = definition(table.name).types[name]
        fits = _FITS[kind.removeprefix("Nullable(").removesuffix(")")]
        nullable = kind.startswith("Nullable(")
        for row in rows:
            value = row[name]
            if not (nullable if value is None else fits(value)):
                shown = "missing" if value is None else f"{value!a:.60}, which is not a {kind}"
                raise InvalidRowError(f"{row['symbol']!r} at {str(row['fetched_at'])[:13]}:00:00: {name} is {shown}")


_FITS: Mapping[str, Callable[[Any], bool]] = {
    # UTF-8 has no code for half a character.
    "String": lambda value: isinstance(value, str) and not _HALF_CHARACTER.search(value),
    "Float64": lambda value: type(value) in (float, int) and abs(value) <= sys.float_info.max,
    "UInt32": lambda value: type(value) is int and 0 <= value < 1 << 32,
    "UInt64": lambda value: type(value) is int and 0 <= value < 1 << 64,
}


class _Found(NamedTuple):
    compared: Row  # the stored values of the table's compared columns
    fetched_at: str
    version: int
    now: int  # the version of a row inserted now


@dataclass
class _Chunk:
    """The upsert of some rows. Each call of `store` does what is still missing, so it may follow any failure."""

    schema: Schema
    rows: Mapping[Key, Row]
    now: str  # Tehran wall time
    unproven: set[Key]  # see `upsert`
    report: UpsertReport | None = None
    written: int = 0  # rows that ClickHouse acknowledged
    wrong: dict[Key, str] = field(default_factory=dict)  # what is not as it was written
    dependent_error: tuple[str, str] | None = None  # of a view on the table: message and next step

    def __post_init__(self) -> None:
        self.clickhouse, self.table = self.schema.clickhouse, self.schema.table
        self.inserts_changes = self.schema.inserts_changes()

    def store(self) -> UpsertReport:
        try:
            stored = self._stored()
            missing = {key: row for key, row in self.rows.items() if key not in stored}
            new = {key: row for key, row in missing.items() if key not in self.unproven}
            changed = {key: row for key, row in self.rows.items() if self._differing(row, stored.get(key, ()))}
            # What the first call found to do: after a lost answer an inserted row must not turn into an unchanged one.
            if self.report is None:
                unchanged = len(self.rows) - len(missing) - len(changed)
                self.report = UpsertReport(len(new), len(changed), unchanged)
            # New keys first: they are stored even if the update fails.
            self._insert(new)
            self.unproven.update(new)
            self._note_corrections(changed, stored)
            if self.inserts_changes:
                self._insert(self._newer(changed, stored))
            elif changed:
                self._update(changed)
            self.written += len(new) + len(changed)
            self.wrong = self._wrong(stored, self._stored() if new or changed else stored)
        except StorageUnavailable as error:
            if is_about_size(error):  # fewer rows are tried at once, a single one several times
                error.most_tries = 1 if len(self.rows) > 1 else _TRIES_OF_A_ROW
            raise
        self.unproven.difference_update(self.rows)
        self.unproven.update(key for key, what in self.wrong.items() if what != _SEVERAL)
        lost, late = len(self.wrong.keys() & new.keys()), len(self.wrong.keys() & changed.keys())
        return UpsertReport(self.report.inserted - lost, self.report.updated - late, self.report.unchanged)

    def _stored(self) -> dict[Key, list[_Found]]:
        """The stored rows by key: those that an update changes, or the one that the view shows."""
        answer = self.clickhouse.query(select_statement(self.schema.quoted, self.table, self.rows))
        if len(answer) != 1 or len(answer[0][2]) != answer[0][1]:
            raise StorageUnavailable(f"ClickHouse ({self.clickhouse.address}): the look-up of keys was cut short")
        now, _, rows = answer[0]
        stored: dict[Key, list[_Found]] = {}
        # Rows of one key are inserted by hand, or by two hosts at once, or are pending a merge.
        for symbol, hour, *compared, fetched_at, version in sorted(rows, key=itemgetter(-1, -2)):
            values = dict(zip(self.table.compared, compared, strict=True))
            stored.setdefault((symbol, hour), []).append(_Found(values, fetched_at, version, now))
        return stored

    def _differing(self, row: Row, found: Sequence[_Found]) -> list[_Found]:
        """Those of the stored rows of its key that the row would change."""
        return [
            one
            for one in (found[-1:] if self.inserts_changes else found)
            if any(
                row[name] != old and not (row[name] is None and name in self.table.keeps_known)
                for name, old in one.compared.items()
            )
        ]

    def _wrong(self, before: Mapping[Key, list[_Found]], after: Mapping[Key, list[_Found]]) -> dict[Key, str]:
        """What is not as it was written, by key. A newer value that another host wrote meanwhile is right."""
        wrong = {}
        for key, row in self.rows.items():
            found = after.get(key, [])
            differing, earlier = self._differing(row, found), before.get(key)
            if not found:
                wrong[key] = "not visible"
            elif not earlier and len({one.fetched_at for one in found}) > 1:
                wrong[key] = _SEVERAL
            elif differing and (not earlier or any(one[:3] == old[:3] for one in differing for old in earlier)):
                wrong[key] = f"still with {self.table.value} {differing[-1].compared[self.table.value]}"
        return wrong

    def _note_corrections(self, changed: Mapping[Key, Row], stored: Mapping[Key, list[_Found]]) -> None:
        """Add the replaced values of hours that are over to the ledger, unless an attempt before has."""
        value, present, corrections = self.table.value, f"{self.now[:13]}:00:00", []
        for (symbol, hour), row in changed.items():
            old = stored[symbol, hour][-1].compared
            if hour < present and old[value] is not None and old[value] != row[value]:
                of_run = row.get("currency", ""), self.now, row["run_id"]
                endpoints = old.get("endpoint", ""), row.get("endpoint", "")
                corrections.append(
                    Correction(self.table.name, symbol, hour, old[value], row[value], *of_run, *endpoints)
                )
        if not corrections:
            return
        ((noted,),) = self.clickhouse.query(
            query_text("noted_corrections").replace("{database}", f"`{self.schema.database}`"),
            {
                "table": self.table.name,
                "symbols": sorted({one.symbol for one in corrections}),
                "first": min(one.datetime for one in corrections),
                "last": max(one.datetime for one in corrections),
            },
        )
        known = set(map(tuple, noted))
        if new := [one for one in corrections if (*one[1:5], one.run_id) not in known]:
            types = definition(LEDGER).types
            columns = {name: types[name] for name in Correction._fields}
            self.clickhouse.insert(quoted_name(self.schema.database, LEDGER), columns, new)

    def _newer(self, changed: Mapping[Key, Row], stored: Mapping[Key, list[_Found]]) -> dict[Key, Row]:
        """The rows as the next versions of the stored ones: with their sorting key and what they keep."""
        newer: dict[Key, Row] = {}
        for key, row in changed.items():
            found = stored[key][-1]
            kept = {name: found.compared[name] for name in self.table.keeps_known if row[name] is None}
            # The clock of another replica may be ahead, and this one's may have stepped back.
            version = max(found.now, found.version + 1)
            newer[key] = {**row, **kept, "fetched_at": found.fetched_at, "version": version}
        return newer

    def _insert(self, rows: Mapping[Key, Row], **settings: object) -> None:
        if not rows:
            return
        given = next(iter(rows.values()))
        columns = {name: kind for name, kind in definition(self.table.name).types.items() if name in given}
        values = [[row[name] for name in columns] for row in rows.values()]
        try:
            self.clickhouse.insert(self.schema.quoted, columns, values, settings)
        except (StorageRejected, StorageUnavailable) as error:
            # Even if it may pass: the next try would find the rows stored, and not report the view.
            if settings or (isinstance(error, StorageUnavailable) and not _VIEW.search(error.message)):
                raise
            self._insert_without_views(rows, error)

    def _insert_without_views(self, rows: Mapping[Key, Row], error: EtlError) -> None:
        """Insert what is missing after an error of a view on the table, or raise the error if it is of the table."""
        parameters = {"database": self.schema.database, "name": self.table.name}
        [(*_, found)] = self.clickhouse.query(query_text("table"), parameters)
        # A view that the user has no right to is not in the list.
        views = [name for name in found if name in error.message] or found or _VIEW.findall(error.message)
        if not views:
            raise error
        stored = self._stored()
        missing = {key: row for key, row in rows.items() if key not in stored or self._differing(row, stored[key])}
        self._insert(missing, materialized_views_ignore_errors=1)
        view = " or ".join(views)
        self.dependent_error = (
            f"the rows are stored, but {view}, which depends on {self.schema.name}, failed: {error.message}",
            f"repair or drop {view}, and fill it with the rows that it misses",
        )

    def _update(self, rows: Mapping[Key, Row]) -> None:
        version, replicated = self.clickhouse.server_version(), self.schema.is_replicated()
        statement = update_statement(self.schema.quoted, self.table, rows, version, replicated=replicated)
        try:
            self.clickhouse.command(statement)
        except StorageUnavailable as error:
            if error.code == TIMEOUT_EXCEEDED or any(isinstance(cause, TimeoutError) for cause in causes(error)):
                error.message = f"ClickHouse waits for the update: {error.message}"
                error.next_step = "See system.mutations, or `./run.sh check`, for what it waits for."
            raise
        except StorageRejected as error:
            # CONSTRAINT_VIOLATED: the profile locks one of the statement's settings.
            if error.code in (ACCESS_DENIED, CONSTRAINT_VIOLATED):
                error.next_step = f"{error.next_step}; or set CLICKHOUSE_CHANGES=insert, which needs no update"
                raise
            # A failed mutation stays queued and blocks every later one of the table.
            killed = [
                one.mutation_id
                for one in stuck_mutations(self.clickhouse, self.schema.database, self.table.name)
                if if_allowed(self.clickhouse, one.kill_statement)
            ]
            if not killed:
                raise
            message = f"{error.message}; mutation {', '.join(killed)} killed"
            raise StorageRejected(message, next_step=error.next_step, code=error.code) from error
