"""The upsert of rows by key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from itertools import chain

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.clickhouse_errors import ABOUT_A_VALUE
from adapters._bases.errors import InvalidRowError, StorageRejected, StorageUnavailable
from adapters._bases.upsert import UpsertReport
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import PriceRow
from tests.support.binance import pair_row
from tests.support.clickhouse_front import ClickHouseFront, Fault
from tests.support.price_rows import price_row
from tests.support.price_table import MakeRepository, Read, Repository

NOW = datetime(2026, 11, 23, 9, 5, 7, tzinfo=timezone.utc)


def test_new_key_is_inserted(either: Repository, view: Read) -> None:
    row = price_row(cmc_rank=None, volume_24h=None)

    assert either.upsert_prices([row]) == UpsertReport(inserted=1, updated=0, unchanged=0)

    assert view(", ".join(row._fields)) == [tuple(row)]
    assert view("datetime, toString(date), updated_at") == [
        ("2026-11-23 12:00:00", "2026-11-23", "2026-11-23 12:35:07")
    ]


def test_stored_key_is_updated_in_place(either: Repository, table: Read) -> None:
    """`fetched_at` stays, for it is in the sorting key; only `source_updated_at` tells the time of the new price."""
    either.upsert_prices([price_row(price=1.0, percent_change_7d=None, market_cap=5.0)])
    later = price_row(
        price=2.0,
        percent_change_7d=0.5,
        market_cap=None,
        run_id="run-2",
        fetched_at="2026-11-23 12:50:00",
        source_updated_at="2026-11-23 12:49:00",
    )

    assert either.upsert_prices([later]) == UpsertReport(updated=1)
    assert either.upsert_prices([later._replace(run_id="run-3")]) == UpsertReport(unchanged=1)
    assert either.upsert_prices([]) == UpsertReport()

    columns = "price, percent_change_7d, market_cap, run_id, fetched_at, source_updated_at"
    assert table(columns) == [(2.0, 0.5, None, "run-2", "2026-11-23 12:35:07", "2026-11-23 12:49:00")]


def test_target_hour_is_the_key_of_every_row(repository: Repository, view: Read) -> None:
    """A row observed in the hour keeps its time; another is placed at the hour's start. A naive hour is rejected."""
    with pytest.raises(ValueError, match="naive"):
        repository.upsert_prices([price_row()], datetime(2026, 11, 23, 12))  # noqa: DTZ001 - the point
    target = datetime(2026, 11, 23, 8, 45, tzinfo=timezone.utc)  # 12:15 in Tehran
    inside = price_row("IN", fetched_at="2026-11-23 12:59:59")
    outside = price_row("OUT", fetched_at="2026-11-23 13:00:00")

    repository.upsert_prices([inside, outside], target)

    assert view("symbol, datetime, fetched_at") == [
        ("IN", "2026-11-23 12:00:00", "2026-11-23 12:59:59"),
        ("OUT", "2026-11-23 12:00:00", "2026-11-23 12:00:00"),
    ]


def test_later_write_wins_after_the_clock_stepped_back(
    embedded: ClickHouseAdapter, make_table: MakeRepository, view: Read
) -> None:
    clock = chain([NOW, NOW - timedelta(hours=1)])
    repository = make_table(embedded, lambda: next(clock))

    repository.upsert_prices([price_row(price=1.0)])
    repository.upsert_prices([price_row(price=2.0)])

    assert view("price, updated_at") == [(2.0, "2026-11-23 11:35:07")]


def test_update_changes_every_row_of_a_key(
    repository: Repository, by_hand: Callable[..., None], table: Read, view: Read
) -> None:
    by_hand(("2026-11-23 12:10:00", 1.0, 2**63), ("2026-11-23 12:50:00", 2.0, 1))

    assert repository.upsert_prices([price_row("HAND", price=3.0)]) == UpsertReport(0, 1, 0)

    assert table("price") == [(3.0,), (3.0,)]
    assert view("price") == [(3.0,)]


def test_view_shows_one_row_per_key(repository: Repository, by_hand: Callable[..., None], view: Read) -> None:
    """The row with the highest version; no filter brings up another one."""
    by_hand(
        ("2026-11-23 12:10:00", 1.0, 5),
        ("2026-11-23 12:10:00", 4.0, 6),
        ("2026-11-23 12:50:00", 2.0, 9),
        ("2026-11-23 12:59:00", 3.0, 7),
        ("2026-11-23 13:00:00", 7.0, 1),
    )

    assert repository.count_rows() >= 4
    assert view("datetime, price") == [("2026-11-23 12:00:00", 2.0), ("2026-11-23 13:00:00", 7.0)]
    for impossible in ("price = 3", "version = 7", "fetched_at = '2026-11-23 12:10:00'"):
        assert view("*", impossible) == []


