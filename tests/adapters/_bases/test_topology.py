"""Where tables live: what the server says of it, what every statement becomes there, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.clickhouse_errors import coded_error
from adapters._bases.errors import ConfigurationError, StorageRejected, StorageUnavailable
from adapters._bases.topology import Replication, Topology, settings_of_writes, topology_of
from adapters.clickhouse.etl_runs_clickhouse_adapter import EtlRunsAdapter
from tests.support.clickhouse_front import ClickHouseFront, Fault

STATEMENTS = sorted((Path(__file__).parents[2] / "fixtures" / "ddl").glob("*.sql"))
CLUSTER = Topology("cluster", "prod-1", 2)
IN_REPLICATED = Topology("replicated database", "crypto", 2)
CLOUD = Topology("cloud")
OTHERS = [
    "CREATE DATABASE IF NOT EXISTS `crypto`",
    "CREATE OR REPLACE VIEW `crypto`.`v`\nAS SELECT 1",
    "DROP VIEW IF EXISTS `crypto`.`v`",
    "DROP TABLE IF EXISTS `crypto`.`t` SYNC",
    "ALTER TABLE `crypto`.`t` MODIFY TTL x",
]


def whole(path: Path) -> str:
    """A statement that makes a table or a view, as a single server gets it."""
    return path.read_text()


@pytest.mark.parametrize("statement", [*map(whole, STATEMENTS), *OTHERS])
def test_every_statement_is_for_its_place(statement: str) -> None:
    """The cluster behind the object's name and Replicated engines; in a Replicated database those alone."""
    [name] = re.findall(r"\A[A-Z ]+ (`\w+`(?:\.`\w+`)?)", statement)
    replicated = statement.replace("\nENGINE = ", "\nENGINE = Replicated")

    assert Topology().ddl(statement) == statement
    assert CLUSTER.ddl(statement) == replicated.replace(name, f"{name} ON CLUSTER `prod-1`", 1)
    assert IN_REPLICATED.ddl(statement) == replicated
    assert "ON CLUSTER" not in CLOUD.ddl(statement)
    assert "Replicated" not in CLOUD.ddl(statement)


def test_the_engines_have_no_arguments_of_their_own() -> None:
    """Path and replica are the server's; the version stays."""
    made = "\n".join(CLUSTER.ddl(whole(path)) for path in STATEMENTS)
    engines = [line for line in made.splitlines() if line.startswith("ENGINE")]
    assert sorted(set(engines)) == [
        "ENGINE = ReplicatedMergeTree",
        "ENGINE = ReplicatedReplacingMergeTree",
        "ENGINE = ReplicatedReplacingMergeTree(version)",
    ]


def test_cloud_gets_no_settings_of_a_servers_own_disk() -> None:
    """Those of fsync and of patch parts are left out."""
    [table] = [path for path in STATEMENTS if path.stem == "crypto_prices"]
    assert "SETTINGS" not in CLOUD.ddl(whole(table))
    assert "SETTINGS" in whole(table)


def test_what_is_not_ddl_is_not_sent() -> None:
    """A statement that begins in an unknown way would be sent to one replica only."""
    with pytest.raises(ValueError, match="not a statement of DDL"):
        CLUSTER.ddl("TRUNCATE TABLE `crypto`.`t`")


def said(
    engine: str = "Atomic",
    cloud: str = "0",
    macros: int = 1,
    clusters: Sequence[tuple[object, ...]] = (),
    by_hand: int = 0,
) -> Callable[[ClickHouseFront], None]:
    """Have the server say this of its place."""

    def change(front: ClickHouseFront) -> None:
        listed = ", ".join(f"{one!r}" for one in clusters)
        array = f"CAST([{listed}], 'Array(Tuple(String, UInt64, UInt32, UInt8))')"
        front.replacements["SELECT (SELECT engine FROM system.databases"] = (
            f"SELECT '{engine}', '{cloud}', {macros}, {array}, {by_hand}"
        )

    return change


PAIR = ("pair", 1, 2, 1)


@pytest.mark.parametrize(
    ("server_says", "cluster", "place"),
    [
        (said(), "", Topology()),
        (said(clusters=[("default", 1, 1, 1)]), "", Topology()),
        (said(macros=0, clusters=[PAIR]), "", Topology()),
        (said(macros=0, by_hand=2), "", Topology(replicas=2)),
        (said(clusters=[PAIR]), "pair", Topology("cluster", "pair", 2)),
        (said(clusters=[PAIR]), "", Topology(neighbors="pair")),
        (said("Replicated", clusters=[("crypto", 1, 3, 1)]), "", Topology("replicated database", "crypto", 3)),
        (said("Replicated", clusters=[PAIR]), "pair", Topology("replicated database", "crypto", 1)),
        (said("Replicated", cloud="1", clusters=[("default", 1, 3, 1)]), "", Topology("cloud")),
    ],
)
def test_the_place_is_what_the_server_says(
    server: ClickHouseAdapter,
    front: ClickHouseFront,
    server_says: Callable[[ClickHouseFront], None],
    cluster: str,
    place: Topology,
) -> None:
    """Cloud before a Replicated database before the cluster that is set; other replicas are known by their macros."""
    server_says(front)
    assert topology_of(server, "crypto", cluster) == place


