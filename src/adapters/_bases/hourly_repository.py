"""The repository of an hourly table: its rows by key, queries, checks and backups."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, Right, lacking, quoted_identifier, quoted_text
from adapters._bases.corrections import LEDGER, Corrections, read_corrections
from adapters._bases.hourly_table import (
    IS_UPDATED,
    OLDEST_VERSION,
    Defects,
    Hole,
    HourlyRow,
    HourlyTable,
    StoredHours,
    StoredMeaning,
    StoredPrice,
    Wrong,
)
from adapters._bases.mutations import StuckMutation, stuck_mutations
from adapters._bases.retry import RetryPolicy
from adapters._bases.schema import Schema, definition
from adapters._bases.table_backup import Progress, no_progress, read_backup, reporting
from adapters._bases.tehran_time import from_text, tehran_text
from adapters._bases.time_to_live import expired_hours, ttl_of
from adapters._bases.topology import AS_FOUND, Replication
from adapters._bases.upsert import Key, StoredRow, UpsertReport, upsert

MOST_FOUND = 10_000
"""The most findings of a check; if it finds as many, there may be more."""
# A value is absurd if it is this many times above or below the median of itself and its two neighbors on either side,
# or that of the three before it, since a wrong level may stay. After a pause of days the lower factor counts: a pair
# that comes back at another level may be another coin.
_ABSURD_FACTOR = 100
_PAUSE_DAYS, _LEVEL_FACTOR = 7, 5
_FORM = "'%Y-%m-%d %H:%i:%s'"
_ALONG_HOURS = "PARTITION BY symbol ORDER BY datetime ROWS BETWEEN"
_IN_SPAN = "datetime BETWEEN {first:String} AND {last:String}"
_OF_SYMBOLS = "symbol IN {symbols:Array(String)}"


class HourlyRepository:
    """One row for each (symbol, Tehran hour). Read it through the table's view.

    Hours are given by their keys, ``YYYY-MM-DD HH:00:00`` in Tehran, and a span includes both ends. Every method
    may raise `StorageUnavailable`, after the retries of `retry`, and `StorageRejected`.

    Args:
        clickhouse: where the table is; the caller closes it.
        database: plain name.
        clock: gives the aware time; asked once for each upsert.
    """

    table: ClassVar[HourlyTable]  # set by a subclass

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
        names = (self.table.name, self.table.view, self.table.holes, self.table.renames or "none")
        self._table, self._view, self._holes, self._renames = (
            f"{quoted_identifier(database)}.{quoted_identifier(name)}" for name in names
        )
        self._schema = Schema(
            clickhouse=clickhouse,
            database=database,
            table=self.table.name,
            views=self.table.views,
            beside=[*self.table.beside, LEDGER],
            replication=replication,
        )

    @property
    def name(self) -> str:
        """The table's name with its database, for messages."""
        return f"{self._database}.{self.table.name}"

    @property
    def has_trades(self) -> bool:
        """Whether a row says how many trades its hour had."""
        return "trades" in self.table.given

    @property
    def view_name(self) -> str:
        """The view's name with its database, for messages."""
        return f"{self._database}.{self.table.view}"

    def describe_server(self) -> str:
        """The server's address and version."""
        version = ".".join(map(str, self._retry.call(self._clickhouse.server_version)))
        return f"{self._clickhouse.address}, version {version}"

    def describe_topology(self) -> str:
        """Where the database is, and how a changed row is written."""
        changes = "the insert of a newer version" if self._retry.call(self._schema.inserts_changes) else "update"
        return f"{self._retry.call(self._schema.checked_topology)}; changes are written by {changes}"

    def is_old(self) -> bool:
        """Whether the server is older than the oldest supported version."""
        return self._retry.call(self._clickhouse.server_version)[:2] < OLDEST_VERSION

    def lacking_rights(self, also: Sequence[Right] = ()) -> list[tuple[Right, str]] | None:
        """The rights, these also, that a run needs and the user lacks: see `lacking`."""
        return self._retry.call(lambda: lacking(self._clickhouse, [*self._schema.wanted_rights(), *also]))

    def kept_settings(self) -> dict[str, str]:
        """The settings that the profile keeps at another value than a run requests, each with that value."""
        return self._retry.call(self._clickhouse.kept_settings)

    def ensure_ready(self) -> None:
        """Make missing tables and views, renew older views: see `Schema.ensure_ready`."""
        self._retry.call(self._schema.ensure_ready)

    def table_exists(self) -> bool:
        """Whether the table exists."""
        return self._retry.call(self._schema.has_table)

    def is_ready(self) -> bool:
        """Whether the table and its views exist, regardless of their shape."""
        return self._retry.call(self._schema.is_ready)

    def differences(self) -> list[str]:
        """How the table and its views differ from their definitions: see `Schema.differences`."""
        return self._retry.call(self._schema.differences)

    def drop_table(self) -> None:
        """Drop the table and its views: see `Schema.drop`."""
        self._retry.call(self._schema.drop)

    def upsert_prices(
        self, rows: Iterable[HourlyRow], target_hour: datetime | None = None, *, unproven: set[Key] | None = None
    ) -> UpsertReport:
        """Store rows by their keys (symbol, hour). Complete and visible when this returns. Idempotent.

        A new key is inserted, a stored key gets the new values in place, and a key with the same values (apart from
        the run) is not written. Of rows with one key the later one is stored. An update keeps `fetched_at` and
        `version`, by which the table is sorted and merged, and a known value in a column that `keeps_known`.

        Args:
            rows: any number; errors as of `upsert`.
            unproven: see `upsert`.
            target_hour: aware; the hour of all rows: those observed outside it are placed at its start. None for the
                hour of each row's `fetched_at`.
        """
        updated_at = tehran_text(self._clock())
        hour = None if target_hour is None else tehran_text(target_hour)[:13] + ":00:00"
        placed = (row._replace(fetched_at=hour) if hour and row.fetched_at[:13] != hour[:13] else row for row in rows)
        return self._upsert((StoredRow(row, updated_at) for row in placed), updated_at, unproven)

    def count_rows(self) -> int:
        """The number of rows, including duplicate keys, without superseded versions."""
        return self._number(f"SELECT count() FROM {self._table} FINAL")  # noqa: S608 - quoted

    def count_hours(self) -> int:
        """The number of stored keys."""
        return self._number(f"SELECT uniqExact(symbol, datetime) FROM {self._table}")  # noqa: S608 - quoted

    def stored(self, symbols: Sequence[str], *, first: str, last: str, valued_from: str) -> dict[str, StoredHours]:
        """What is stored of these symbols in a span, with values from the hour key `valued_from` on.

        Symbols without a row there are left out; empty without a table.
        """
        value = self.table.value
        statement = (
            f"SELECT symbol, groupUniqArray(datetime), max(datetime), argMax({value}, (datetime, version)), "  # noqa: S608 - quoted
            f"arraySort(groupArrayIf((datetime, version, fetched_at, {value}), datetime >= {{valued_from:String}})) "
            f"FROM {self._table} WHERE {_IN_SPAN} AND {_OF_SYMBOLS} AND {self._named} GROUP BY symbol"
        )
        found = self._read(statement, symbols=list(symbols), first=first, last=last, valued_from=valued_from)
        return {
            # The highest of several versions of an hour comes last.
            str(symbol): StoredHours(frozenset(hours), str(last), value, {hour: one for hour, _, _, one in valued})  # type: ignore[arg-type,attr-defined,call-overload]  # as the statement says
            for symbol, hours, last, value, valued in found
        }

    def first_hours(self, symbols: Sequence[str]) -> dict[str, str]:
        """The earliest stored hour of each of these symbols that was ever stored. Reads every month."""
        return self._by_symbol("min(datetime)", symbols)

    def listed(self, *, since: str) -> dict[str, int]:
        """The coins that the list of the largest held in an hour from this key on, with their ids, the largest first.

        Empty without a list.
        """
        statement = (
            f"SELECT symbol, argMax(cmc_id, (datetime, version)) FROM {self._lists()} "  # noqa: S608 - quoted
            "WHERE endpoint = 'listings' AND datetime >= {since:String} GROUP BY symbol "
            "ORDER BY argMax(ifNull(cmc_rank, 4294967295), (datetime, version)), symbol"
        )
        rows = self._read(statement, since=since) if self.table.lists else []
        return {str(symbol): int(str(cmc_id)) for symbol, cmc_id in rows}

    def absences(self, symbols: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
        """Symbol to spans of hour keys, both ends included, in which no list held it: no hour of them is expected.

        Empty for symbols that no list ever held.
        """
        statement = f"SELECT symbol, since, until FROM {self._lists('_absences')} WHERE {_OF_SYMBOLS}"  # noqa: S608 - quoted
        spans: dict[str, list[tuple[str, str]]] = {}
        for symbol, since, until in self._read(statement, symbols=list(symbols)) if self.table.lists else ():
            spans.setdefault(str(symbol), []).append((str(since), str(until)))
        return spans

    def _lists(self, view: str = "") -> str:
        return f"{quoted_identifier(self._database)}.{quoted_identifier(self.table.lists + view)}"

    def symbols(self, *, first: str, last: str) -> set[str]:
        """The symbols stored in a span; none without a table."""
        statement = f"SELECT DISTINCT symbol FROM {self._table} WHERE {_IN_SPAN} AND {self._named}"  # noqa: S608 - quoted
        return {str(symbol) for (symbol,) in self._read(statement, first=first, last=last)}

    def prices(self, *, first: str, last: str) -> list[StoredPrice]:
        """What the view shows of a span, by symbol and hour; empty without a view."""
        table = self.table
        market_cap = "market_cap" if "market_cap" in table.given else "NULL"
        currency = "currency" if "currency" in table.given else "''"
        extremes = "low, high" if {"low", "high"} <= set(table.given) else "NULL, NULL"
        columns = f"symbol, datetime, {table.label}, {table.value}, {market_cap}, {currency}, {IS_UPDATED}, {extremes}"
        rows = self._shown(columns, first=first, last=last)
        return [StoredPrice._make((*of, bool(is_updated), low, high)) for *of, is_updated, low, high in rows]

    def corrections(self, *, since: str, most: int = 1) -> Corrections:
        """The values replaced since a Tehran time, the `most` largest, at least one, in full; none without a ledger."""
        return self._retry.call(
            lambda: read_corrections(self._clickhouse, self._database, self.table.name, since=since, most=most)
        )

    def note_holes(self, holes: Sequence[Hole]) -> None:
        """Note what a run found; what was found at least a day before too is certain. Idempotent.

        Missing tables are made first.
        """

        def note() -> None:
            self._schema.ensure_ready()
            self._clickhouse.insert(self._holes, definition(self.table.holes).types, new)

        hours = [hole.datetime for hole in holes] or [""]
        symbols = sorted({hole.symbol for hole in holes})
        known = {one[:3]: one for one in self.holes(symbols, first=min(hours), last=max(hours))}
        new = []
        for hole in holes:
            before = known.get(hole[:3])
            if before is None:
                new.append(hole)
            elif not before.is_certain and before.noted_at <= tehran_text(from_text(hole.noted_at) - timedelta(days=1)):
                new.append(hole._replace(noted_at=f"{before.noted_at} and {hole.noted_at}"))
        if new:
            self._retry.call(note)

    def holes(self, symbols: Sequence[str], *, first: str, last: str) -> list[Hole]:
        """The noted holes of these symbols in a span, by symbol and hour."""
        columns = ", ".join(definition(self.table.holes).types)
        rows = self._shown(columns, symbols, first=first, last=last, source=f"{self._holes} FINAL")
        return [Hole._make(row) for row in rows]

    def holes_by_symbol(
        self,
        symbols: Sequence[str],
        *,
        first: str,
        last: str,
        meant: Mapping[str, object] | None = None,
        noted_since: str | None = None,
    ) -> dict[str, set[str]]:
        """Symbol to its certain holes in a span, without those of what the symbol no longer means.

        Args:
            meant: what each symbol means; None for what was stored last.
            noted_since: Tehran wall time since which also those count that were noted once; None for none of them.
        """
        noted = [
            hole
            for hole in self.holes(symbols, first=first, last=last)
            if hole.is_certain or (noted_since is not None and hole.noted_at > noted_since)
        ]
        if meant is None:
            last_meaning = f"argMax({self.table.meaning}, (datetime, version))"
            meant = self._by_symbol(last_meaning, sorted({hole.symbol for hole in noted}))
        return _grouped((hole.symbol, hole.datetime) for hole in noted if hole.meaning == meant.get(hole.symbol))

    def meanings(self, symbols: Sequence[str] = (), *, retry: RetryPolicy | None = None) -> list[StoredMeaning]:
        """The coins or pairs whose prices are stored, by symbol and first hour; empty without a table.

        Rows without a meaning, which another program wrote, are left out.

        Args:
            symbols: empty for all.
            retry: in place of the repository's policy.
        """
        meaning, label = self.table.meaning, self.table.label
        statement = (
            f"SELECT symbol, {meaning}, argMax({label}, datetime), min(datetime) AS first, max(datetime), "  # noqa: S608 - quoted
            f"uniqExact(datetime) FROM {self._table} FINAL WHERE toString({meaning}) NOT IN ('', '0') "
            "AND (empty({symbols:Array(String)}) OR has({symbols:Array(String)}, symbol)) "
            f"AND {self._named} GROUP BY symbol, {meaning} ORDER BY symbol, first, {meaning}"
        )
        parameters = {"symbols": list(symbols)}
        rows = (retry or self._retry).call(lambda: self._clickhouse.query_if_there(statement, parameters))
        return [StoredMeaning._make(row) for row in rows]

    def rename(self, symbol: str, renamed_to: str, meaning: int) -> None:
        """Copy rows and holes to the symbol's new name, and leave them out under the old one. Idempotent.

        Hours that are stored under the new name stay as they are.
        """
        self.ensure_ready()
        for name, columns in ((self._table, self.table.stored), (self._holes, definition(self.table.holes).types)):
            others = ", ".join(column for column in columns if column != "symbol")
            statement = (
                f"INSERT INTO {name} (symbol, {others}) SELECT {quoted_text(renamed_to)}, {others} FROM {name} FINAL "  # noqa: S608 - quoted
                f"WHERE symbol = {quoted_text(symbol)} AND {self.table.meaning} = {meaning} AND datetime NOT IN "
                f"(SELECT datetime FROM {name} WHERE symbol = {quoted_text(renamed_to)})"
            )
            self._retry.call(partial(self._clickhouse.command, statement))
        rows = [(one, meaning, renamed_to, tehran_text(self._clock())) for one in (symbol, renamed_to)]
        types = definition(self.table.renames).types
        self._retry.call(lambda: self._clickhouse.insert(self._renames, types, rows))

    @cached_property
    def _named(self) -> str:
        """The condition, in SQL, on rows that the view shows under their symbol: see `rename`."""
        if not self.table.renames:
            return "1"
        meaning = self.table.meaning
        renamed = f"SELECT symbol, {meaning} FROM {self._renames} FINAL WHERE renamed_to != symbol"  # noqa: S608 - quoted
        if self._schema.is_made:
            return f"(symbol, {meaning}) NOT IN ({renamed})"
        # Read apart: a table of an older version has no such table beside it yet.
        found = self._read(renamed)
        pairs = ", ".join(f"({quoted_text(str(symbol))}, {cmc_id})" for symbol, cmc_id in found)
        return f"(symbol, {meaning}) NOT IN ({pairs})" if pairs else "1"

    def unfinished(self, symbols: Sequence[str], *, first: str, last: str) -> dict[str, set[str]]:
        """Symbol to the hours of a span that were stored before they were over, and not completed since."""
        if not self.table.completed_by:
            return {}
        unfinished = f"isNull({self.table.completed_by})"
        rows = self._shown("symbol, datetime", symbols, first=first, last=last, where=unfinished)
        return _grouped((str(symbol), str(hour)) for symbol, hour in rows)

    def duplicate_keys(self) -> Defects:
        """Keys with rows of several ``fetched_at``, even if the view hides them."""
        table = self._table
        # For a table larger than the memory.
        self._retry.call(lambda: self._clickhouse.keep_settings({"optimize_aggregation_in_order": 1}))
        several = f"FROM {table} GROUP BY symbol, datetime HAVING count() > 1"
        repair = (  # leaves the row that the view shows
            f"DELETE FROM {table} WHERE (symbol, datetime) IN (SELECT symbol, datetime {several}) "  # noqa: S608 - quoted
            "AND (symbol, datetime, (version, fetched_at)) "
            f"NOT IN (SELECT symbol, datetime, max((version, fetched_at)) {several})"
        )
        statement = (
            f"SELECT symbol, datetime, concat(toString(count()), ' rows') FROM {table} FINAL "  # noqa: S608 - quoted
            f"GROUP BY symbol, datetime HAVING count() > 1 ORDER BY symbol, datetime LIMIT {MOST_FOUND}"
        )
        return Defects(self._wrong(statement), repair)

    def count_superseded(self) -> int:
        """The number of rows with a newer version, until ClickHouse merges them."""
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

    def absurd_values(self, *, first: str = "") -> list[Wrong]:
        """Values from an hour key on that are NULL, not positive, not finite, or far off their neighbors."""
        # Only a column of another type, one of the `differences`, can hold a NULL.
        value, is_traded = self.table.value, "ifNull(trades, 1) > 0" if self.has_trades else "1"
        at, until = (f"parseDateTimeOrNull({hour}, {_FORM}, 'UTC')" for hour in ("datetime", "until"))
        off_neighbors, off_earlier = (
            f"({median} > 0 AND ({value} > factor * {median} OR {value} * factor < {median}))"
            for median in ("around", "earlier")
        )
        statement = f"""
            SELECT symbol, datetime, concat('{value} ', ifNull(toString({value}), 'NULL'), multiIf(
                {off_neighbors}, concat(', its neighbors are about ', toString(around)),
                {off_earlier}, concat(', before it about ', toString(earlier), ' until ', until), ''))
            FROM (
                SELECT symbol, datetime, {value},
                    medianExact({value}) OVER ({_ALONG_HOURS} 2 PRECEDING AND 2 FOLLOWING) AS around,
                    medianExact({value}) OVER ({_ALONG_HOURS} 3 PRECEDING AND 1 PRECEDING) AS earlier,
                    maxIf(datetime, {is_traded}) OVER ({_ALONG_HOURS} UNBOUNDED PRECEDING AND 1 PRECEDING) AS until,
                    if(dateDiff('day', {until}, {at}) >= {_PAUSE_DAYS}, {_LEVEL_FACTOR}, {_ABSURD_FACTOR}) AS factor
                FROM {self._table} FINAL WHERE {self._named} AND datetime >= {{first:String}}
            )
            WHERE isNull({value}) OR NOT isFinite({value}) OR {value} <= 0 OR {off_neighbors} OR {off_earlier}
            ORDER BY symbol, datetime LIMIT {MOST_FOUND}"""  # noqa: S608 - quoted
        return self._wrong(statement, first=first)

    def idle(self, symbols: Sequence[str], *, since: str) -> list[str]:
        """The symbols that were stored by an hour key but have no trade since, while the table has rows since."""
        statement = (
            f"SELECT symbol FROM {self._table} WHERE {_OF_SYMBOLS} GROUP BY symbol "  # noqa: S608 - quoted
            "HAVING min(datetime) <= {since:String} AND countIf(datetime >= {since:String} AND trades > 0) = 0 "
            f"AND (SELECT max(datetime) FROM {self._table}) >= {{since:String}} ORDER BY symbol"
        )
        return [str(symbol) for (symbol,) in self._read(statement, symbols=list(symbols), since=since)]

    def breaks(self, symbols: Sequence[str], *, last: str) -> list[tuple[str, str, str]]:
        """Gaps in the hours of these symbols, by wall clock: symbol, last hour before, first hour after.

        Rows after the hour key `last` and those whose key is not a time are left out: other checks find them.
        """
        previous = f"OVER ({_ALONG_HOURS} 1 PRECEDING AND CURRENT ROW)"
        statement = (
            "SELECT symbol, before, datetime FROM "  # noqa: S608 - quoted
            f"(SELECT symbol, datetime, lagInFrame(datetime, 1, '') {previous} AS before FROM {self._table} "
            f"WHERE {_OF_SYMBOLS} AND {self._named} AND datetime <= {{last:String}} "
            f"AND isNotNull(parseDateTimeOrNull(datetime, {_FORM}, 'UTC'))) "
            f"WHERE before != '' AND dateDiff('hour', parseDateTimeOrNull(before, {_FORM}, 'UTC'), "
            f"parseDateTimeOrNull(datetime, {_FORM}, 'UTC')) > 1 "
            f"ORDER BY symbol, datetime LIMIT {MOST_FOUND}"
        )
        return [(one.symbol, one.hour, one.detail) for one in self._wrong(statement, symbols=list(symbols), last=last)]

    def ttl(self) -> str:
        """The table's TTL, as ClickHouse shows it; empty if there is none."""
        return self._retry.call(lambda: ttl_of(self._clickhouse, self._database, self.table.name))

    def expired(self, hours: Collection[str]) -> tuple[str, set[str]]:
        """The table's TTL, and those of these hour keys whose rows it would delete. Asks once, without retries."""
        ttl = ttl_of(self._clickhouse, self._database, self.table.name)
        return ttl, expired_hours(self._clickhouse, self.table, ttl, hours) if ttl else set()

    def stuck_mutations(self) -> list[StuckMutation]:
        """Mutations that have failed and are queued, each with the statement that kills it. Reads only."""
        return self._retry.call(lambda: stuck_mutations(self._clickhouse, self._database, self.table.name))

    def restore(self, path: Path, total: int | None = None, progress: Progress = no_progress) -> UpsertReport:
        """Upsert the rows of a backup that was read to its end before. A missing key is restored with its version."""
        self.ensure_ready()
        rows = reporting(progress, "storing", read_backup(definition(self.table.name), path), total)
        stored = (
            StoredRow(self.table.row(*given), str(updated_at), int(str(version)))
            for *given, updated_at, version in rows  # the order of `HourlyTable.stored`
        )
        return self._upsert(stored, tehran_text(self._clock()))

    def _upsert(self, rows: Iterable[StoredRow], now: str, unproven: set[Key] | None = None) -> UpsertReport:
        return upsert(
            rows,
            clickhouse=self._clickhouse,
            database=self._database,
            table=self.table,
            retry=self._retry,
            now=now,
            replicated=self._retry.call(self._schema.is_replicated),
            inserts_changes=self._retry.call(self._schema.inserts_changes),
            unproven=unproven,
        )

    def _number(self, statement: str) -> int:
        return int(str(self._retry.call(lambda: self._clickhouse.query(statement))[0][0]))

    def _read(self, statement: str, **parameters: object) -> list[tuple[object, ...]]:
        return self._retry.call(lambda: self._clickhouse.query_if_there(statement, parameters))

    def _by_symbol(self, expression: str, symbols: Sequence[str]) -> dict[str, Any]:
        statement = (
            f"SELECT symbol, {expression} FROM {self._table} WHERE {_OF_SYMBOLS} AND {self._named} GROUP BY symbol"  # noqa: S608 - quoted
        )
        return {str(symbol): value for symbol, value in self._read(statement, symbols=list(symbols))} if symbols else {}

    def _shown(
        self,
        columns: str,
        symbols: Sequence[str] | None = None,
        *,
        first: str,
        last: str,
        source: str = "",
        where: str = "1",
    ) -> list[tuple[object, ...]]:
        """Columns, in SQL, of what the view or another source shows of these symbols, or of all, in a span.

        By symbol and hour; empty without the source.
        """
        where += "" if symbols is None else f" AND {_OF_SYMBOLS}"
        statement = (
            f"SELECT {columns} FROM {source or self._view} WHERE {_IN_SPAN} AND {where} "  # noqa: S608 - quoted
            "ORDER BY symbol, datetime"
        )
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


def _grouped(keys: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    hours: dict[str, set[str]] = {}
    for symbol, hour in keys:
        hours.setdefault(symbol, set()).add(hour)
    return hours
