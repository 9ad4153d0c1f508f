"""The main job on a cluster of two replicas behind a round robin: each request meets the other one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from adapters._bases.sql_files import definition
from adapters._bases.table_backup import read_backup
from crons.inspection import verify_table
from crons.jobs.cmc_hourly_prices import JOB
from tests.support.faulty_source import FaultySource
from tests.support.job_runs import MakeContext, backfill, contexts, heal, run
from tests.support.price_table import Sql, copied
from tests.support.replicas import CLUSTER, ReplicatedFront
from tests.support.stepped_clock import SteppedClock

pytestmark = pytest.mark.usefixtures("quick_retries")

COINS = 3
Shown = Callable[[], list[list[tuple[object, ...]]]]


@pytest.fixture
def cluster(engine_path: Path, database: str, sql: Sql) -> Iterator[ReplicatedFront]:
    replicas = (f"{database}_one", f"{database}_two")
    with ReplicatedFront(
        engine_path, user="writer", password="pass-in-tests", database=database, replicas=replicas
    ) as front:
        yield front  # type: ignore[misc]  # __enter__ is typed by the class above
    for replica in replicas:
        sql(f"DROP DATABASE IF EXISTS {replica} SYNC")


@pytest.fixture
def context(
    cluster: ReplicatedFront, database: str, source: FaultySource, clock: SteppedClock, tmp_path: Path
) -> Iterator[MakeContext]:
    settings = {**cluster.variables(database), "clickhouse_cluster": CLUSTER, "data_path": tmp_path}
    settings |= {"cmc_api_key": source.key, "cmc_base_url": source.base_url}
    with contexts("cmc_hourly_prices", JOB, clock, **settings) as make:
        yield make


@pytest.fixture
def shown(sql: Sql, cluster: ReplicatedFront) -> Shown:
    """What the view of each replica shows: key and price; fails on a key that it shows twice."""

    def read() -> list[list[tuple[object, ...]]]:
        found = []
        for replica in cluster.replicas:
            rows = sql(f"SELECT symbol, datetime, price FROM {replica}.crypto_prices_hourly ORDER BY symbol, datetime")
            assert len({row[:2] for row in rows}) == len(rows)
            found.append(rows)
        return found

    return read


async def test_runs_are_right_behind_a_round_robin(
    context: MakeContext, cluster: ReplicatedFront, shown: Shown, clock: SteppedClock
) -> None:
    await run(context())
    clock.advance(timedelta(minutes=10))
    repeated = await run(context())
    filled = await backfill(context(), 5, dry_run=False)
    healed = await heal(context(), 5, dry_run=False)
    assert (repeated.updated, filled.inserted, healed.inserted) == (COINS, 5 * COINS, 0)
    found = {one.subject: one for one in verify_table(context())}
    assert (found["duplicate keys"].state, found["superseded versions"].state) == ("ok", "ok")
    assert found["superseded versions"].detail == f"{COINS}, until ClickHouse merges them"
    one, two = shown()
    assert one == two
    assert len(one) == 6 * COINS
    assert cluster.asked("ALTER") == []


async def test_drop_and_restore_are_right_behind_a_round_robin(
    context: MakeContext, cluster: ReplicatedFront, shown: Shown, clock: SteppedClock, tmp_path: Path
) -> None:
    await run(context())
    clock.advance(timedelta(minutes=10))
    await run(context())
    before = shown()
    table = context().repository
    resources, path = context().resources, tmp_path / "crypto_prices.jsonl.gz"
    assert copied(resources.database, resources.settings.clickhouse_db, path) == COINS
    table.drop()
    assert not table.has_table()
    assert not table.has_table()  # on the other one
    assert table.restore(read_backup(definition("crypto_prices"), path)).inserted == COINS
    assert shown() == before
    assert all(f"ON CLUSTER `{CLUSTER}`" in one for one in cluster.asked("DROP"))


async def test_a_replica_that_lags_loses_and_doubles_nothing(
    context: MakeContext, cluster: ReplicatedFront, shown: Shown, clock: SteppedClock
) -> None:
    """A key that a stale replica did not show is written twice; once it has caught up, both views show it once."""
    await run(context())
    cluster.lagging = True
    for _ in range(3):
        clock.advance(timedelta(minutes=5))
        await run(context())
    cluster.catch_up()
    one, two = shown()
    assert [row[:2] for row in one] == [row[:2] for row in two]
    assert len(one) == COINS
    assert context().repository.count_hours() == COINS


async def test_a_replica_that_is_down_gets_everything_later(
    context: MakeContext, cluster: ReplicatedFront, shown: Shown
) -> None:
    """Set-up and a run beside a replica that is down; it makes the tables, then has the rows, when it is back."""
    cluster.down = {cluster.replicas[1]}
    await run(context())
    cluster.catch_up()
    one, two = shown()
    assert one == two
    assert len(one) == COINS
