"""The tables and views of a repository: makes what is missing, compares what exists with the .sql files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import ClassVar

import structlog

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, quoted_name, quoted_text
from adapters._bases.clickhouse_errors import ACCESS_DENIED
from adapters._bases.errors import StorageRejected
from adapters._bases.hourly_table import HourlyTable
from adapters._bases.retry import RetryPolicy
from adapters._bases.sql_files import definition, query_text
from adapters._bases.topology import Replication, Topology, is_replicated, is_there, settings_of_writes, topology_of

log = structlog.get_logger(__name__)
LEDGER = "price_corrections"
"""The table of replaced prices, which is made beside every hourly table."""
FIRST_VERSION_WITH_SOUND_PATCHES = (26, 9)

# What was fetched leaves the spool once the table has it, so it must be on the disk by then.
_DURABLE = "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
# Nor may a block be dropped because it equals an earlier one, which was deleted since.
_UNDEDUPLICATED = ", non_replicated_deduplication_window = 0, replicated_deduplication_window = 0"
# Given at creation only: turning these on or off later gives wrong results.
_PATCH_PARTS = ", enable_block_number_column = 1, enable_block_offset_column = 1"
_SHOWN_DIFFERENCES = 3

Shapes = Mapping[str, Mapping[str, str]]
"""What exists of the names of a `Schema`: property to value."""
_SHAPE = ("engine", "partition key", "primary key", "sorting key", "comment", "as defined", "reads")


def table_settings(topology: Topology, server_version: tuple[int, ...]) -> str:
    if topology.kind == "cloud":  # has no disk of its own
        return ""
    # Patch parts have open faults on replicas.
    patches = topology.kind == "single" and server_version[:2] >= FIRST_VERSION_WITH_SOUND_PATCHES
    return _DURABLE + _UNDEDUPLICATED + (_PATCH_PARTS if patches else "")


@dataclass(kw_only=True, eq=False, repr=False)
class Schema:
    """The table of a repository, its views, and the tables that are made together with it.

    A method may raise `StorageUnavailable`, after the retries of `retry`, and `StorageRejected`.
    """

    table: ClassVar[HourlyTable]  # set by a subclass
    clickhouse: ClickHouseAdapter  # the caller closes it
    database: str  # plain name
    retry: RetryPolicy
    replication: Replication = Replication()  # noqa: RUF009 - immutable
    is_made: bool = False  # whether everything is there, after `ensure_ready`

    def __post_init__(self) -> None:
        # With the database: for messages, and for SQL.
        self.name, self.quoted = self._full(self.table.name), quoted_name(self.database, self.table.name)
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
                    f"{self.name} was just created, but another server answers, which does not have it",
                    next_step="Name one server in CLICKHOUSE_HOST, or their cluster in CLICKHOUSE_CLUSTER.",
                )
        if differences := definition(name).differences(shapes[name]):
            raise self._another_shape(name, differences)
        self._engine = shapes[name]["engine"]
        if is_replicated(self._engine):
            quorum, patience = self.replication.insert_quorum, self.clickhouse.patience_seconds
            self.clickhouse.keep_settings(settings_of_writes(self.topology, quorum, patience_seconds=patience))
        # CREATE IF NOT EXISTS needs a right that a user who only writes rows may lack, even if the table exists.
        for beside in set(self._beside) - shapes.keys():
            self._make(beside)
        for view in self._possible_views(shapes):
            if view not in shapes:
                self._make(view)
            elif shapes[view]["engine"] != "View":
                raise self._another_shape(view, definition(view).differences_of_view(shapes[view]))
            elif shapes[view]["comment"] != definition(view).comment or shapes[view]["as defined"] == "0":
                self._renew(view, shapes[view])
        self.is_made = True

    @cached_property
    def topology(self) -> Topology:
        return self.retry.call(partial(topology_of, self.clickhouse, self.database, self.replication.cluster))

    def is_replicated(self) -> bool:
        """Whether the table's rows are on every replica."""
        if not self._engine:
            self._engine = self._found().get(self.table.name, {}).get("engine", "")
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

    def wanted_rights(self) -> list[str]:
        """The rights that a run needs, those to make what is missing included: what GRANT takes before TO."""
        shapes = self._found()
        tables = [self.table.name, *self._beside]
        views = self._possible_views(shapes)
        rights = [("SELECT", name) for name in (*tables, *views)] + [("INSERT", name) for name in tables]
        if not self.inserts_changes():
            rights.append(("ALTER UPDATE", self.table.name))
        if not shapes and not is_there(self.clickhouse, self.database):
            rights.append(("CREATE DATABASE", "*"))
        rights += [("CREATE TABLE", name) for name in tables if name not in shapes]
        rights += [("CREATE VIEW", name) for name in views if name not in shapes]
        return [f"{right} ON {self._full(name)}" for right, name in rights]

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
        self.topology.refuse_partial_drop(self.name, shapes.get(self.table.name, {}).get("engine", ""))
        # The table first: a user without the right to drop it keeps the views too.
        statements = [f"DROP TABLE IF EXISTS {self.quoted}{{on_cluster}} SYNC"]
        views = [quoted_name(self.database, view) for view in self.table.views]
        statements += [f"DROP VIEW IF EXISTS {view}{{on_cluster}}" for view in reversed(views)]
        for statement in statements:
            self.retry.call(partial(self.topology.send, self.clickhouse, self.database, statement))

    def _make(self, name: str, *, replace: bool = False) -> None:
        text = definition(name).text
        if not replace:  # needs more rights
            text = text.replace("CREATE OR REPLACE VIEW", "CREATE VIEW IF NOT EXISTS")
        settings = table_settings(self.topology, self.clickhouse.server_version())
        self.topology.send(self.clickhouse, self.database, text, settings=settings)

    def _renew(self, view: str, shape: Mapping[str, str]) -> None:
        try:
            self._make(view, replace=True)
        except StorageRejected as error:
            # A user who only writes rows can go on with an older view that has the same columns.
            if error.code != ACCESS_DENIED or definition(view).differences(shape):
                raise
            log.warning("outdated view", view=self._full(view), reason=error.message, next=error.next_step)

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
            topology.refuse_unreplicated(self._full(name), shapes.get(name, {}).get("engine", ""))

    def _another_shape(self, name: str, differences: Sequence[str]) -> StorageRejected:
        rest = len(differences) - _SHOWN_DIFFERENCES
        more = f", and {rest} more" if rest > 0 else ""
        return StorageRejected(
            f"{self._full(name)} has another shape: {'; '.join(differences[:_SHOWN_DIFFERENCES])}{more}",
            next_step=f"Rename or drop {self._full(name)}, then run `./run.sh setup_db`; but if its columns are "
            f"only hidden from this user, have an administrator run: GRANT SELECT ON {self._full(name)}",
        )
