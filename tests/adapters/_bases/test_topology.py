"""Where tables live: what the server reports, what DDL gets there, what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.errors import ConfigurationError, StorageRejected
from adapters._bases.topology import Topology, settings_of_writes, topology_of
from tests.support.clickhouse_front import ClickHouseFront, Fault

CLUSTER = Topology("cluster", "prod-1", 2)
IN_REPLICATED = Topology("replicated database", "crypto", 2)
CLOUD = Topology("cloud")
REPLICATED = "ReplicatedReplacingMergeTree"
PLAIN = "ReplacingMergeTree"
PAIR = ("pair", 1, 2, 1)


def report(
    front: ClickHouseFront,
    *,
    engine: str = "Atomic",
    cloud: str = "0",
    macros: int = 1,
    clusters: Sequence[tuple[object, ...]] = (),
    by_hand: int = 0,
) -> None:
    array = f"CAST([{', '.join(f'{one!r}' for one in clusters)}], 'Array(Tuple(String, UInt64, UInt32, UInt8))')"
    front.replacements["SELECT (SELECT engine FROM system.databases"] = (
        f"SELECT '{engine}', '{cloud}', {macros}, {array}, {by_hand}, []"
    )


@pytest.mark.parametrize(
    ("reported", "cluster", "place"),
    [
        ({}, "", Topology()),
        ({"clusters": [("default", 1, 1, 1)]}, "", Topology()),
        ({"macros": 0, "clusters": [PAIR]}, "", Topology()),
        ({"macros": 0, "by_hand": 2}, "", Topology(replicas=2)),
        ({"clusters": [PAIR]}, "pair", Topology("cluster", "pair", 2)),
        ({"clusters": [PAIR]}, "", Topology(neighbors="pair")),
        ({"clusters": [("away", 1, 2, 0)]}, "", Topology()),
        ({"engine": "Replicated", "clusters": [("crypto", 1, 3, 1)]}, "", IN_REPLICATED._replace(replicas=3)),
        ({"engine": "Replicated", "clusters": [PAIR]}, "pair", IN_REPLICATED._replace(replicas=1)),
        ({"engine": "Replicated", "cloud": "1", "clusters": [("default", 1, 3, 1)]}, "", CLOUD),
    ],
)
def test_topology_is_read_from_the_server(
    server: ClickHouseAdapter, front: ClickHouseFront, reported: dict[str, object], cluster: str, place: Topology
) -> None:
    """Cloud before a Replicated database before the cluster in the settings; neighbors are known by the macro."""
    report(front, **reported)  # type: ignore[arg-type]  # its own parameters
    assert topology_of(server, "crypto", cluster) == place


@pytest.mark.parametrize(
    ("reported", "words"),
    [
        ({}, "no clusters are configured"),
        ({"clusters": [("other", 1, 2, 1)]}, "the server has other"),
        ({"clusters": [("pair", 2, 2, 1)]}, "pair has 2 shards"),
        ({"macros": 0, "clusters": [PAIR]}, "no macro 'replica'"),
    ],
)
def test_unusable_cluster_is_refused(
    server: ClickHouseAdapter, front: ClickHouseFront, reported: dict[str, object], words: str
) -> None:
    report(front, **reported)  # type: ignore[arg-type]  # its own parameters
    with pytest.raises(ConfigurationError, match=words):
        topology_of(server, "crypto", "pair")


def test_setting_is_trusted_if_system_tables_are_hidden(server: ClickHouseAdapter, front: ClickHouseFront) -> None:
    front.faults.append(Fault("error", "SELECT (SELECT engine", times=4, code=497))
    assert topology_of(server, "crypto", "") == Topology()
    assert topology_of(server, "crypto", "pair") == Topology("cluster", "pair")


@pytest.mark.parametrize(
    ("place", "engine", "words"),
    [
        (CLUSTER, PLAIN, "is a plain ReplacingMergeTree"),
        (IN_REPLICATED, PLAIN, "is a plain ReplacingMergeTree"),
        (Topology(replicas=2), PLAIN, "is a plain ReplacingMergeTree"),
        (Topology(replicas=2), "", "on one of 2 replicas only"),
        (Topology(), "Distributed", "is a Distributed table"),
        (CLUSTER, "Distributed", "is a Distributed table"),
        (Topology(neighbors="pair"), "", "a replica in cluster pair"),
        (Topology(neighbors="pair"), PLAIN, "a replica in cluster pair"),
        (Topology(), PLAIN, ""),
        (CLUSTER, "", ""),
        (CLUSTER, REPLICATED, ""),
        (Topology(neighbors="pair"), REPLICATED, ""),
        (Topology(replicas=2), REPLICATED, ""),
        (CLOUD, "SharedReplacingMergeTree", ""),
    ],
)
def test_rows_on_one_replica_only_are_refused(place: Topology, engine: str, words: str) -> None:
    """A plain table among several replicas, one that would be made there, and a Distributed one; no other."""
    with pytest.raises(StorageRejected, match=words) if words else nullcontext():
        place.refuse_unreplicated("crypto.crypto_prices", engine)


def test_hand_made_replicas_are_not_dropped_on_one_server() -> None:
    """They are dropped by hand on each server, or through the cluster."""
    with pytest.raises(StorageRejected, match="has 2 replicas, and would be dropped on one only"):
        Topology(replicas=2).refuse_partial_drop("crypto.crypto_prices", REPLICATED)
    for place in (Topology(), CLUSTER, IN_REPLICATED):
        place.refuse_partial_drop("crypto.crypto_prices", REPLICATED)


def test_settings_of_writes_to_replicas() -> None:
    def sent(place: Topology, quorum: str = "") -> dict[str, object]:
        return settings_of_writes(place, quorum, patience_seconds=30)

    always = {"select_sequential_consistency": 1, "insert_keeper_max_retries": 5}
    assert sent(CLUSTER) == always
    assert sent(CLUSTER._replace(replicas=3))["insert_quorum"] == "auto"
    assert sent(CLUSTER, "2") == {**always, "insert_quorum": "2", "insert_quorum_timeout": 30_000}
    assert "insert_quorum" not in sent(CLOUD, "2")
