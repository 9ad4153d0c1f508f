"""Changed rows inserted as newer versions, for tables on replicas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.topology import Replication
from adapters._bases.upsert import UpsertReport
from tests.support.price_rows import price_row
from tests.support.price_table import MakeRepository, Read, Repository, copied

HOUR = "2026-11-23 12:00:00"


@pytest.fixture
def inserting(embedded: ClickHouseAdapter, make_table: MakeRepository) -> Repository:
    made: Repository = make_table(embedded, replication=Replication(changes="insert"))
    embedded.command(f"SYSTEM STOP MERGES {made.name}")
    return made


def test_change_is_a_newer_version_of_the_stored_row(
    inserting: Repository, embedded: ClickHouseAdapter, database: str, table: Read
) -> None:
    """With its fetched_at, a higher version and what a row without it keeps; without a mutation."""
    inserting.upsert_prices([price_row(price=1.0)])
    changed = price_row(price=2.0, cmc_rank=None, fetched_at="2026-11-23 12:50:00")

    assert inserting.upsert_prices([changed]) == UpsertReport(updated=1)
    assert inserting.upsert_prices([changed]) == UpsertReport(unchanged=1)

    old, new = sorted(table("version, price, fetched_at, cmc_rank"))
    assert old[0] < new[0]  # type: ignore[operator]  # numbers
    assert (old[1:], new[1:]) == ((1.0, "2026-11-23 12:35:07", 1), (2.0, "2026-11-23 12:35:07", 1))
    mutations = "SELECT count() FROM system.mutations WHERE database = {database:String}"
    assert embedded.query(mutations, {"database": database}) == [(0,)]


def test_readers_see_one_row_per_key_before_and_after_merges(
    inserting: Repository, embedded: ClickHouseAdapter, database: str, tmp_path: Path, view: Read
) -> None:
    """The three views, counts, the reads of status and report, and the backup; `verify` counts old versions apart."""
    hours = [f"2026-11-23 {hour:02}:35:07" for hour in (10, 11, 12)]
    for price, coin in ((1.0, 990101), (2.0, 1), (3.0, 1)):
        inserting.upsert_prices([price_row(price=price + i, cmc_id=coin, fetched_at=at) for i, at in enumerate(hours)])

    def seen(name: str) -> dict[str, object]:
        span = {"first": "2026-11-23 00:00:00", "last": "2026-11-23 23:00:00"}
        return {
            "hourly": view("datetime, price"),
            "daily": embedded.query(f"SELECT open, high, low, close, hours FROM {database}.crypto_prices_daily"),
            "latest": embedded.query(f"SELECT datetime, price FROM {database}.crypto_prices_latest"),
            "counts": (inserting.count_rows(), inserting.count_hours()),
            "stored": inserting.stored(["BTC"], **span, valued_from=span["first"])["BTC"].values,
            "report": [one.price for one in inserting.prices(**span)["BTC"].values()],
            "coins": [(one.meaning, one.hours) for one in inserting.meanings()],
            "backup": copied(embedded, database, tmp_path / f"{name}.jsonl.gz"),
            "wrong": [*inserting.duplicate_keys().rows, *inserting.defects("future_rows", present=HOUR).rows],
        }

    before, superseded = seen("before"), inserting.count_superseded()
    embedded.command(f"SYSTEM START MERGES {database}.crypto_prices")
    embedded.command(f"OPTIMIZE TABLE {database}.crypto_prices FINAL")

    assert (superseded, inserting.count_superseded()) == (6, 0)
    assert before == seen("after")
    assert before["hourly"] == [(f"{at[:13]}:00:00", 3.0 + i) for i, at in enumerate(hours)]
    assert before["daily"] == [(3.0, 5.0, 3.0, 5.0, 3)]
    assert before["counts"] == (3, 3)
    assert before["coins"] == [(1, 3)]
    assert before["wrong"] == []


def test_change_wins_over_a_version_from_a_fast_clock(
    inserting: Repository, by_hand: Callable[..., None], view: Read
) -> None:
    ahead = 2 * 10**18
    by_hand((f"{HOUR[:14]}05:00", 1.0, ahead))

    inserting.upsert_prices([price_row("HAND", price=2.0)])

    assert view("price, version") == [(2.0, ahead + 1)]
