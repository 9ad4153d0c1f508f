"""Tables and views as their .sql files define them: read the files, make what is missing, compare what exists.

A file defines one table or view, named like the file, one column a line, expressions spelled as ClickHouse shows them.
Placeholders: `{database}`, quoted; `{on_cluster}` and `{replicated}`, both empty on a single server; `{settings}`;
`{definition}` in a view's comment, a hash of the file; `{keep_days}` of the runs; the name of a file in sql/parts, for
its text. The files in sql/prices define the `PRICE_VIEWS` of every table of prices, `{table}`: a line after
``/*crypto_prices*/`` is of that table's view only. Those in sql/queries are SELECTs, which `HourlyRepository` fills in.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, Right, quoted_identifier, quoted_text
from adapters._bases.clickhouse_errors import ACCESS_DENIED
from adapters._bases.errors import StorageRejected
from adapters._bases.retry import RetryPolicy
from adapters._bases.topology import Replication, Topology, is_replicated, is_there, settings_of_writes, topology_of

if TYPE_CHECKING:
    from adapters._bases.hourly_table import HourlyTable

log = structlog.get_logger(__name__)
SQL_FOLDER = Path(__file__).parents[1] / "clickhouse" / "sql"
PRICE_VIEWS = ("hours", "daily", "weekly", "monthly", "monthly_gregorian", "latest")
"""What the views of any table of prices are named after the table; each reads only those before it."""
LEDGER = "price_corrections"
"""The table of replaced prices, which is made beside every hourly table."""
FIRST_VERSION_WITH_SOUND_PATCHES = (26, 9)

# What was fetched leaves the spool once the table has it, so it must be on the disk by then.
_DURABLE = "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
# Nor may a block be dropped because it equals an earlier one, which was deleted since.
_UNDEDUPLICATED = ", non_replicated_deduplication_window = 0, replicated_deduplication_window = 0"
# Given at creation only: turning these on or off later gives wrong results.
_PATCH_PARTS = ", enable_block_number_column = 1, enable_block_offset_column = 1"
_COLUMN = re.compile(r"^    (\w+) (.+?)(?: (DEFAULT|MATERIALIZED) (.+?))?\s+COMMENT '", re.MULTILINE)
_CLAUSE = re.compile(r"^(PARTITION BY|PRIMARY KEY|ORDER BY) (.+)$", re.MULTILINE)
_ENGINE = re.compile(r"^ENGINE = {replicated}(\w+)", re.MULTILINE)
_OF_TABLE = re.compile(r"^/\*(\w+)\*/(.*\n)", re.MULTILINE)
_COMMENT_LINE = re.compile(r"^ *--.*\n", re.MULTILINE)
_VIEW_COMMENT = re.compile(r"^COMMENT '(.*)'$", re.MULTILINE)
_PROPERTIES = {"PARTITION BY": "partition key", "PRIMARY KEY": "primary key", "ORDER BY": "sorting key"}
_READS = re.compile(r"(?:FROM|JOIN) {database}\.(\w+)")
_SHOWN_DIFFERENCES = 3

Shapes = Mapping[str, Mapping[str, str]]
"""What exists of the names of a `Schema`: property to value."""
_SHAPE = ("engine", "partition key", "primary key", "sorting key", "comment", "as defined", "reads")


def table_settings(topology: Topology, server_version: tuple[int, ...]) -> str:
    """The SETTINGS of an hourly table."""
    if topology.kind == "cloud":  # has no disk of its own
        return ""
    # Patch parts have open faults on replicas.
    patches = topology.kind == "single" and server_version[:2] >= FIRST_VERSION_WITH_SOUND_PATCHES
    return _DURABLE + _UNDEDUPLICATED + (_PATCH_PARTS if patches else "")


@dataclass(frozen=True)
class Definition:
    """The .sql file of a table or view."""

    name: str
    text: str

    @cached_property
    def columns(self) -> dict[str, tuple[str, str, str]]:
        """Column to its type, ``DEFAULT``, ``MATERIALIZED`` or an empty text, and its expression."""
        found = _COLUMN.findall(self.text.partition("\n)\n")[0])
        return {name: (kind, default, expression) for name, kind, default, expression in found}

    @property
    def types(self) -> dict[str, str]:
        """Column to type."""
        return {name: kind for name, (kind, _, _) in self.columns.items()}

    @cached_property
    def stored(self) -> tuple[str, ...]:
        """The columns that are not computed from others."""
        return tuple(name for name, (_, default, _) in self.columns.items() if default != "MATERIALIZED")

    @property
    def replaces(self) -> bool:
        """Whether ClickHouse keeps one of several rows with the same sorting key."""
        return self.shape.get("engine", "") == "ReplacingMergeTree"

    @cached_property
    def shape(self) -> dict[str, str]:
        """The properties that an existing table or view must have."""
        shape = {f"column {name}": " ".join(column).strip() for name, column in self.columns.items()}
        if engine := _ENGINE.search(self.text):
            shape["engine"] = engine[1]
            for clause, value in _CLAUSE.findall(self.text):
                shape[_PROPERTIES[clause]] = value[1:-1] if value.startswith("(") else value
        return shape

    @property
    def reads(self) -> set[str]:
        """The tables and views that a view reads."""
        return set(_READS.findall(self.text))

    @property
    def select(self) -> str:
        """The statement of a view; empty for a table."""
        return self.text.partition("\nAS ")[2].rpartition("\nCOMMENT ")[0]

    @property
    def hash(self) -> str:
        """By which an older definition of a view is recognized, in its comment."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:8]

    @property
    def comment(self) -> str:
        """The comment of a view."""
        [comment] = _VIEW_COMMENT.findall(self.text)
        return str(comment).format(definition=self.hash)

    def differences(self, found: Mapping[str, str]) -> list[str]:
        """How an existing table or view differs, a line each."""
        return [
            f"{what} is {found.get(what, 'missing')!r}, not {wanted!r}"
            for what, wanted in self.shape.items()
            if _canonical(what, found.get(what, "missing")) != _canonical(what, wanted)
        ]

    def differences_of_view(self, found: Mapping[str, str]) -> list[str]:
        """As `differences`; also if it is not a view, or has an older definition."""
        if found["engine"] != "View":
            return [f"it is not a view, its engine is {found['engine']!r}"]
        if found["as defined"] == "0":
            return [f"its SELECT is not the program's, it reads the database {found['reads']}"]
        outdated = [] if found["comment"] == self.comment else ["it is of another version of the program"]
        return self.differences(found) or outdated


