"""Where a database's tables live: on one server, on the replicas of a cluster, or in ClickHouse Cloud.

Every CREATE, DROP and ALTER of the program is written for a single server and becomes, here and nowhere else, the
statement for the place: https://clickhouse.com/docs/engines/table-engines/mergetree-family/replication
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, cast

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, quoted_identifier
from adapters._bases.clickhouse_errors import ACCESS_DENIED
from adapters._bases.errors import ConfigurationError, StorageRejected

Changes = Literal["", "update", "insert"]


class Replication(NamedTuple):
    """What the operator set of it; each empty for what the server says.

    Attributes:
        cluster: the cluster that every statement of DDL is for.
        changes: whether a stored row is changed by ``update`` or by the ``insert`` of a newer version; empty for
            ``insert`` where the table is replicated and ``update`` elsewhere.
        insert_quorum: how many replicas must have an insert before it counts, or ``auto`` for most of them; empty for
            ``auto`` where there are three or more.
    """

    cluster: str = ""
    changes: Changes = ""
    insert_quorum: str = ""


AS_FOUND = Replication()
"""Everything as the server says."""
_Kind = Literal["single", "cluster", "replicated database", "cloud"]

_OBJECT = re.compile(
    r"(CREATE DATABASE IF NOT EXISTS|CREATE TABLE IF NOT EXISTS|CREATE VIEW IF NOT EXISTS|CREATE OR REPLACE VIEW"
    r"|DROP VIEW IF EXISTS|DROP TABLE IF EXISTS|ALTER TABLE) `\w+`(\.`\w+`)?"
)
_ENGINE = re.compile(r"^ENGINE = (?=\w*MergeTree)", re.MULTILINE)
_LOCAL_SETTINGS = re.compile(r"^SETTINGS .*\n", re.MULTILINE)


class Topology(NamedTuple):
    """What the server says of the place.

    Attributes:
        cluster: the cluster whose replicas are meant: that of the setting, or the Replicated database's own.
        replicas: how many of them the server knows, or how many the Replicated tables of the database have.
        neighbors: a cluster that has other replicas beside this server, which the settings do not name.
    """

    kind: _Kind = "single"
    cluster: str = ""
    replicas: int = 1
    neighbors: str = ""

    def __str__(self) -> str:
        if self.kind == "cluster":
            return f"cluster {self.cluster}, {self.replicas} replicas"
        if self.kind == "replicated database":
            return f"a database of the Replicated engine, {self.replicas} replicas"
        if self.kind == "cloud":
            return "ClickHouse Cloud"
        return "a single server" if self.replicas == 1 else f"{self.replicas} replicas that were made by hand"

    def ddl(self, statement: str) -> str:
        """The statement as it is sent here.

        Args:
            statement: CREATE, DROP or ALTER of one object, as a single server takes it; its name is quoted.

        Raises:
            ValueError: it begins in a way that is not known here.
        """
        found = _OBJECT.match(statement)
        if found is None:
            raise ValueError(f"not a statement of DDL: {statement[:60]}")
        if self.kind == "cloud":
            # Those settings are about a server's own disk, and about patch parts.
            return _LOCAL_SETTINGS.sub("", statement)
        if self.kind == "cluster":
            statement = f"{found[0]} ON CLUSTER `{self.cluster}`{statement[found.end() :]}"
        return statement if self.kind == "single" else _ENGINE.sub("ENGINE = Replicated", statement)

    def refuse_partial_drop(self, name: str, engine: str) -> None:
        """Check that a DROP reaches every replica of a table. Arguments are those of `refuse_unreplicated`.

        Raises:
            StorageRejected: the others would keep it, and this one would get a plain one by the next set-up.
        """
        self.refuse_unreplicated(name, engine)
        if is_replicated(engine) and self.kind == "single" and self.replicas > 1:
            raise StorageRejected(
                f"{name} has {self.replicas} replicas, and would be dropped on one only",
                next_step=f"set CLICKHOUSE_CLUSTER, or on each server: DROP TABLE {name} SYNC",
            )

    def send(self, clickhouse: ClickHouseAdapter, statement: str) -> None:
        """Run a statement of DDL here. It is complete on every replica that is up; one that is down runs it later."""
        settings: dict[str, object] = {}
        if self.kind in ("cluster", "replicated database"):
            # An answer before the client gives up waiting: what is not over by then stays queued.
            settings = {
                "distributed_ddl_task_timeout": clickhouse.patience_seconds,
                "distributed_ddl_output_mode": "throw_only_active",
            }
        clickhouse.command(self.ddl(statement), settings)

    def make_database(self, clickhouse: ClickHouseAdapter, database: str) -> None:
        """Make the database where it is missing. `database` is its plain name."""
        try:
            self.send(clickhouse, f"CREATE DATABASE IF NOT EXISTS {quoted_identifier(database)}")
        except StorageRejected as error:
            # A user with rights in one database cannot make it, and need not where somebody has.
            if error.code != ACCESS_DENIED or not is_there(clickhouse, database):
                raise

    def refuse_unreplicated(self, name: str, engine: str) -> None:
        """Check that a stored table has its rows wherever it is asked.

        Args:
            name: the table's, with its database's, for people.
            engine: of it; empty where it is still to be made.

        Raises:
            StorageRejected: its rows would be on one of several replicas only.
        """
        if engine == "Distributed":
            raise StorageRejected(
                f"{name} is a Distributed table, which takes no update and shows several rows a key",
                next_step="set CLICKHOUSE_DB to a database without it: docs/cluster.md says why none is needed",
            )
        if self.neighbors and not is_replicated(engine):
            raise StorageRejected(
                f"this server is one of the replicas of cluster {self.neighbors}, and the rows of {name} would be on "
                "this one only",
                next_step=f"set CLICKHOUSE_CLUSTER={self.neighbors}, then run `./run.sh setup_db`",
            )
        if not engine and self.kind == "single" and self.replicas > 1:
            raise StorageRejected(
                f"{name} would be made on one of {self.replicas} replicas only",
                next_step="set CLICKHOUSE_CLUSTER, or make it by hand on each server, as docs/cluster.md shows",
            )
        if engine.endswith("MergeTree") and self.replicas > 1 and not is_replicated(engine):
            raise StorageRejected(
                f"{name} is a plain {engine} in {self}: its rows are on one replica only",
                next_step=f"on each server that has it: RENAME TABLE {name} TO {name}_plain; then `./run.sh setup_db`, "
                "and INSERT … SELECT the rows, as docs/cluster.md shows",
            )


def is_there(clickhouse: ClickHouseAdapter, database: str) -> bool:
    """Whether the server has a database of this plain name."""
    there = "SELECT count() FROM system.databases WHERE name = {database:String}"
    return clickhouse.query(there, {"database": database}) != [(0,)]


def is_replicated(engine: str) -> bool:
    """Whether a table of this engine has its rows on every replica."""
    return engine.startswith(("Replicated", "Shared"))


_SELECT = (
    "SELECT (SELECT engine FROM system.databases WHERE name = {database:String}), "
    "(SELECT value FROM system.settings WHERE name = 'cloud_mode'), "
    "(SELECT count() FROM system.macros WHERE macro = 'replica'), "
    "(SELECT groupArray((cluster, shards, replicas, here)) FROM (SELECT cluster, uniqExact(shard_num) AS shards, "
    "max(replica_num) AS replicas, max(is_local) AS here FROM system.clusters GROUP BY cluster ORDER BY cluster)), "
    "(SELECT max(total_replicas) FROM system.replicas WHERE database = {database:String})"
)


class _Cluster(NamedTuple):
    name: str
    shards: int
    replicas: int
    here: int


def topology_of(clickhouse: ClickHouseAdapter, database: str, cluster: str) -> Topology:
    """What the server says of the place of a database, which may not exist yet.

    Args:
        database: plain name.
        cluster: that of the settings; empty for none.

    Raises:
        ConfigurationError: the server knows no such cluster, or tables cannot be replicated there.
    """
    try:
        [(engine, cloud, macros, found, by_hand)] = clickhouse.query(_SELECT, {"database": database})
    except StorageRejected as error:
        if error.code != ACCESS_DENIED:
            raise
        # Some managed services hide the tables that say it: what is set is taken as it stands.
        return Topology("cluster", cluster) if cluster else Topology()
    clusters = {one[0]: _Cluster(*one) for one in cast("Sequence[tuple[str, int, int, int]]", found)}
    if str(cloud) in ("1", "true"):
        return Topology("cloud")
    if engine == "Replicated":
        own = clusters.get(database)
        return Topology("replicated database", database, own.replicas if own else 1)
    if cluster:
        return Topology("cluster", cluster, _usable(cluster, clusters, macros=int(str(macros))).replicas)
    # A server's own example of a cluster has no macro of a replica.
    others = [one.name for one in clusters.values() if one.here and one.replicas > 1 and macros]
    return Topology(replicas=max(1, int(str(by_hand or 0))), neighbors=others[0] if others else "")


def _usable(cluster: str, clusters: Mapping[str, _Cluster], *, macros: int) -> _Cluster:
    if cluster not in clusters:
        known = f": it has {', '.join(clusters)}" if clusters else ", nor any other"
        raise ConfigurationError(
            f"CLICKHOUSE_CLUSTER: the server knows no cluster {cluster}{known}",
            next_step="correct CLICKHOUSE_CLUSTER, or remote_servers in the server's configuration",
        )
    if clusters[cluster].shards > 1:
        raise ConfigurationError(
            f"CLICKHOUSE_CLUSTER: {cluster} has {clusters[cluster].shards} shards, over which the rows would be split",
            next_step="name a cluster of one shard, which is plenty: docs/cluster.md",
        )
    if not macros:
        raise ConfigurationError(
            f"the servers of cluster {cluster} have no macro 'replica', without which no table can be replicated",
            next_step="set <macros> with shard and replica in the configuration of each server: docs/cluster.md",
        )
    return clusters[cluster]


FIRST_VERSION_WITH_ONE_DEDUPLICATION = (26, 2)
_KEEPER_RETRIES = 5
"""Some 3 s; by itself a replica that has lost Keeper answers after 142 s, when the client has long given up."""
_REPLICAS_FOR_QUORUM = 3


def settings_of_writes(
    topology: Topology, insert_quorum: str, *, server_version: tuple[int, ...], patience_seconds: int
) -> dict[str, object]:
    """The settings of whatever reads keys and writes rows of replicated tables.

    Deduplication is off: it swallows a block that was inserted, deleted and is restored, and what is idempotent here is
    so by its keys.
    """
    one = server_version[:2] >= FIRST_VERSION_WITH_ONE_DEDUPLICATION
    settings: dict[str, object] = {"deduplicate_insert": "disable"} if one else {"insert_deduplicate": 0}
    settings |= {"select_sequential_consistency": 1, "insert_keeper_max_retries": _KEEPER_RETRIES}
    quorum = insert_quorum or ("auto" if topology.replicas >= _REPLICAS_FOR_QUORUM else "")
    if quorum and topology.kind != "cloud":
        settings |= {"insert_quorum": quorum, "insert_quorum_timeout": patience_seconds * 1000}
    return settings
