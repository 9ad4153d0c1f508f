"""What replicas answer while one of them is down: nothing is lost and nothing duplicated."""

from __future__ import annotations

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.errors import StorageRejected
from adapters._bases.upsert import UpsertReport
from tests.support.clickhouse_front import ClickHouseFront, Fault, FaultKind
from tests.support.price_rows import price_row
from tests.support.price_table import MakeRepository, Read, Repository

pytestmark = pytest.mark.usefixtures("quick_retries")

NOT_WRITTEN = [242, 285]
PERHAPS_WRITTEN = [159, 319, 341]


@pytest.fixture
def prices(served: Repository) -> Repository:
    served.upsert_prices([price_row("BTC", 1.0)])
    return served


@pytest.mark.parametrize("statement", ["INSERT", "ALTER"])
@pytest.mark.parametrize(
    ("kind", "code", "sent"),
    [
        *(("error", code, 2) for code in [*NOT_WRITTEN, *PERHAPS_WRITTEN]),
        *(("execute_then_error", code, 1) for code in PERHAPS_WRITTEN),
    ],
)
def test_statement_is_sent_again_unless_it_was_executed(
    prices: Repository, front: ClickHouseFront, table: Read, *, kind: FaultKind, code: int, sent: int, statement: str
) -> None:
    """The second try looks first; the report is that of the first."""
    front.faults.append(Fault(kind, statement, code=code))
    front.statements.clear()

    assert prices.upsert_prices([price_row("BTC", 2.0), price_row("ETH", 3.0)]) == UpsertReport(inserted=1, updated=1)

    assert len(front.asked(statement)) == sent
    assert table("price") == [(2.0,), (3.0,)]


def test_queued_create_is_looked_for(
    server: ClickHouseAdapter, front: ClickHouseFront, make_table: MakeRepository
) -> None:
    """Error 159 from a slow replica: the next try finds the table and makes the rest."""
    front.faults.append(Fault("execute_then_error", "CREATE TABLE", code=159))
    prices = make_table(server)
    assert prices.differences() == []


def test_replica_of_an_earlier_table_stops_the_set_up(
    server: ClickHouseAdapter, front: ClickHouseFront, make_table: MakeRepository
) -> None:
    front.faults.append(Fault("error", "CREATE TABLE", code=253))
    with pytest.raises(StorageRejected, match="253") as refused:
        make_table(server)
    assert len(front.asked("CREATE TABLE")) == 1
    assert "SYSTEM DROP REPLICA" in refused.value.next_step