def _canonical(what: str, value: str) -> str:
    # A replicated engine has the same name with a prefix.
    return value.removeprefix("Replicated").removeprefix("Shared") if what == "engine" else "".join(value.split())


@cache
def definition(name: str) -> Definition:
    """The definition of the table or view of this name, without its comments."""
    path, table = SQL_FOLDER / f"{name}.sql", name
    if not path.is_file():
        kinds = {path.stem for path in (SQL_FOLDER / "prices").glob("*.sql") if name.endswith(f"_{path.stem}")}
        kind = max(kinds, key=len, default=name)
        path, table = SQL_FOLDER / "prices" / f"{kind}.sql", name.removesuffix(f"_{kind}")
    text = path.read_text("utf-8")
    while parts := [part for part in (SQL_FOLDER / "parts").glob("*.sql") if f"{{{part.stem}}}\n" in text]:
        for part in parts:
            text = text.replace(f"{{{part.stem}}}\n", part.read_text("utf-8"))
    text = _OF_TABLE.sub(lambda line: line[2] if line[1] == table else "", text)
    return Definition(name, _COMMENT_LINE.sub("", text).replace("{table}", table))


@cache
def query_text(name: str) -> str:
    """The SELECT in sql/queries of this name, without its comments."""
    return _COMMENT_LINE.sub("", (SQL_FOLDER / "queries" / f"{name}.sql").read_text("utf-8"))


def table_definitions() -> list[Definition]:
    """Every table of the program, by name, without the views."""
    defined = (definition(path.stem) for path in sorted(SQL_FOLDER.glob("*.sql")))
    return [one for one in defined if "engine" in one.shape]


