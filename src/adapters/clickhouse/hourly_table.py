"""A table with one row for each (symbol, Tehran hour), and its view: what a pipeline says, and what all have. Pure.

**The key.** `datetime` is computed from `fetched_at`, which is Tehran wall time already. The formula names the zone
UTC so that the server neither shifts nor reinterprets that text, whatever its own zone is.

**The version.** `ReplacingMergeTree(version)` keeps, of rows with one sorting key, the one of the highest version, and
the view shows, of rows with one (symbol, datetime), the same. A version comes from the server's clock in nanoseconds
when a row is inserted, never from the client's, and it decides only between rows that were *inserted* beside each
other, such as by hand. A later write of the program never competes by version: it finds the key and rewrites every row
of it in place, so it wins even after a clock stepped back, and its repetition changes nothing.

**Patch parts.** The two block columns let `ALTER … UPDATE` write small patch parts instead of rewriting whole parts.
They are given from ClickHouse 26.9 on, at creation only: earlier releases have an older patch format, and turning the
columns on or off later gives wrong results.

**Power loss.** What was fetched leaves the spool once the table has it, so the table has it on the disk: each insert
and each patch is synced, which ClickHouse by itself leaves to the operating system.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any, NamedTuple, Protocol, TypeVar

from adapters.clickhouse.sql_text import quoted_identifier, quoted_text

SORTING_KEY = ("symbol", "datetime", "fetched_at")
PRIMARY_KEY = ("symbol", "datetime")
PARTITION_KEY = "substring(datetime, 1, 7)"
FIRST_VERSION_WITH_SOUND_PATCHES = (26, 9)

_WALL_TIME = "toDateTime(fetched_at, 'UTC')"
_Row = TypeVar("_Row", bound="HourlyRow")


class HourlyRow(Protocol):
    """A row to store: a NamedTuple with these fields and the pipeline's own, in the order of the table's columns."""

    @property
    def symbol(self) -> str:
        """What it is about; key of the row together with its hour."""
        ...

    @property
    def fetched_at(self) -> str:
        """When it was observed, Tehran wall time, ``YYYY-MM-DD HH:MM:SS``."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """Its values."""
        ...

    def _replace(self: _Row, *args: Any, **kwargs: Any) -> _Row: ...


class Column(NamedTuple):
    """One column.

    Attributes:
        name: as in SQL.
        type: ClickHouse's name of the type.
        comment: what it holds, with its unit.
        kind: ``DEFAULT``, ``MATERIALIZED``, or empty for a column that every INSERT gives.
        expression: of a column with a kind.
        keeps_known: whether an update with NULL leaves the stored value: for what only some calls of a source tell.
    """

    name: str
    type: str
    comment: str
    kind: str = ""
    expression: str = ""
    keeps_known: bool = False


_COMMON_COLUMNS = (
    Column("updated_at", "String", "When the row was written last, Tehran wall time, to the second"),
    Column(
        "version",
        "UInt64",
        "When the row was inserted, nanoseconds since 1970 by the server's clock; the highest stands",
        "DEFAULT",
        "toUInt64(toUnixTimestamp64Nano(now64(9)))",
    ),
    Column(
        "datetime",
        "String",
        "Start of the hour that fetched_at lies in, Tehran wall time; key of the row together with symbol",
        "MATERIALIZED",
        f"formatDateTime(toStartOfHour({_WALL_TIME}), '%Y-%m-%d %H:%i:%S', 'UTC')",
    ),
    Column(
        "date",
        "String",
        "Day that fetched_at lies in, in Tehran, YYYY-MM-DD",
        "MATERIALIZED",
        f"formatDateTime(toDate({_WALL_TIME}), '%Y-%m-%d')",
    ),
)


class HourlyTable:
    """What a pipeline stores, and how it is written.

    Args:
        name: of the table.
        view: of its view, which people read.
        about: what it holds, in a few words.
        row: makes a row of one value for each of `own`, in their order.
        own: the columns that a row gives, ``symbol`` and ``fetched_at`` among them; String, UInt32, UInt64, Float64 or
            the Nullable of those.

    Attributes:
        given: the names of `own`.
        columns: all of them.
        stored: the names of those that are not computed from others.
        in_view: the names of those that the view shows, in its order.
        updated: the names of those that an update writes: all that are not in the sorting key, nor made by the server.
        compared: those that make a row another one: `updated` without the run and the time of writing.
        keeping: the names of those whose stored value an update with NULL leaves.
        types: column to type.
    """

    def __init__(
        self, *, name: str, view: str, about: str, row: Callable[..., HourlyRow], own: tuple[Column, ...]
    ) -> None:
        self.name = name
        self.view = view
        self._about = about
        self.row = row
        self.given = tuple(column.name for column in own)
        self.columns = (*own, *_COMMON_COLUMNS)
        self.stored = tuple(column.name for column in self.columns if column.kind != "MATERIALIZED")
        self.in_view = ("symbol", "datetime", "date", *(name for name in self.stored if name != "symbol"))
        self.updated = (*(name for name in self.given if name not in SORTING_KEY), "updated_at")
        self.compared = tuple(name for name in self.updated if name not in ("run_id", "updated_at"))
        self.keeping = frozenset(column.name for column in own if column.keeps_known)
        self.types = {column.name: column.type for column in self.columns}
        # With the key, for of a single name attrgetter would give the bare value.
        self._values: Callable[[HourlyRow], tuple[object, ...]] = attrgetter("symbol", *self.compared)

    def compared_values(self, row: HourlyRow) -> tuple[object, ...]:
        """The values of the `compared` columns."""
        return self._values(row)[1:]

    def changes(self, row: HourlyRow, stored: tuple[object, ...]) -> bool:
        """Whether an update with the row would change a stored row of these `compared` values."""
        given = self.compared_values(row)
        return given != stored and any(
            new != old and not (new is None and name in self.keeping)
            for name, new, old in zip(self.compared, given, stored, strict=True)
        )

    def create_table_statement(self, table: str, server_version: tuple[int, ...]) -> str:
        """CREATE TABLE IF NOT EXISTS; `table` is quoted and carries its database."""
        columns = ",\n    ".join(_definition(column) for column in self.columns)
        patches = ", enable_block_number_column = 1, enable_block_offset_column = 1"
        return (
            f"CREATE TABLE IF NOT EXISTS {table}\n(\n    {columns}\n)\n"
            f"ENGINE = ReplacingMergeTree(version)\nPARTITION BY {PARTITION_KEY}\n"
            f"PRIMARY KEY ({', '.join(PRIMARY_KEY)})\nORDER BY ({', '.join(SORTING_KEY)})"
            f"\nSETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
            f"{patches if has_sound_patches(server_version) else ''}\n"
            f"COMMENT {quoted_text(f'{self._about}; read them through {self.view}')}"
        )

    def create_view_statement(self, view: str, table: str) -> str:
        """CREATE VIEW IF NOT EXISTS over `table`; both are quoted and carry their database.

        LIMIT 1 BY on the primary key lets filters on symbol, datetime and date, and the choice of columns, through to
        the table, and a read of everything goes along the sorting key without holding the table in memory; argMax with
        GROUP BY does neither, and FINAL knows only rows of one fetched_at.
        """
        names = ", ".join(quoted_identifier(name) for name in self.in_view)
        comment = f"{self._about}, exactly one row for each symbol and Tehran hour"
        return (
            f"CREATE VIEW IF NOT EXISTS {view} AS\nSELECT {names}\nFROM {table}\n"
            "ORDER BY symbol, datetime, version DESC, fetched_at DESC\nLIMIT 1 BY symbol, datetime\n"
            f"COMMENT {quoted_text(comment)}"
        )


def has_sound_patches(server_version: tuple[int, ...]) -> bool:
    """Whether updates may be written as patch parts on a server of this version."""
    return server_version[:2] >= FIRST_VERSION_WITH_SOUND_PATCHES


def _definition(column: Column) -> str:
    default = f" {column.kind} {column.expression}" if column.kind else ""
    return f"{quoted_identifier(column.name)} {column.type}{default} COMMENT {quoted_text(column.comment)}"
