"""Writing under a profile of settings that this program does not choose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.errors import StorageRejected
from adapters._bases.hourly_upsert import UpsertReport
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from adapters.clickhouse.coin_market_cap_table import PriceRow
from tests.conftest import clickhouse_adapter
from tests.support.clickhouse_front import ClickHouseFront, Fault
from tests.support.price_rows import price_row
from tests.support.price_table import in_view

KEYS = 2_400
TOO_LONG = "Max query size exceeded (can be increased with the `max_query_size` setting): Syntax error: failed."
Repository = CoinMarketCapClickHouseAdapter


def rows_of(price: float) -> list[PriceRow]:
    """An hour of that many coins, no two prices alike."""
    return [
        price_row(
            f"COIN{number:04}",
            price + number,
            cmc_id=number + 1,
            cmc_rank=number + 1,
            name=f"Coin number {number}",
            source_updated_at=f"2026-11-23 12:{number % 60:02}:00",
            volume_24h=number / 7,
            market_cap=number / 3,
        )
        for number in range(KEYS)
    ]


@pytest.fixture
def under(
    engine_path: Path, make_repository: Callable[..., Repository]
) -> Iterator[Callable[..., tuple[Repository, ClickHouseFront]]]:
    """Make a repository whose user has a profile, and the server in front of which it stands."""
    fronts: list[ClickHouseFront] = []

    def make(profile: str) -> tuple[Repository, ClickHouseFront]:
        front = ClickHouseFront(engine_path, user="etl", password="pass-in-tests", profile=profile)
        fronts.append(front.__enter__())
        repository = make_repository(clickhouse_adapter(engine_path, front))
        repository.ensure_ready()
        return repository, front

    yield make
    for front in fronts:
        front.__exit__()


@pytest.mark.present_engine
def test_statements_are_as_short_as_the_profile_wants(
    under: Callable[..., tuple[Repository, ClickHouseFront]], embedded: ClickHouseAdapter, database: str
) -> None:
    """Where max_query_size is locked at its default, an update of thousands of keys goes in several statements."""
    repository, front = under("small statements")
    assert repository.upsert_prices(rows_of(1)) == UpsertReport(inserted=KEYS)

    front.statements.clear()
    assert repository.upsert_prices(rows_of(2)) == UpsertReport(updated=KEYS)

    assert [row.price for row in rows_of(2)] == [price for (price,) in in_view(embedded, database, "price")]
    updates = front.asked("ALTER")
    assert len(updates) > 1
    assert max(map(len, updates)) <= 262_144


@pytest.mark.parametrize("statement", ["SELECT `symbol`", "ALTER"])
def test_a_statement_that_is_too_long_is_sent_in_halves(
    server: ClickHouseAdapter,
    front: ClickHouseFront,
    make_repository: Callable[..., Repository],
    database: str,
    statement: str,
) -> None:
    """Whatever limits it, such as a proxy: the refusal itself says that a shorter one may be taken."""
    repository = make_repository(server)
    repository.ensure_ready()
    repository.upsert_prices(rows_of(1)[:4])
    front.faults.append(Fault("error", statement, code=62, text=TOO_LONG))
    front.statements.clear()

    assert repository.upsert_prices(rows_of(2)[:4]) == UpsertReport(updated=4)

    assert len(front.asked(statement)) == 3
    assert [price for (price,) in in_view(server, database, "price")] == [row.price for row in rows_of(2)[:4]]


def test_one_row_that_is_too_long_is_refused(
    server: ClickHouseAdapter, front: ClickHouseFront, make_repository: Callable[..., Repository], database: str
) -> None:
    """There is no half of it, and the error is ClickHouse's; another error of syntax is never halved."""
    repository = make_repository(server)
    repository.ensure_ready()
    repository.upsert_prices(rows_of(1)[:2])
    for number, text in ((1, TOO_LONG), (2, "Syntax error: failed.")):
        front.faults.append(Fault("error", "ALTER", code=62, text=text))
        front.statements.clear()
        with pytest.raises(StorageRejected, match="answered error 62"):
            repository.upsert_prices(rows_of(2)[:number])
        assert len(front.asked("ALTER")) == 1
    assert [price for (price,) in in_view(server, database, "price")] == [row.price for row in rows_of(1)[:2]]
