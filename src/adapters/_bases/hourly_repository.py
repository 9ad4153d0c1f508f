"""The repository of an hourly table: its rows by key, queries, checks and backups."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Any

from adapters._bases.clickhouse_adapter import quoted_name, quoted_text
from adapters._bases.hourly_table import (
    IS_UPDATED,
    NEW_VERSION,
    Correction,
    Corrections,
    Defects,
    Hole,
    HourlyRow,
    Key,
    StoredHours,
    StoredMeaning,
    StoredPrice,
    Wrong,
    key_of,
)
from adapters._bases.retry import RetryPolicy
from adapters._bases.schema import Schema
from adapters._bases.sql_files import definition, query_text
from adapters._bases.tehran_time import from_text, hour_key, tehran_text
from adapters._bases.topology import StuckMutation, stuck_mutations
from adapters._bases.upsert import UpsertReport, upsert

MOST_FOUND = 10_000
"""The most findings of a check; if it finds as many, there may be more."""
_NAME = re.compile(r"{(\w+)}")
_TTL = re.compile(r" TTL (.+?)(?: SETTINGS .*)?$")
# Of one expression that deletes rows; several, or those that move or merge rows, are reported only.
_DELETES = re.compile(
    r"(?P<until>(?:(?! TO (?:DISK|VOLUME) | GROUP BY | RECOMPRESS ).)+?)(?: DELETE)?(?: WHERE (?P<rows>.+))?"
)
# The columns of a row of an hour that is stored now; a TTL sees the defaults of the others.
_STORED_NOW = {
    "datetime": "arrayJoin({hours:Array(String)})",
    "fetched_at": "datetime",
    "date": "substring(datetime, 1, 10)",
    "updated_at": "formatDateTime(now('Asia/Tehran'), '%Y-%m-%d %H:%i:%S')",
    "version": NEW_VERSION,
}


@dataclass(kw_only=True, eq=False, repr=False)
class HourlyRepository(Schema):
    """One row for each (symbol, Tehran hour). Read it through the table's view.

    Hours are given by their keys, ``YYYY-MM-DD HH:00:00`` in Tehran, and a span includes both ends. Every method
    may raise `StorageUnavailable`, after the retries of `retry`, and `StorageRejected`.
    """

    clock: Callable[[], datetime]  # gives the aware time; asked once for each upsert

    def upsert_prices(
        self, rows: Iterable[HourlyRow], target_hour: datetime | None = None, *, unproven: set[Key] | None = None
    ) -> UpsertReport:
        """Store rows by their keys (symbol, hour). Complete and visible when this returns. Idempotent.

        A new key is inserted, a stored key gets the new values in place, and a key with the same values (apart from
        the run) is not written. An update keeps `fetched_at` and `version`, by which the table is sorted and merged,
        and a known value in a column that `keeps_known`. See `upsert` for more, and for the errors.

        Args:
            target_hour: aware; the hour of all rows: those observed outside it are placed at its start. None for the
                hour of each row's `fetched_at`.
        """
        updated_at = tehran_text(self.clock())
        hour = target_hour and hour_key(target_hour)
        placed = (row._replace(fetched_at=hour) if hour and key_of(row)[1] != hour else row for row in rows)
        stored = ({**row._asdict(), "updated_at": updated_at} for row in placed)
        return upsert(stored, self, now=updated_at, unproven=unproven)

    def count_rows(self) -> int:
        """The number of rows, including duplicate keys, without superseded versions."""
        return self._number(f"SELECT count() FROM {self.quoted} FINAL")  # noqa: S608 - quoted

    def count_hours(self) -> int:
        return self._number(f"SELECT uniqExact(symbol, datetime) FROM {self.quoted}")  # noqa: S608 - quoted

    def stored(self, symbols: Sequence[str], *, first: str, last: str, valued_from: str) -> dict[str, StoredHours]:
        """What is stored of these symbols in a span, with values from the hour key `valued_from` on.

        Symbols without a row there are left out; empty without a table.
        """
        found = self._ask("stored", symbols=list(symbols), first=first, last=last, valued_from=valued_from)
        return {
            symbol: StoredHours(frozenset(hours), last, value, {hour: one for hour, _, _, one in valued})
            for symbol, hours, last, value, valued in found
        }

    def first_hours(self, symbols: Sequence[str]) -> dict[str, str]:
        """The earliest stored hour of each of these symbols that was ever stored. Reads every month."""
        return dict(self._ask("first_hours", symbols=list(symbols))) if symbols else {}

    def listed(self, *, since: str) -> dict[str, int]:
        """The coins that the list of the largest held from this hour key on, with their ids, the largest first."""
        return dict(self._ask("listed", since=since)) if self.table.lists else {}

    def absences(self, symbols: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
        """Symbol to the spans of hour keys in which no list held it, if one ever did: they are not expected."""
        rows = self._ask("absences", symbols=list(symbols)) if self.table.lists else []
        spans = defaultdict(list)
        for symbol, since, until in rows:
            spans[symbol].append((since, until))
        return spans

    def symbols(self, *, first: str, last: str) -> set[str]:
        """The symbols stored in a span; none without a table."""
        return {symbol for (symbol,) in self._ask("symbols", first=first, last=last)}

    def prices(
        self, symbols: Sequence[str] | None = None, *, first: str, last: str
    ) -> dict[str, dict[str, StoredPrice]]:
        """Symbol to hour key to what the view shows in a span, by default of all symbols; empty without the view."""
        optional = {"market_cap": "NULL", "currency": "''", "low": "NULL", "high": "NULL"}
        known = {name: name if name in self.table.given else other for name, other in optional.items()}
        taken_at = "ifNull(source_updated_at, fetched_at)" if "source_updated_at" in self.table.given else "fetched_at"
        columns = ("symbol", "datetime", self.table.label, self.table.value, *known.values(), taken_at, IS_UPDATED)
        statement = (
            f"SELECT {', '.join(columns)} FROM {quoted_name(self.database, f'{self.table.name}_hourly')} "  # noqa: S608 - quoted
            "WHERE datetime BETWEEN {first:String} AND {last:String}"
            f"{'' if symbols is None else ' AND symbol IN {symbols:Array(String)}'} ORDER BY symbol, datetime"
        )
        rows = self._read(statement, symbols=list(symbols or ()), first=first, last=last)
        found: dict[str, dict[str, StoredPrice]] = {}
        for price in map(StoredPrice._make, rows):
            found.setdefault(price.symbol, {})[price.datetime] = price
        return found

    def corrections(self, *, since: str, most: int = 1) -> Corrections:
        """The values replaced since a Tehran time, the `most` largest, at least one, in full; none without a ledger."""
        rows = self._ask("corrections", since=since, most=most)
        return Corrections(rows[0][-1] if rows else 0, [Correction._make(row[:-1]) for row in rows])

    def note_holes(self, holes: Sequence[Hole]) -> None:
        """Note what a run found; what was found at least a day before too is certain. Idempotent."""
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
            self.ensure_ready()
            self._insert(self.table.holes, new)

    def holes(self, symbols: Sequence[str], *, first: str, last: str) -> list[Hole]:
        """The noted holes of these symbols in a span, by symbol and hour."""
        return [Hole._make(row) for row in self._ask("holes", symbols=list(symbols), first=first, last=last)]

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
            symbols = sorted({hole.symbol for hole in noted})
            meant = dict(self._ask("last_meanings", symbols=symbols)) if symbols else {}
        found = defaultdict(set)
        for hole in noted:
            if hole.meaning == meant.get(hole.symbol):
                found[hole.symbol].add(hole.datetime)
        return found

    def meanings(self, symbols: Sequence[str] = ()) -> list[StoredMeaning]:
        """The coins or pairs whose prices are stored, by symbol and first hour; of all symbols if none is given."""
        return [StoredMeaning._make(row) for row in self._ask("meanings", symbols=list(symbols))]

    def rename(self, symbol: str, renamed_to: str, meaning: int) -> None:
        """Copy rows and holes to the symbol's new name, and leave them out under the old one. Idempotent.

        Hours that are stored under the new name stay as they are.
        """
        self.ensure_ready()
        for copied in (self.table.name, self.table.holes):
            name = quoted_name(self.database, copied)
            others = ", ".join(column for column in definition(copied).stored if column != "symbol")
            statement = (
                f"INSERT INTO {name} (symbol, {others}) SELECT {quoted_text(renamed_to)}, {others} FROM {name} FINAL "  # noqa: S608 - quoted
                f"WHERE symbol = {quoted_text(symbol)} AND {self.table.meaning} = {meaning} AND datetime NOT IN "
                f"(SELECT datetime FROM {name} WHERE symbol = {quoted_text(renamed_to)})"
            )
            self.retry.call(partial(self.clickhouse.command, statement))
        at = tehran_text(self.clock())
        self._insert(self.table.renames, [(one, meaning, renamed_to, at) for one in (symbol, renamed_to)])

    @cached_property
    def _named(self) -> str:
        """The condition, in SQL, on rows that the view shows under their symbol: see `rename`."""
        if not self.table.renames:
            return "1"
        meaning, renames = self.table.meaning, quoted_name(self.database, self.table.renames)
        renamed = f"SELECT symbol, {meaning} FROM {renames} FINAL WHERE renamed_to != symbol"  # noqa: S608 - quoted
        if self.is_made:
            return f"(symbol, {meaning}) NOT IN ({renamed})"
        # Read apart: a table of an older version has no such table beside it yet.
        found = self._read(renamed)
        pairs = ", ".join(f"({quoted_text(symbol)}, {cmc_id})" for symbol, cmc_id in found)
        return f"(symbol, {meaning}) NOT IN ({pairs})" if pairs else "1"

    def unfinished(self, symbols: Sequence[str], *, first: str, last: str) -> dict[str, set[str]]:
        """Symbol to the hours of a span that were stored before they were over, and not completed since."""
        if not self.table.completed_by:
            return {}
        rows = self._ask("unfinished", symbols=list(symbols), first=first, last=last)
        return {symbol: set(hours) for symbol, hours in rows}

    def defects(self, query: str, **parameters: str) -> Defects:
        """What a SELECT in sql/queries finds: key and detail; the statement after it removes or repairs that."""
        select, _, repair = self._filled(query).partition(";\n")
        for name, value in parameters.items():
            repair = repair.replace(f"{{{name}:String}}", quoted_text(value))
        rows = self._read(select, **parameters)
        return Defects([Wrong._make(row) for row in rows], " ".join(repair.split()))

    def duplicate_keys(self) -> Defects:
        """Keys with rows of several ``fetched_at``, even if the view hides them."""
        # For a table larger than the memory.
        self.retry.call(lambda: self.clickhouse.keep_settings({"optimize_aggregation_in_order": 1}))
        return self.defects("duplicates")

    def count_superseded(self) -> int:
        """The number of rows with a newer version, until ClickHouse merges them."""
        table = self.quoted
        return self._number(f"SELECT count() - (SELECT count() FROM {table} FINAL) FROM {table}")  # noqa: S608 - quoted

    def absurd_values(self, *, first: str = "") -> list[Wrong]:
        """Values from an hour key on that are NULL, not positive, not finite, or far off their neighbors."""
        return self.defects("absurd", first=first).rows

    def idle(self, symbols: Sequence[str], *, since: str) -> list[str]:
        """The symbols that were stored by an hour key but have no trade since, while the table has rows since."""
        rows = self._ask("idle", symbols=list(symbols), since=since) if "trades" in self.table.given else []
        return [symbol for (symbol,) in rows]

    def breaks(self, symbols: Sequence[str], *, last: str) -> list[tuple[Any, ...]]:
        """Gaps in the hours of these symbols up to an hour key: symbol, last hour before, first hour after."""
        return self._ask("breaks", symbols=list(symbols), last=last)

    def ttl(self) -> str:
        """The table's TTL, as ClickHouse shows it; empty if there is none."""
        rows = self._read(query_text("table"), database=self.database, name=self.table.name)
        found = _TTL.search(rows[0][1]) if rows else None
        return found[1] if found else ""

    def expired(self, hours: Collection[str]) -> tuple[str, set[str]]:
        """The table's TTL, and those of these hour keys whose rows it would delete. Asks without retries."""
        once = replace(self, retry=RetryPolicy(attempts=1))
        ttl = once.ttl()
        if not (deletes := _DELETES.fullmatch(ttl)):
            return ttl, set()
        columns = ", ".join(
            f"{_STORED_NOW.get(name, f'defaultValueOfTypeName({kind!r})')} AS {name}"
            for name, kind in {**dict.fromkeys(_STORED_NOW, ""), **definition(self.table.name).types}.items()
        )
        statement = (
            f"SELECT groupArray(datetime) FROM (SELECT {columns}) "  # noqa: S608 - types and the server's own expression
            f"WHERE toDateTime({deletes['until']}) <= now() AND ({deletes['rows'] or 1})"
        )
        [(expired,)] = once._read(statement, hours=sorted(hours))
        return ttl, set(expired)

    def stuck_mutations(self) -> list[StuckMutation]:
        """Mutations that have failed and are queued, each with the statement that kills it. Reads only."""
        return self.retry.call(partial(stuck_mutations, self.clickhouse, self.database, self.table.name))

    def restore(self, rows: Iterable[Sequence[Any]]) -> UpsertReport:
        """Upsert the rows of a backup, see `read_backup`. A missing key is restored with its version."""
        self.ensure_ready()
        stored = (dict(zip(definition(self.table.name).stored, values, strict=True)) for values in rows)
        return upsert(stored, self, now=tehran_text(self.clock()))

    def _read(self, statement: str, **parameters: object) -> list[tuple[Any, ...]]:
        """The rows; none without the table or view."""
        return self.retry.call(partial(self.clickhouse.query_if_there, statement, parameters))

    def _number(self, statement: str) -> int:
        return sum(int(number) for (number,) in self._read(statement))

    def _insert(self, table: str, rows: Sequence[Sequence[object]]) -> None:
        """Insert rows into an auxiliary table; safe to repeat: it keeps one row of each key."""
        types, name = definition(table).types, quoted_name(self.database, table)
        self.retry.call(partial(self.clickhouse.insert, name, types, rows))

    def _ask(self, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of the SELECT in sql/queries of this name; none without the table or view."""
        return self._read(self._filled(query), **parameters)

    def _filled(self, query: str) -> str:
        """The text in sql/queries, each ``{name}`` replaced by one of these, or by what the table has of that name."""
        own = {"database": f"`{self.database}`", "table": self.table.name, "most_found": MOST_FOUND}

        def meant(found: re.Match[str]) -> str:
            return self._named if found[1] == "named" else str(own.get(found[1]) or getattr(self.table, found[1]))

        return _NAME.sub(meant, query_text(query))