@dataclass(kw_only=True, eq=False, repr=False)
class Schema:
    """An hourly table, its views, and the tables that are made together with it, in a database.

    A method may raise `StorageUnavailable`, after retries, and `StorageRejected`.
    """

    clickhouse: ClickHouseAdapter
    database: str
    table: HourlyTable
    retry: RetryPolicy
    replication: Replication
    is_made: bool = False  # whether everything is there, after `ensure_ready`

    def __post_init__(self) -> None:
        self._beside = (*self.table.beside, LEDGER)
        own = {self.table.name, *self.table.views, *self._beside}
        self._foreign = {name for view in self.table.views for name in definition(view).reads} - own
        self._engine = ""

    def ensure_ready(self) -> None:
        """Make missing tables and views and their database, and replace an older view. Idempotent.

        Two SELECTs if nothing is missing. A view of another job's table is made once that exists.

        Raises:
            StorageRejected: the table has another shape, an object with a view's name is not a view, or the rows would
                be on one of several replicas or servers only; nothing is changed then.
            ConfigurationError: the settings name a cluster that the server does not have.
        """
        self.retry.call(self._make_missing)

    def _make_missing(self) -> None:
        name, shapes = self.table.name, self._shapes()
        self._check_placement(shapes)
        for mutation in self.topology.stuck:
            if mutation.table == name:
                log.warning("stuck mutation, may block updates", mutation=str(mutation))
        if name not in shapes:
            self.topology.make_database(self.clickhouse, self.database)
            self._make(name)
            shapes = self._shapes()
            if name not in shapes:  # a second table would split the rows
                raise StorageRejected(
                    f"{self._full(name)} was just created, but another server answers, which does not have it",
                    next_step="Name one server in CLICKHOUSE_HOST, or their cluster in CLICKHOUSE_CLUSTER.",
                )
        self._check_shape(name, definition(name).differences(shapes[name]))
        self._engine = shapes[name]["engine"]
        if is_replicated(self._engine):
            quorum, patience = self.replication.insert_quorum, self.clickhouse.patience_seconds
            writes = settings_of_writes(self.topology, quorum, patience_seconds=patience)
            self.clickhouse.keep_settings(writes)
        # CREATE IF NOT EXISTS needs a right that a user who only writes rows may lack, even if the table exists.
        for beside in set(self._beside) - shapes.keys():
            self._make(beside)
        for view in self._possible_views(shapes):
            if view not in shapes:
                self._make(view)
            elif shapes[view]["engine"] != "View":
                self._check_shape(view, definition(view).differences_of_view(shapes[view]))
            elif shapes[view]["comment"] != definition(view).comment or shapes[view]["as defined"] == "0":
                self._renew(view, shapes[view])
        self.is_made = True

    @cached_property
    def topology(self) -> Topology:
        """Where the database is."""
        return self.retry.call(partial(topology_of, self.clickhouse, self.database, self.replication.cluster))

    def is_replicated(self) -> bool:
        """Whether the table's rows are on every replica."""
        if not self._engine:
            self._engine = _engine_of(self.table.name, self._found())
        return is_replicated(self._engine) or (not self._engine and self.topology.kind != "single")

    def inserts_changes(self) -> bool:
        """Whether a changed row is inserted as a newer version, in place of an update."""
        return (self.replication.changes or ("insert" if self.is_replicated() else "update")) == "insert"

    def describe(self) -> str:
        """Where the database is, after a check that no table is on one of several replicas only; how it is changed."""
        self._check_placement(self._found())
        changes = "the insert of a newer version" if self.inserts_changes() else "update"
        return f"{self.topology}; changes are written by {changes}"

    def differences(self) -> list[str]:
        """How the table and the views differ from their definitions, a line each; empty without a table."""
        shapes, name = self._found(), self.table.name
        if name not in shapes:
            return []
        found = {name: definition(name).differences(shapes[name])}
        for view in self._possible_views(shapes):
            found[view] = definition(view).differences_of_view(shapes[view]) if view in shapes else ["it is missing"]
        return [f"{self._full(name)}: {line}" for name, lines in found.items() for line in lines]

    def wanted_rights(self) -> list[Right]:
        """The rights that a run needs, those to make what is missing included."""
        shapes = self._found()
        tables = [self.table.name, *self._beside]
        views = self._possible_views(shapes)
        rights = [("SELECT", name) for name in (*tables, *views)] + [("INSERT", name) for name in tables]
        if not self.inserts_changes():
            rights.append(("ALTER UPDATE", self.table.name))
        if not shapes and not is_there(self.clickhouse, self.database):
            rights.append(("CREATE DATABASE", ""))
        rights += [("CREATE TABLE", name) for name in tables if name not in shapes]
        rights += [("CREATE VIEW", name) for name in views if name not in shapes]
        return [Right(right, self.database, name) for right, name in rights]

    def has_table(self) -> bool:
        """Whether the table exists, regardless of its shape."""
        return self.table.name in self._found()

    def is_ready(self) -> bool:
        """Whether the table and its views exist, regardless of their shape."""
        shapes = self._found()
        return {self.table.name, *self._possible_views(shapes)} <= shapes.keys()

    def drop(self) -> None:
        """Drop the table and its views. The database and the tables beside stay. Idempotent."""
        shapes = self._found()
        if shapes.keys() <= {*self._beside, *self._foreign}:
            return
        self.topology.refuse_partial_drop(self._full(self.table.name), _engine_of(self.table.name, shapes))
        # The table first: a user without the right to drop it keeps the views too.
        dropped = [f"TABLE IF EXISTS {{database}}.{quoted_identifier(self.table.name)}{{on_cluster}} SYNC"]
        dropped += [
            f"VIEW IF EXISTS {{database}}.{quoted_identifier(view)}{{on_cluster}}" for view in self.table.views[::-1]
        ]
        for one in dropped:
            self.retry.call(partial(self._send, f"DROP {one}"))

    def _make(self, name: str, *, replace: bool = False) -> None:
        made = definition(name)
        # Replacing needs rights that creating does not need.
        text = made.text if replace else made.text.replace("CREATE OR REPLACE VIEW", "CREATE VIEW IF NOT EXISTS")
        settings = table_settings(self.topology, self.clickhouse.server_version())
        self._send(text, definition=made.hash, settings=settings)

    def _renew(self, view: str, shape: Mapping[str, str]) -> None:
        try:
            self._make(view, replace=True)
        except StorageRejected as error:
            # A user who only writes rows can go on with an older view that has the same columns.
            if error.code != ACCESS_DENIED or definition(view).differences(shape):
                raise
            log.warning("outdated view", view=self._full(view), reason=error.message, next=error.next_step)

    def _send(self, statement: str, **names: str) -> None:
        self.topology.send(self.clickhouse, statement, database=quoted_identifier(self.database), **names)

    def _full(self, name: str) -> str:
        return f"{self.database}.{name}"

    def _found(self) -> Shapes:
        return self.retry.call(self._shapes)

    def _shapes(self) -> Shapes:
        names = [self.table.name, *self.table.views, *self._beside, *self._foreign]
        shapes: dict[str, dict[str, str]] = {}
        selects = [definition(name).select.replace("{database}", self.database) for name in names]
        statement = query_text("shapes").replace("{selects}", ", ".join(map(quoted_text, selects)))
        for found in self.clickhouse.query(statement, {"database": self.database, "names": names}):
            table, *properties, name, kind, default_kind, expression = map(str, found)
            shape = shapes.setdefault(table, dict(zip(_SHAPE, properties, strict=True)))
            shape[f"column {name}"] = f"{kind} {default_kind} {expression}".strip()
        return shapes

    def _possible_views(self, shapes: Shapes) -> list[str]:
        """The views whose tables exist."""
        possible, there = [], {self.table.name, *self._beside, *shapes}
        for view in self.table.views:
            if definition(view).reads <= there:
                possible.append(view)
                there.add(view)
        return possible

    def _check_placement(self, shapes: Shapes) -> None:
        topology = self.topology
        # If a table was made by hand on each replica, the tables beside it may be on one.
        by_hand = topology.kind == "single" and not topology.neighbors
        for name in (self.table.name, *(() if by_hand else self._beside)):
            topology.refuse_unreplicated(self._full(name), _engine_of(name, shapes))

    def _check_shape(self, name: str, differences: Sequence[str]) -> None:
        if differences:
            rest = len(differences) - _SHOWN_DIFFERENCES
            more = f", and {rest} more" if rest > 0 else ""
            raise StorageRejected(
                f"{self._full(name)} has another shape: {'; '.join(differences[:_SHOWN_DIFFERENCES])}{more}",
                next_step=f"Rename or drop {self._full(name)}, then run `./run.sh setup_db`; but if its columns are "
                f"only hidden from this user, have an administrator run: GRANT SELECT ON {self._full(name)}",
            )


def _engine_of(name: str, shapes: Shapes) -> str:
    return shapes[name]["engine"] if name in shapes else ""
