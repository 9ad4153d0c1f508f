"""A table with one row for each (symbol, Tehran hour), made together with its views.

**The key.** `datetime` is computed from `fetched_at`, which is Tehran wall time already. The formula names the zone
UTC so that the server neither shifts nor reinterprets that text, whatever its own zone is.

**The version.** `ReplacingMergeTree(version)` keeps, of rows with one sorting key, the one of the highest version, and
the view shows, of rows with one (symbol, datetime), the same. A version comes from the server's clock in nanoseconds
when a row is inserted, never from the client's, and it decides only between rows that were *inserted* beside each
other, such as by hand. A later write of the program does not compete by version on a single server: it finds the key
and rewrites every row of it in place, so it wins even after a clock stepped back, and its repetition changes nothing.

**Changes on replicas.** There a later write is inserted beside the stored row, under its sorting key and with a version
above its own, until ClickHouse merges the two. It needs no mutation, which can be refused, hang or skip rows there.

**Patch parts.** The two block columns let `ALTER … UPDATE` write small patch parts instead of rewriting whole parts.
They are given from ClickHouse 26.9 on, at creation only: earlier releases have an older patch format, and turning the
columns on or off later gives wrong results.

**Power loss.** What was fetched leaves the spool once the table has it, so the table has it on the disk: each insert
and each patch is synced, which ClickHouse by itself leaves to the operating system.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Protocol, TypeVar

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, Right, quoted_identifier, quoted_text
from adapters._bases.columns import Column, columns_of, definitions
from adapters._bases.errors import StorageRejected
from adapters._bases.hourly_views import View, views_of
from adapters._bases.topology import Replication, Topology, is_replicated, is_there, settings_of_writes, topology_of

SORTING_KEY = ("symbol", "datetime", "fetched_at")
PRIMARY_KEY = ("symbol", "datetime")
PARTITION_KEY = "substring(datetime, 1, 7)"
FIRST_VERSION_WITH_SOUND_PATCHES = (26, 9)
OLDEST_VERSION = (24, 8)
"""The oldest ClickHouse that the program was tried on."""

NEW_VERSION = "toUInt64(toUnixTimestamp64Nano(now64(9)))"
"""The version of a row that is inserted now, in SQL."""
_WALL_TIME = "toDateTime(fetched_at, 'UTC')"
_Row = TypeVar("_Row", bound="HourlyRow")


class HourlyRow(Protocol):
    """A row to store, a NamedTuple of these fields and the pipeline's own, in the order of the columns."""

    @property
    def symbol(self) -> str:
        """With the hour, the row's key."""

    @property
    def fetched_at(self) -> str:
        """When it was observed, Tehran wall time, ``YYYY-MM-DD HH:MM:SS``."""

    def __iter__(self) -> Iterator[Any]: ...

    def _replace(self: _Row, *args: Any, **kwargs: Any) -> _Row: ...


_COMMON_COLUMNS = (
    Column("When the row was written last, Tehran wall time, to the second", "String", name="updated_at"),
    Column(
        "When the row was inserted, nanoseconds since 1970 by the server's clock; the highest stands",
        "UInt64",
        name="version",
        kind="DEFAULT",
        expression=NEW_VERSION,
    ),
    Column(
        "Start of the hour that fetched_at lies in, Tehran wall time; key of the row together with symbol",
        "String",
        name="datetime",
        kind="MATERIALIZED",
        expression=f"formatDateTime(toStartOfHour({_WALL_TIME}), '%Y-%m-%d %H:%i:%S', 'UTC')",
    ),
    Column(
        "Day that fetched_at lies in, in Tehran, YYYY-MM-DD",
        "String",
        name="date",
        kind="MATERIALIZED",
        expression=f"formatDateTime(toDate({_WALL_TIME}), '%Y-%m-%d')",
    ),
)


