"""Real Replicated tables, in an engine with a Keeper."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import partial

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, Server
from adapters._bases.errors import StorageRejected, StorageUnavailable
from adapters._bases.retry import RetryPolicy
from adapters._bases.topology import Replication, Topology, topology_of
from configurations.config import PROJECT_ROOT
from tests.support.price_rows import price_row
from tests.support.price_table import MakeRepository, create_statement
from tests.support.process import SRC

PAIR = Replication("pair")


@pytest.fixture(scope="module")
def replica(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseAdapter]:
    folder = tmp_path_factory.mktemp("keeper")
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.engine_with_keeper", str(folder)],
        cwd=PROJECT_ROOT,
        env={"PYTHONPATH": str(SRC), "PATH": "/usr/bin:/bin"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        address = Server("127.0.0.1", port, "default", "")
        adapter = ClickHouseAdapter(address=address, connect_timeout_seconds=5, query_timeout_seconds=60)
        with closing(adapter):
            yield adapter
        process.communicate("")


@pytest.fixture
def prices_of(replica: ClickHouseAdapter, make_repository: MakeRepository) -> MakeRepository:
    """The repository of a database, without retries."""
    return partial(make_repository, replica, retry=RetryPolicy(attempts=1))


def make_by_hand(replica: ClickHouseAdapter, database: str, prefix: str = "Replicated") -> None:
    replica.command(f"CREATE DATABASE {database}")
    for name in ("crypto_prices", "crypto_price_holes"):
        statement = create_statement(database, name, replicated=prefix)
        path = f"'/{database}/{name}', 'one'"
        if prefix:
            statement = statement.replace("MergeTree(", f"MergeTree({path}, ").replace(
                "MergeTree\n", f"MergeTree({path})\n"
            )
        replica.command(statement)


def test_hand_made_replicated_table_is_used_and_written_by_inserts(
    replica: ClickHouseAdapter, prices_of: MakeRepository
) -> None:
    """Its shape is right, the views are made, and a change would be an insert."""
    assert topology_of(replica, "hand", "pair") == Topology("cluster", "pair", 2)
    make_by_hand(replica, "hand")
    prices = prices_of(database="hand")
    prices.ensure_ready()
    assert prices.differences() == []
    assert prices.is_ready()
    assert prices.describe() == "a single server; changes are written by the insert of a newer version"


def test_read_only_replica_answers_soon_and_is_retryable(replica: ClickHouseAdapter, prices_of: MakeRepository) -> None:
    """Error 242 within the few retries that are asked for, not after minutes; nothing is written."""
    make_by_hand(replica, "readonly")
    prices = prices_of(database="readonly")
    prices.ensure_ready()

    with pytest.raises(StorageUnavailable, match="242") as refused:
        prices.upsert_prices([price_row()])

    assert "Keeper" in refused.value.next_step
    assert prices.count_rows() == 0


def test_server_without_a_ddl_queue_is_named(replica: ClickHouseAdapter, prices_of: MakeRepository) -> None:
    with pytest.raises(StorageRejected, match="392") as refused:
        prices_of(database="queue", replication=PAIR).ensure_ready()
    assert "distributed_ddl" in refused.value.next_step
    assert replica.query("SELECT count() FROM system.databases WHERE name = 'queue'") == [(0,)]


def test_plain_table_in_a_cluster_is_neither_used_nor_dropped(
    replica: ClickHouseAdapter, prices_of: MakeRepository
) -> None:
    """Its rows are on this replica only, and another may have others."""
    make_by_hand(replica, "plain", prefix="")
    prices = prices_of(database="plain", replication=PAIR)

    for act in (prices.ensure_ready, prices.drop, prices.describe):
        with pytest.raises(StorageRejected, match="its rows are on one replica only"):
            act()
    assert replica.query("SELECT count() FROM system.tables WHERE database = 'plain'") == [(2,)]
