"""What replicas answer when one is away, at each statement that it can meet: nothing is lost and nothing doubled."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.errors import StorageRejected, StorageUnavailable
from adapters._bases.upsert import UpsertReport
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from tests.support.clickhouse_front import ClickHouseFront, Fault
from tests.support.price_rows import price_row
from tests.support.price_table import in_table

pytestmark = pytest.mark.usefixtures("quick_retries")

NOT_WRITTEN = [242, 252, 279, 285, 286, 289, 999]
PERHAPS_WRITTEN = [159, 319, 341]


@pytest.fixture
def prices(
    server: ClickHouseAdapter, make_repository: Callable[..., CoinMarketCapClickHouseAdapter]
) -> CoinMarketCapClickHouseAdapter:
    """A repository behind the front, its table made."""
    made = make_repository(server)
    made.ensure_ready()
    return made


@pytest.mark.parametrize("code", NOT_WRITTEN)
def test_a_refused_insert_is_sent_again(
    prices: CoinMarketCapClickHouseAdapter, front: ClickHouseFront, server: ClickHouseAdapter, database: str, code: int
) -> None:
    """It stores the row by the second try."""
    front.faults.append(Fault("error", "INSERT", code=code))
    assert prices.upsert_prices([price_row()]) == UpsertReport(inserted=1)
    assert len(front.asked("INSERT")) == 2
    assert in_table(server, database, "price") == [(86123.25,)]


@pytest.mark.parametrize("code", PERHAPS_WRITTEN)
def test_an_insert_that_is_under_way_is_looked_for(
    prices: CoinMarketCapClickHouseAdapter, front: ClickHouseFront, server: ClickHouseAdapter, database: str, code: int
) -> None:
    """The row that the first try has written stands there once, and counts as inserted."""
    front.faults.append(Fault("execute_then_error", "INSERT", code=code))
    assert prices.upsert_prices([price_row()]) == UpsertReport(inserted=1)
    assert len(front.asked("INSERT")) == 1
    assert in_table(server, database, "price") == [(86123.25,)]


@pytest.mark.parametrize("code", PERHAPS_WRITTEN)
def test_an_insert_that_was_not_under_way_is_sent_again(
    prices: CoinMarketCapClickHouseAdapter, front: ClickHouseFront, server: ClickHouseAdapter, database: str, code: int
) -> None:
    """Where the first try has written nothing, the second one does."""
    front.faults.append(Fault("error", "INSERT", code=code))
    assert prices.upsert_prices([price_row()]) == UpsertReport(inserted=1)
    assert in_table(server, database, "price") == [(86123.25,)]


@pytest.mark.parametrize("code", PERHAPS_WRITTEN)
def test_an_update_that_goes_on_elsewhere_is_not_sent_again(
    prices: CoinMarketCapClickHouseAdapter, front: ClickHouseFront, server: ClickHouseAdapter, database: str, code: int
) -> None:
    """Where this replica shows the new value, the mutation is accepted, and the others follow."""
    prices.upsert_prices([price_row(price=1.0)])
    front.faults.append(Fault("execute_then_error", "ALTER", code=code))
    assert prices.upsert_prices([price_row(price=2.0)]) == UpsertReport(updated=1)
    assert len(front.asked("ALTER")) == 1
    assert in_table(server, database, "price") == [(2.0,)]


def test_a_create_that_is_still_queued_is_looked_for(
    server: ClickHouseAdapter,
    front: ClickHouseFront,
    make_repository: Callable[..., CoinMarketCapClickHouseAdapter],
) -> None:
    """Error 159 of a slow replica: the next try finds the table and makes the rest."""
    front.faults.append(Fault("execute_then_error", "CREATE TABLE", code=159))
    prices = make_repository(server)
    prices.ensure_ready()
    assert prices.is_ready()
    assert prices.differences() == []


def test_a_replica_of_an_earlier_table_stops_the_set_up(
    server: ClickHouseAdapter, front: ClickHouseFront, make_repository: Callable[..., CoinMarketCapClickHouseAdapter]
) -> None:
    """Error 253 is for a person: one try, and the way to clear it."""
    front.faults.append(Fault("error", "CREATE TABLE", code=253))
    with pytest.raises(StorageRejected, match="253") as refused:
        make_repository(server).ensure_ready()
    assert len(front.asked("CREATE TABLE")) == 1
    assert "SYSTEM DROP REPLICA" in refused.value.next_step


@pytest.mark.parametrize("code", [*NOT_WRITTEN, *PERHAPS_WRITTEN])
def test_an_error_that_stays_is_shown_with_its_words(
    prices: CoinMarketCapClickHouseAdapter, front: ClickHouseFront, server: ClickHouseAdapter, database: str, code: int
) -> None:
    """Nothing is written, and the message has the code and a next step."""
    front.faults.append(Fault("error", "INSERT", times=99, code=code))
    with pytest.raises(StorageUnavailable, match=str(code)) as refused:
        prices.upsert_prices([price_row()])
    assert refused.value.next_step
    assert in_table(server, database, "price") == []