class HourlyTable:
    """What a pipeline stores, and how it is written.

    Args:
        view: the name of its hourly view, which people read, such as ``fx_rates_hourly``.
        about: what it holds, in a few words.
        row: a NamedTuple that declares the table's own columns, see `adapters._bases.columns`; ``symbol`` and
            ``fetched_at`` are among them, their types String, UInt32, UInt64, Float64 or the Nullable of those.
        value: the number that the table is for, such as ``price``: what `status` shows and `verify` judges.

    Attributes:
        given: the names of the columns that a row gives.
        stored: the names of those that are not computed from others.
        views: hourly, which has the name `view`, then those that read it.
        updated: the names of those that an update writes: all outside the sorting key that the server does not make.
        compared: those that make a row differ: `updated` without the run and the time of writing.
        keeping: the names of those whose stored value an update with NULL leaves.
        types: column to type.
    """

    def __init__(self, *, name: str, view: str, about: str, row: Callable[..., HourlyRow], value: str) -> None:
        self.name = name
        self.view = view
        self._about = about
        self.row = row
        self.value = value
        own = columns_of(row)
        self.given = tuple(column.name for column in own)
        self.columns = (*own, *_COMMON_COLUMNS)
        self.stored = tuple(column.name for column in self.columns if column.kind != "MATERIALIZED")
        self.views = views_of(view, about, self.columns, value)
        self.updated = (*(name for name in self.given if name not in SORTING_KEY), "updated_at")
        self.compared = tuple(name for name in self.updated if name not in ("run_id", "updated_at"))
        self.keeping = frozenset(column.name for column in own if column.keeps_known)
        self.types = {column.name: column.type for column in self.columns}
        # With the key, because attrgetter of a single name gives the bare value.
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
        """The CREATE TABLE IF NOT EXISTS. `table` is quoted, with its database."""
        patches = ", enable_block_number_column = 1, enable_block_offset_column = 1"
        return (
            f"CREATE TABLE IF NOT EXISTS {table}\n(\n    {definitions(self.columns)}\n)\n"
            f"ENGINE = ReplacingMergeTree(version)\nPARTITION BY {PARTITION_KEY}\n"
            f"PRIMARY KEY ({', '.join(PRIMARY_KEY)})\nORDER BY ({', '.join(SORTING_KEY)})"
            f"\nSETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
            f"{patches if has_sound_patches(server_version) else ''}\n"
            f"COMMENT {quoted_text(f'{self._about}; read them through {self.view}')}"
        )


def has_sound_patches(server_version: tuple[int, ...]) -> bool:
    """Whether updates may be written as patch parts on a server of this version."""
    return server_version[:2] >= FIRST_VERSION_WITH_SOUND_PATCHES


_ENGINE = "ReplacingMergeTree"  # Replicated and Shared ones end with it

# One statement, so that both halves are of one moment and of one server, whichever answers.
_SELECT_SHAPES = (
    "SELECT t.name, t.engine, t.partition_key, t.primary_key, t.sorting_key, t.comment, t.create_table_query, "
    "c.name, c.type, c.default_kind, c.default_expression "
    "FROM (SELECT * FROM system.tables WHERE database = {database:String} AND name IN {names:Array(String)}) AS t "
    "LEFT JOIN (SELECT * FROM system.columns WHERE database = {database:String} AND table IN {names:Array(String)}) "
    "AS c ON c.table = t.name"
)
_SHOWN_DIFFERENCES = 3


