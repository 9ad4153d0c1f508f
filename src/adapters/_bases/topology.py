"""Where a database's tables live: on one server, on the replicas of a cluster, or in ClickHouse Cloud; stuck mutations.

See https://clickhouse.com/docs/engines/table-engines/mergetree-family/replication and docs/cluster.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import structlog

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, quoted_text
from adapters._bases.clickhouse_errors import ACCESS_DENIED
from adapters._bases.errors import ConfigurationError, StorageRejected
from adapters._bases.sql_files import query_text
from adapters._bases.wording import counted

log = structlog.get_logger(__name__)

Changes = Literal["", "update", "insert"]
# Where the engine's name says that a table is replicated; ClickHouse Cloud replaces the engine itself.
_REPLICATING = ("cluster", "replicated database")


class Replication(NamedTuple):
    """The operator's settings for replicas; an empty one leaves the choice to what the server reports."""

    cluster: str = ""  # every DDL statement runs ON CLUSTER of this one
    changes: Changes = ""  # "update" in place or "insert" of a newer version; empty for "insert" if replicated
    insert_quorum: str = ""  # replicas that must confirm an insert, or "auto"; empty for "auto" from three on


class StuckMutation(NamedTuple):
    """A mutation that has failed and is still queued, which blocks every later one of its table."""

    database: str
    table: str
    mutation_id: str
    reason: str  # of its last failure, on one line

    @property
    def kill_statement(self) -> str:
        database, table, mutation = map(quoted_text, self[:3])
        return f"KILL MUTATION WHERE database = {database} AND table = {table} AND mutation_id = {mutation}"

    def __str__(self) -> str:
        return f"{self.mutation_id} fails: {self.reason}; to remove it: {self.kill_statement}"


class Topology(NamedTuple):
    kind: Literal["single", "cluster", "replicated database", "cloud"] = "single"
    cluster: str = ""  # of the settings, or the Replicated database's own
    replicas: int = 1  # of that cluster, or of hand-made Replicated tables in the database
    neighbors: str = ""  # a cluster with other replicas of this server that the settings do not name
    stuck: tuple[StuckMutation, ...] = ()  # of the database's tables

    def __str__(self) -> str:
        if self.kind == "cluster":
            return f"cluster {self.cluster}, {counted(self.replicas, 'replica')}"
        if self.kind == "replicated database":
            return f"a database with the Replicated engine, {counted(self.replicas, 'replica')}"
        if self.kind == "cloud":
            return "ClickHouse Cloud"
        return "a single server" if self.replicas == 1 else f"{self.replicas} hand-made replicas"

    def filled(self, database: str, statement: str, **names: str) -> str:
        """A DDL statement with its placeholders filled in: `names`, and those that follow from the place."""
        names["database"] = f"`{database}`"
        names["on_cluster"] = f" ON CLUSTER `{self.cluster}`" if self.kind == "cluster" else ""
        names["replicated"] = "Replicated" if self.kind in _REPLICATING else ""
        return statement.format_map(names)

    def send(self, clickhouse: ClickHouseAdapter, database: str, statement: str, **names: str) -> None:
        """Run a DDL statement, see `filled`. Complete on every replica that is up; the others follow."""
        # The server answers before the client gives up; a replica that has not finished keeps it queued.
        settings: dict[str, object] = {
            "distributed_ddl_task_timeout": clickhouse.patience_seconds,
            "distributed_ddl_output_mode": "throw_only_active",
        }
        clickhouse.command(self.filled(database, statement, **names), settings if self.kind in _REPLICATING else {})

    def make_database(self, clickhouse: ClickHouseAdapter, database: str) -> None:
        try:
            self.send(clickhouse, database, "CREATE DATABASE IF NOT EXISTS {database}{on_cluster}")
        except StorageRejected as error:
            # A user with rights in this database only cannot create it, and need not if it exists.
            if error.code != ACCESS_DENIED or not is_there(clickhouse, database):
                raise

    def refuse_unreplicated(self, name: str, engine: str) -> None:
        """Raise `StorageRejected` if the rows of a table, or of one to be made, are on one of several replicas only."""
        if engine == "Distributed":
            message = f"{name} is a Distributed table, which takes no update and shows several rows per key"
            step = "set CLICKHOUSE_DB to another database; docs/cluster.md explains why none is needed"
        elif is_replicated(engine):
            return
        elif self.neighbors:
            message = (
                f"this server is a replica in cluster {self.neighbors}, and the rows of {name} would be on it only"
            )
            step = f"set CLICKHOUSE_CLUSTER={self.neighbors}, then run `./run.sh setup_db`"
        elif not engine and self.kind == "single" and self.replicas > 1:
            message = f"{name} would be made on one of {self.replicas} replicas only"
            step = "set CLICKHOUSE_CLUSTER, or create it by hand on each server, as docs/cluster.md shows"
        elif engine.endswith("MergeTree") and self.replicas > 1:
            message = f"{name} is a plain {engine} in {self}: its rows are on one replica only"
            step = f"on each server that has it: RENAME TABLE {name} TO {name}_plain; then `./run.sh setup_db`, and "
            step += "INSERT … SELECT the rows, as docs/cluster.md shows"
        else:
            return
        raise StorageRejected(message, next_step=step)

    def refuse_partial_drop(self, name: str, engine: str) -> None:
        """Raise `StorageRejected` if a DROP would not reach every replica of a table."""
        self.refuse_unreplicated(name, engine)
        if is_replicated(engine) and self.kind == "single" and self.replicas > 1:
            # The others would keep it, and the next set-up would make a plain one here.
            raise StorageRejected(
                f"{name} has {self.replicas} replicas, and would be dropped on one only",
                next_step=f"set CLICKHOUSE_CLUSTER, or on each server: DROP TABLE {name} SYNC",
            )


