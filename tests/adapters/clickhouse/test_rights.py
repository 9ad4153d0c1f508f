"""Writing and reading by users with few rights."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.errors import StorageRejected
from adapters._bases.upsert import UpsertReport
from tests.support.clickhouse_front import ClickHouseFront, Fault
from tests.support.price_rows import price_row
from tests.support.price_table import Connect, MakeRepository, Read, Repository

DENIED = (
    "etl: Not enough privileges. To execute this query, it's necessary to have the grant SELECT ON system.mutations."
)


@pytest.mark.present_engine
def test_new_keys_are_stored_without_the_right_to_update(
    connect: Connect, embedded: ClickHouseAdapter, make_table: MakeRepository, database: str, view: Read
) -> None:
    make_table(embedded)
    repository = make_table(connect(role="no ALTER UPDATE")[0])
    assert repository.upsert_prices([price_row("BTC", 1.0)]) == UpsertReport(inserted=1)

    with pytest.raises(StorageRejected, match="ALTER UPDATE") as caught:
        repository.upsert_prices([price_row("BTC", 2.0), price_row("ETH", 3.0)])

    assert f"GRANT ALTER UPDATE ON {database}.crypto_prices TO" in caught.value.next_step
    assert "CLICKHOUSE_CHANGES=insert" in caught.value.next_step
    assert view("symbol, price") == [("BTC", 1.0), ("ETH", 3.0)]


def test_update_error_survives_hidden_mutations(served: Repository, front: ClickHouseFront, view: Read) -> None:
    """Neither the check for failed mutations nor a refused update fails because of them."""
    served.upsert_prices([price_row(price=1.0)])
    front.faults += [
        Fault("error", "SELECT groupArray([ database, table", times=9, code=497, text=DENIED),
        Fault("error", "ALTER", code=243, text="Cannot reserve 1.00 MiB, not enough space."),
    ]

    with capture_logs() as logs:
        assert served.stuck_mutations() == []
        with pytest.raises(StorageRejected, match="not enough space"):
            served.upsert_prices([price_row(price=2.0)])

    warnings = {line["next"] for line in logs if line["log_level"] == "warning"}
    assert warnings == {"Have an administrator run: GRANT SELECT ON system.mutations TO etl"}
    assert view("price") == [(1.0,)]
