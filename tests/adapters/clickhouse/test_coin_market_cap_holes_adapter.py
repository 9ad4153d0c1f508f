"""Hours that the source itself had no quote for."""

from __future__ import annotations

from collections.abc import Callable

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.hourly_table import Hole
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from tests.support.price_rows import price_row

BTC = Hole("BTC", "2026-11-22 10:00:00", 1, "2026-11-23 12:00:00", "r1")
ETH = Hole("ETH", "2026-11-22 11:00:00", 1027, "2026-11-23 12:00:00", "r1")
FIRST, LAST = "2026-11-22 00:00:00", "2026-11-22 23:00:00"


def test_the_table_is_there_with_that_of_prices(
    repository: CoinMarketCapClickHouseAdapter, clickhouse: ClickHouseAdapter, database: str
) -> None:
    """Whoever joins prices with holes, as a dashboard does, finds both once prices can be stored; set up twice."""
    repository.ensure_ready()
    assert clickhouse.query(f"SELECT count() FROM {database}.crypto_price_holes") == [(0,)]


def test_a_noted_hole_is_known(
    clickhouse: ClickHouseAdapter, make_repository: Callable[..., CoinMarketCapClickHouseAdapter]
) -> None:
    """Holes come back by symbol and hour within the bounds; noting one again leaves one."""
    table = make_repository(clickhouse)
    assert table.holes(["BTC"], first=FIRST, last=LAST) == []
    again = BTC._replace(run_id="r2")
    table.note_holes([BTC, ETH])
    table.note_holes([again])
    table.note_holes([])
    assert table.holes(["BTC", "SOL"], first=FIRST, last=LAST) == [again]
    assert table.holes(["ETH", "BTC"], first=FIRST, last=LAST) == [again, ETH]
    assert table.holes(["BTC"], first="2026-11-22 11:00:00", last=LAST) == []


def test_a_hole_is_of_the_coin_that_the_symbol_means(repository: CoinMarketCapClickHouseAdapter) -> None:
    """The one that is named, or else the one stored last; of a symbol never stored no coin is known, and no hole."""
    later = BTC._replace(datetime="2026-11-22 12:00:00", meaning=2)
    repository.note_holes([BTC, later, ETH])
    repository.upsert_prices(
        [
            price_row("BTC", cmc_id=2, fetched_at="2026-11-22 08:00:00"),
            price_row("BTC", cmc_id=1, fetched_at="2026-11-22 09:00:00"),
        ]
    )
    symbols, named = ["BTC", "ETH"], {"BTC": 2, "ETH": 1027}
    assert repository.holes_by_symbol(symbols, first=FIRST, last=LAST) == {"BTC": {BTC.datetime}}
    assert repository.holes_by_symbol(symbols, first=FIRST, last=LAST, meant=named) == {
        "BTC": {later.datetime},
        "ETH": {ETH.datetime},
    }