def is_there(clickhouse: ClickHouseAdapter, database: str) -> bool:
    there = "SELECT count() FROM system.databases WHERE name = {database:String}"
    return clickhouse.query(there, {"database": database}) != [(0,)]


def is_replicated(engine: str) -> bool:
    """Whether a table with this engine has its rows on every replica."""
    return engine.startswith(("Replicated", "Shared"))


def topology_of(clickhouse: ClickHouseAdapter, database: str, cluster: str) -> Topology:
    """What the server reports about a database, which may not exist yet; `cluster` is the setting, perhaps empty.

    Raises ConfigurationError if the cluster is unknown, or tables cannot be replicated there.
    """
    for mutations in (f"({query_text('stuck_mutations')})", "[]"):  # in one statement, unless they alone are hidden
        try:
            statement = query_text("topology").replace("{stuck}", mutations)
            [(*place, stuck)] = clickhouse.query(statement, {"database": database})
        except StorageRejected as error:  # noqa: PERF203 - at most twice
            if error.code != ACCESS_DENIED:
                raise
        else:
            return _topology(database, cluster, place)._replace(stuck=tuple(map(StuckMutation._make, stuck)))
    # Some managed services hide these tables: trust the setting.
    return Topology("cluster", cluster) if cluster else Topology()


def _topology(database: str, cluster: str, reported: Sequence[Any]) -> Topology:
    engine, cloud, macros, found, by_hand = reported
    clusters = {name: (int(shards), int(replicas), int(here)) for name, shards, replicas, here in found}
    if str(cloud) in ("1", "true"):
        return Topology("cloud")
    if engine == "Replicated":
        return Topology("replicated database", database, clusters.get(database, (1, 1))[1])
    if cluster:
        return Topology("cluster", cluster, _replicas_of(cluster, clusters, macros=bool(macros)))
    # The example cluster in a stock configuration comes without the macro.
    others = [name for name, (_, replicas, here) in clusters.items() if here and replicas > 1 and macros]
    return Topology(replicas=max(1, int(by_hand or 0)), neighbors=others[0] if others else "")


def _replicas_of(cluster: str, clusters: Mapping[str, tuple[int, ...]], *, macros: bool) -> int:
    shards, replicas, _ = clusters.get(cluster, (0, 0, 0))
    if not shards:
        listed = f"the server has {', '.join(clusters)}" if clusters else "no clusters are configured"
        message = f"CLICKHOUSE_CLUSTER: unknown cluster {cluster}; {listed}"
        step = "correct CLICKHOUSE_CLUSTER, or remote_servers in the server's configuration"
    elif shards > 1:
        message = f"CLICKHOUSE_CLUSTER: {cluster} has {shards} shards, which would split the rows"
        step = "name a cluster with one shard, which is plenty: docs/cluster.md"
    elif not macros:
        message = f"the servers of cluster {cluster} have no macro 'replica', which replicated tables need"
        step = "set <macros> with shard and replica in each server's configuration: docs/cluster.md"
    else:
        return replicas
    raise ConfigurationError(message, next_step=step)


def settings_of_writes(topology: Topology, insert_quorum: str, *, patience_seconds: int) -> dict[str, object]:
    """The settings for statements that read keys and write rows of replicated tables."""
    # Five retries take 3 s. By default a replica that has lost Keeper answers after 142 s, too late for the client.
    settings: dict[str, object] = {"select_sequential_consistency": 1, "insert_keeper_max_retries": 5}
    quorum = insert_quorum or ("auto" if topology.replicas >= 3 else "")  # noqa: PLR2004 - one may then fail without loss
    if quorum and topology.kind != "cloud":
        settings |= {"insert_quorum": quorum, "insert_quorum_timeout": patience_seconds * 1000}
    return settings


def stuck_mutations(clickhouse: ClickHouseAdapter, database: str, table: str) -> list[StuckMutation]:
    """The failed mutations in a table's queue, oldest first; none, with a warning, if the user may not see them."""
    [(found,)] = if_allowed(clickhouse, query_text("stuck_mutations"), {"database": database}) or [([],)]
    return [one for one in map(StuckMutation._make, found) if one.table == table]


def if_allowed(
    clickhouse: ClickHouseAdapter, statement: str, parameters: Mapping[str, object] | None = None
) -> list[tuple[Any, ...]]:
    """The rows; none, with a warning, if the user lacks the right."""
    try:
        return clickhouse.query(statement, parameters)
    except StorageRejected as error:
        if error.code != ACCESS_DENIED:
            raise
        log.warning("failed mutations cannot be inspected", reason=error.message, next=error.next_step)
        return []