def test_any_text_survives_insert_and_update(either: Repository, view: Read) -> None:
    """Quotes, backslashes, line ends, NUL and letters of any script are values, never SQL."""
    evil = "O'Coin\\'; DROP TABLE crypto_prices; -- \"`\n\r\t\0 {x:String} %s تتر 🪙"
    rows = [price_row("A'\\\n|B", name=evil), price_row("ETH", name="Ethereum")]

    for change in (1, 2):
        either.upsert_prices([row._replace(name=row.name * change) for row in rows])
        assert view("symbol, name") == [("A'\\\n|B", evil * change), ("ETH", "Ethereum" * change)]


UNSTORABLE: dict[str, list[object]] = {
    "price": [float("nan"), 10**400, None, "1.5", True],
    "market_cap": [float("inf")],
    "volume_24h": [[1.5]],
    "cmc_id": [-1, 2**32],
    "cmc_rank": [1.0],
    "name": ["half \ud83e", None, 5],
}


@pytest.mark.parametrize("stored", [[], [price_row("BAD", price=1.0)]], ids=["insert", "update"])
def test_unstorable_value_is_rejected_before_anything_is_written(
    repository: Repository, stored: list[PriceRow], table: Read
) -> None:
    """The error names the row; no other row is written. ClickHouse would store a missing price as zero."""
    repository.upsert_prices(stored)
    for name, value in [(name, value) for name, values in UNSTORABLE.items() for value in values]:
        bad = price_row("BAD", 2.0)._replace(**{name: value})  # type: ignore[arg-type]
        with pytest.raises(InvalidRowError, match=f"'BAD' at 2026-11-23 12:00:00: {name} is "):
            repository.upsert_prices([price_row("GOOD"), bad])
    assert table("symbol, price") == [(row.symbol, row.price) for row in stored]


@pytest.mark.parametrize("trades", [-1, 2**64, 1.0, True, "1"])
def test_number_of_trades_is_a_whole_number_of_64_bits(pairs: Repository, trades: object) -> None:
    pairs.upsert_prices([pair_row("BTC", trades=2**64 - 1)])
    with pytest.raises(InvalidRowError, match=f"'ETH' at 2026-11-23 12:00:00: trades is {trades!r}, which is not a"):
        pairs.upsert_prices([pair_row("ETH", trades=trades)])


@pytest.mark.parametrize("statement", ["INSERT", "ALTER"])
def test_value_rejected_by_clickhouse_names_the_row(served: Repository, front: ClickHouseFront, statement: str) -> None:
    """An error code about a value names the row, or the number of rows; other codes reject the statement."""
    served.upsert_prices([price_row("BTC"), price_row("ETH")] if statement == "ALTER" else [])
    for code in sorted(ABOUT_A_VALUE):
        front.faults.append(Fault("error", statement, code=code))
        with pytest.raises(InvalidRowError, match=f"'BTC' at 2026-11-23 12:00:00: .*error {code}: injected"):
            served.upsert_prices([price_row("BTC", price=5.0)])
    front.faults.append(Fault("error", statement, code=72))
    with pytest.raises(InvalidRowError, match=r"one of 2 rows: .*error 72: injected"):
        served.upsert_prices([price_row("BTC", price=5.0), price_row("ETH", price=5.0)])
    front.faults.append(Fault("error", statement, code=16))
    with pytest.raises(StorageRejected, match="error 16: injected"):
        served.upsert_prices([price_row("BTC", price=5.0)])


@pytest.mark.usefixtures("quick_retries")
def test_update_that_the_server_ends_for_its_length_is_named(served: Repository, front: ClickHouseFront) -> None:
    served.upsert_prices([price_row("BTC")])
    for code, is_named in ((159, True), (242, False)):
        front.fail("error", "ALTER", code=code, times=3)
        with pytest.raises(StorageUnavailable) as caught:
            served.upsert_prices([price_row("BTC", price=5.0)])
        found = "waits for the update" in caught.value.message, "system.mutations" in caught.value.next_step
        assert found == (is_named, is_named)


def test_upsert_takes_four_statements_at_most(served: Repository, front: ClickHouseFront) -> None:
    """A SELECT before and after one INSERT and one ALTER, for 3 rows and for 1,000."""
    for size in (3, 1000):
        rows = [price_row(f"S{i}", price=float(size)) for i in range(size)]
        served.upsert_prices(rows[: size // 2])
        front.statements.clear()

        report = served.upsert_prices([row._replace(price=size + 0.5) for row in rows])

        assert report == UpsertReport(inserted=size - size // 2, updated=size // 2, unchanged=0)
        assert [statement.split()[0] for statement in front.statements] == ["SELECT", "INSERT", "ALTER", "SELECT"]