class HourlySchema:
    """The database, the table and its views in it. Arguments and errors are those of `HourlyRepository`."""

    def __init__(
        self,
        *,
        clickhouse: ClickHouseAdapter,
        database: str,
        table: HourlyTable,
        replication: Replication,
        beside: Mapping[str, str],
    ) -> None:
        self._clickhouse = clickhouse
        self._database = database
        self._wanted = table
        self._replication = replication
        self._beside = beside
        self._topology: Topology | None = None
        self._engine = ""
        self.table = self._quoted(table.name)
        self.view = self._quoted(table.view)

    def ensure_ready(self) -> None:
        """Make the missing ones of database, tables and views, and renew an older view. Idempotent.

        Two SELECTs where nothing is to be done. A view is replaced at once, without a moment in which it is missing.

        Raises:
            StorageRejected: the table has another shape, or what has a view's name is not a view, or rows would be on
                one of several replicas or servers only; the message describes it, and it is left alone.
            ConfigurationError: the settings name a cluster that the server does not have.
        """
        wanted, shapes = self._wanted, self._shapes()
        topology = self._checked(shapes)
        if wanted.name not in shapes:
            self.topology().make_database(self._clickhouse, self._database)
            # Patch parts have open faults on replicas, so a replicated table is made without them.
            version = self._clickhouse.server_version() if topology.kind == "single" else ()
            self._send(wanted.create_table_statement(self.table, version))
            shapes = self._shapes()
            self._refuse_several_servers(wanted.name, shapes)
        self._refuse_unseen(shapes[wanted.name])
        self._refuse_another(wanted.name, self._of_table(shapes[wanted.name]))
        self._take(shapes[wanted.name]["engine"])
        for view in wanted.views:
            found = shapes.get(view.name, {})
            self._refuse_another(view.name, _of_view_name(found))
            if found.get("comment") != view.comment:
                self._make(view, replace=bool(found))
        self._make_beside(shapes)

    def ensure_beside(self) -> None:
        """Make the tables beside, and their database, where they are missing. Idempotent."""
        shapes = self._shapes()
        if not self._beside.keys() <= shapes.keys():
            self.topology().make_database(self._clickhouse, self._database)
            self._make_beside(shapes)

    def topology(self) -> Topology:
        """Where the database is; asked once.

        Raises:
            ConfigurationError: the settings name a cluster that the server does not have.
        """
        if self._topology is None:
            self._topology = topology_of(self._clickhouse, self._database, self._replication.cluster)
        return self._topology

    def checked_topology(self) -> Topology:
        """As `topology`, once no table there has its rows on one of several replicas only.

        Raises:
            StorageRejected: one has, or would have.
        """
        return self._checked(self._shapes())

    def _checked(self, shapes: Mapping[str, Mapping[str, str]]) -> Topology:
        topology = self.topology()
        # Beside a table that was made by hand, what is only noted may be on one replica.
        by_hand = topology.kind == "single" and not topology.neighbors
        for name in (self._wanted.name, *(() if by_hand else self._beside)):
            topology.refuse_unreplicated(f"{self._database}.{name}", shapes.get(name, {}).get("engine", ""))
        return topology

    def is_replicated(self) -> bool:
        """Whether the table's rows are on every replica."""
        if not self._engine:
            self._engine = self._shapes().get(self._wanted.name, {}).get("engine", "")
        return is_replicated(self._engine) or (not self._engine and self.topology().kind != "single")

    def inserts_changes(self) -> bool:
        """Whether a changed row is inserted as a newer version, in place of an update.

        It is also where the profile locks ``mutations_sync`` so that an update would end before it is done.

        Raises:
            StorageRejected: updates are wanted, which would so.
        """
        hasty = self._clickhouse.locks("mutations_sync") and self._clickhouse.value_of("mutations_sync") == "0"
        if hasty and self._replication.changes == "update":
            raise StorageRejected(
                "the profile of the database's user has mutations_sync = 0, by which an update ends before it is done",
                next_step="remove CLICKHOUSE_CHANGES=update, or have an administrator take it out of the profile",
            )
        return (self._replication.changes or ("insert" if self.is_replicated() or hasty else "update")) == "insert"

    def _take(self, engine: str) -> None:
        """Know the table's engine, and send from now on the settings that writes to such a table need."""
        self._engine = engine
        if is_replicated(engine):
            self._clickhouse.keep_settings(
                settings_of_writes(
                    self.topology(),
                    self._replication.insert_quorum,
                    server_version=self._clickhouse.server_version(),
                    patience_seconds=self._clickhouse.patience_seconds,
                )
            )

    def _make_beside(self, shapes: Mapping[str, object]) -> None:
        # CREATE IF NOT EXISTS needs a right that a user who only writes rows may lack, even where the table exists.
        for name, statement in self._beside.items():
            if name not in shapes:
                self._send(statement)

    def _send(self, statement: str) -> None:
        self.topology().send(self._clickhouse, self.topology().ddl(statement))

    def differences(self) -> list[str]:
        """How the table and the views differ from what they should be, a line each, empty without a table."""
        shapes = self._shapes()
        if self._wanted.name not in shapes:
            return []
        self._refuse_unseen(shapes[self._wanted.name])
        lines = [f"{self._database}.{self._wanted.name}: {line}" for line in self._of_table(shapes[self._wanted.name])]
        for view in self._wanted.views:
            name = f"{self._database}.{view.name}"
            if view.name not in shapes:
                lines.append(f"{name} is missing")
            else:
                lines += [f"{name}: {line}" for line in _of_view(view, shapes[view.name])]
        return lines

    def wanted_rights(self) -> list[Right]:
        """What a run does to the tables and views, those that are missing made first."""
        shapes = self._shapes()
        tables, views = [self._wanted.name, *self._beside], [view.name for view in self._wanted.views]
        rights = [("SELECT", name) for name in (*tables, *views)] + [("INSERT", name) for name in tables]
        if not self.inserts_changes():
            rights.append(("ALTER UPDATE", self._wanted.name))
        if not shapes and not is_there(self._clickhouse, self._database):
            rights.append(("CREATE DATABASE", ""))
        rights += [("CREATE TABLE", name) for name in tables if name not in shapes]
        rights += [("CREATE VIEW", name) for name in views if name not in shapes]
        return [Right(right, self._database, name) for right, name in rights]

    def table_exists(self) -> bool:
        """Whether a table of that name is there, whatever its shape."""
        return self._wanted.name in self._shapes()

    def is_ready(self) -> bool:
        """Whether the table and its views are there, whatever their shape."""
        return {self._wanted.name, *(view.name for view in self._wanted.views)} <= self._shapes().keys()

    def drop(self) -> None:
        """Drop the table and its views. The database stays. Idempotent.

        Raises:
            StorageRejected: the rows are on one of several replicas only, and perhaps others on another; nothing is
                dropped.
        """
        shapes = self._shapes()
        if shapes.keys() <= self._beside.keys():
            return
        self.topology().refuse_partial_drop(
            f"{self._database}.{self._wanted.name}", shapes.get(self._wanted.name, {}).get("engine", "")
        )
        # The table first: a user without the right to drop it keeps the views too.
        self._send(f"DROP TABLE IF EXISTS {self.table} SYNC")
        for view in reversed(self._wanted.views):
            self._send(f"DROP VIEW IF EXISTS {self._quoted(view.name)}")

    def _make(self, view: View, *, replace: bool) -> None:
        self._send(view.create_statement(self._quoted(view.name), table=self.table, hourly=self.view, replace=replace))

    def _quoted(self, name: str) -> str:
        return f"{quoted_identifier(self._database)}.{quoted_identifier(name)}"

    def _shapes(self) -> dict[str, dict[str, str]]:
        """Table and views, where they exist, each with its properties by the names of the expected ones."""
        names = [self._wanted.name, *(view.name for view in self._wanted.views), *self._beside]
        shapes: dict[str, dict[str, str]] = {}
        for found in self._clickhouse.query(_SELECT_SHAPES, {"database": self._database, "names": names}):
            table, engine, partition, primary, sorting, comment, made_by, name, kind, default_kind, expression = map(
                str, found
            )
            shape = shapes.setdefault(table, {"engine": engine, "partition key": partition, "comment": comment})
            shape |= {"primary key": primary, "sorting key": sorting, "made by": made_by}
            shape[f"column {name}"] = f"{kind} {default_kind} {expression}".strip()
        return shapes

    def _of_table(self, found: Mapping[str, str]) -> list[str]:
        differences = _differences(_expected_table(self._wanted), found)
        if found.get("engine", "").endswith(_ENGINE):
            return differences
        return [f"engine is {found.get('engine', 'missing')!r}, not {_ENGINE!r}", *differences]

    def _refuse_several_servers(self, name: str, shapes: Mapping[str, object]) -> None:
        """Refuse to go on where a table that has just been made is not shown: a second one would split the rows."""
        if name not in shapes:
            raise StorageRejected(
                f"{self._database}.{name} has just been made, and another server answers that has no such table",
                next_step="Name one server in CLICKHOUSE_HOST, or their cluster in CLICKHOUSE_CLUSTER.",
            )

    def _refuse_unseen(self, shape: Mapping[str, str]) -> None:
        """Check that columns which are missing in an answer about the table are not just kept from this user."""
        unseen = [
            name for name in self._wanted.types if f"column {name}" not in shape and f"`{name}` " in shape["made by"]
        ]
        if unseen:
            of = f"{self._database}.{self._wanted.name}"
            raise StorageRejected(
                f"{of} is there, but this user cannot see its columns {', '.join(unseen[:_SHOWN_DIFFERENCES])}",
                next_step=f"Have an administrator run: GRANT SELECT ON {of} TO the user of CLICKHOUSE_USER",
            )

    def _refuse_another(self, name: str, differences: Sequence[str]) -> None:
        if differences:
            rest = len(differences) - _SHOWN_DIFFERENCES
            more = f", and {rest} more" if rest > 0 else ""
            raise StorageRejected(
                f"{self._database}.{name} has another shape: {'; '.join(differences[:_SHOWN_DIFFERENCES])}{more}",
                next_step=f"Rename or drop {self._database}.{name}, then run `./run.sh setup_db`.",
            )


def _of_view_name(found: Mapping[str, str]) -> list[str]:
    """What stands under a view's name, if it is something else, which must not be replaced."""
    engine = found.get("engine", "View")
    return [] if engine == "View" else [f"it is not a view, its engine is {engine!r}"]


def _of_view(view: View, found: Mapping[str, str]) -> list[str]:
    shape = _of_view_name(found) or _differences({f"column {one.name}": one.type for one in view.columns}, found)
    return shape or ([] if found["comment"] == view.comment else ["it is of another version of the program"])


def _differences(expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    return [
        f"{what} is {found.get(what, 'missing')!r}, not {wanted!r}"
        for what, wanted in expected.items()
        if _without_blanks(found.get(what, "missing")) != _without_blanks(wanted)
    ]


def _without_blanks(text: str) -> str:
    return "".join(text.split())


def _expected_table(table: HourlyTable) -> dict[str, str]:
    return {
        "partition key": PARTITION_KEY,
        "primary key": ", ".join(PRIMARY_KEY),
        "sorting key": ", ".join(SORTING_KEY),
        **{
            f"column {column.name}": f"{column.type} {column.kind} {column.expression}".strip()
            for column in table.columns
        },
    }
