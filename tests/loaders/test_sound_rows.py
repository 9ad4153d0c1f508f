"""Batches of which the table takes some rows, or none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter, PriceRow
from loaders.sound_rows import store_sound
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.price_rows import price_row
from tests.support.price_table import in_view

ROWS = 192
Limited = Callable[[str], CoinMarketCapClickHouseAdapter]


@pytest.fixture
def limited(server: ClickHouseAdapter, make_repository: Callable[..., CoinMarketCapClickHouseAdapter]) -> Limited:
    """Makes a repository whose table takes only rows of which a condition holds."""

    def make(condition: str) -> CoinMarketCapClickHouseAdapter:
        repository = make_repository(server)
        repository.ensure_ready()
        server.command(f"ALTER TABLE {repository.name} ADD CONSTRAINT one CHECK {condition}")
        return repository

    return make


def rows() -> list[PriceRow]:
    """Coins of one hour, priced 1, 2, 3 and so on."""
    return [price_row(f"COIN{number:03}", float(number)) for number in range(1, ROWS + 1)]


async def test_what_is_not_about_single_rows_is_not_tried_row_by_row(
    limited: Limited, server: ClickHouseAdapter, front: ClickHouseFront, database: str
) -> None:
    """All rows are refused alike: a few statements find it, and the reasons stand beside how many were not tried."""
    repository = limited("price < 0")
    front.statements.clear()

    stored, refused = await store_sound(repository, rows())

    assert not any(stored)
    assert len(front.statements) <= 10
    assert ["COIN001" in refused[0], "COIN097" in refused[1], "COIN192" in refused[2]] == [True] * 3
    assert refused[3] == "189 more rows, not tried: all of these were refused"
    assert in_view(server, database, "price") == []


@pytest.mark.parametrize(
    ("condition", "numbers"),
    [
        ("price NOT IN (1)", [1]),
        ("price NOT IN (1, 97)", [1, 97]),
        ("price NOT IN (50, 192)", [50, 192]),
        ("price NOT IN (2, 3, 98)", [2, 3, 98]),
    ],
)
async def test_a_few_bad_rows_cost_no_other(
    limited: Limited, server: ClickHouseAdapter, database: str, condition: str, numbers: list[int]
) -> None:
    """Wherever they stand, each is named, and all others are stored."""
    stored, refused = await store_sound(limited(condition), rows())

    assert stored.inserted == ROWS - len(numbers)
    assert sorted(refused) == sorted(line for line in refused if "VIOLATED_CONSTRAINT" in line)
    assert [f"COIN{number:03}" in line for number, line in zip(numbers, sorted(refused), strict=True)]
    assert {price for (price,) in in_view(server, database, "price")} == {row.price for row in rows()} - set(numbers)