@pytest.mark.parametrize(
    ("server_says", "words"),
    [
        (said(), "knows no cluster pair, nor any other"),
        (said(clusters=[("other", 1, 2, 1)]), "knows no cluster pair: it has other"),
        (said(clusters=[("pair", 2, 2, 1)]), "pair has 2 shards"),
        (said(macros=0, clusters=[PAIR]), "no macro 'replica'"),
    ],
)
def test_a_cluster_that_cannot_serve_is_refused(
    server: ClickHouseAdapter, front: ClickHouseFront, server_says: Callable[[ClickHouseFront], None], words: str
) -> None:
    """A name that is not there, several shards, servers without macros."""
    server_says(front)
    with pytest.raises(ConfigurationError, match=words):
        topology_of(server, "crypto", "pair")


def test_without_the_right_to_look_the_setting_counts(server: ClickHouseAdapter, front: ClickHouseFront) -> None:
    """Managed services may hide macros and clusters."""
    front.faults.append(Fault("error", "SELECT (SELECT engine", times=2, code=497))
    assert topology_of(server, "crypto", "") == Topology()
    assert topology_of(server, "crypto", "pair") == Topology("cluster", "pair")


@pytest.mark.parametrize(
    ("place", "engine", "words"),
    [
        (CLUSTER, "ReplacingMergeTree", "is a plain ReplacingMergeTree in cluster prod-1"),
        (IN_REPLICATED, "ReplacingMergeTree", "is a plain ReplacingMergeTree in a database of the Replicated engine"),
        (Topology(replicas=2), "ReplacingMergeTree", "plain ReplacingMergeTree in 2 replicas that were made by hand"),
        (Topology(replicas=2), "", "would be made on one of 2 replicas only"),
        (Topology(), "Distributed", "is a Distributed table"),
        (CLUSTER, "Distributed", "is a Distributed table"),
        (Topology(neighbors="pair"), "", "one of the replicas of cluster pair"),
        (Topology(neighbors="pair"), "ReplacingMergeTree", "one of the replicas of cluster pair"),
    ],
)
def test_rows_on_one_replica_only_are_refused(place: Topology, engine: str, words: str) -> None:
    """A plain table among several replicas, one that would be made there, and a Distributed one."""
    with pytest.raises(StorageRejected, match=words):
        place.refuse_unreplicated("crypto.crypto_prices", engine)


@pytest.mark.parametrize(
    ("place", "engine"),
    [
        (Topology(), "ReplacingMergeTree"),
        (CLUSTER, ""),
        (CLUSTER, "ReplicatedReplacingMergeTree"),
        (Topology(neighbors="pair"), "ReplicatedReplacingMergeTree"),
        (CLOUD, "SharedReplacingMergeTree"),
    ],
)
def test_rows_on_every_replica_are_not_refused(place: Topology, engine: str) -> None:
    """Replicated and Shared tables, and a plain one on a single server."""
    place.refuse_unreplicated("crypto.crypto_prices", engine)


def test_a_table_of_replicas_is_not_dropped_on_one_of_them() -> None:
    """What was made by hand on each server is dropped so, or with the cluster's name."""
    with pytest.raises(StorageRejected, match="has 2 replicas, and would be dropped on one only"):
        Topology(replicas=2).refuse_partial_drop("crypto.crypto_prices", "ReplicatedReplacingMergeTree")
    for place in (Topology(), CLUSTER, IN_REPLICATED):
        place.refuse_partial_drop("crypto.crypto_prices", "ReplicatedReplacingMergeTree")


def test_writes_to_replicas_have_their_settings() -> None:
    """Deduplication off by the server's own setting, reads after writes, few retries, a quorum from three replicas."""

    def sent(place: Topology, quorum: str = "", version: tuple[int, ...] = (26, 9)) -> dict[str, object]:
        return settings_of_writes(place, quorum, server_version=version, patience_seconds=30)

    assert sent(CLUSTER) == {
        "deduplicate_insert": "disable",
        "select_sequential_consistency": 1,
        "insert_keeper_max_retries": 5,
    }
    assert sent(CLUSTER, version=(26, 1))["insert_deduplicate"] == 0
    assert "deduplicate_insert" not in sent(CLUSTER, version=(26, 1))
    assert sent(CLUSTER._replace(replicas=3))["insert_quorum"] == "auto"
    assert sent(CLUSTER, "2")["insert_quorum"] == "2"
    assert sent(CLUSTER, "2")["insert_quorum_timeout"] == 30_000
    assert "insert_quorum" not in sent(CLOUD, "2")


@pytest.mark.parametrize("code", [159, 242, 252, 279, 285, 286, 289, 319, 341, 999])
def test_what_may_pass_is_tried_again_with_words(code: int) -> None:
    """Each of the errors of replicas that pass is worth a retry, and says what to look at."""
    error = coded_error(code, "words of the server", "server")
    assert isinstance(error, StorageUnavailable)
    assert error.next_step


def test_what_another_replica_left_is_for_a_person() -> None:
    """REPLICA_ALREADY_EXISTS does not pass."""
    error = coded_error(253, "words of the server", "server")
    assert isinstance(error, StorageRejected)
    assert error.code == 253
    assert "SYSTEM DROP REPLICA" in error.next_step


def test_the_table_of_runs_is_made_for_its_place(
    server: ClickHouseAdapter, front: ClickHouseFront, database: str
) -> None:
    """Its statements go through the same door as the prices'."""
    said(clusters=[PAIR])(front)
    front.faults.append(Fault("error", "CREATE DATABASE", code=159, text="Distributed DDL task is not finished"))
    runs = EtlRunsAdapter(clickhouse=server, database=database, keep_days=9, replication=Replication("pair"))

    with pytest.raises(StorageUnavailable, match="159"):
        runs.ensure_ready()

    assert front.asked("CREATE") == [f"CREATE DATABASE IF NOT EXISTS `{database}` ON CLUSTER `pair`"]
