"""Hours that the source itself had no quote for."""

from __future__ import annotations

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.retry import RetryPolicy
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import (
    CoinMarketCapClickHouseAdapter,
    CoinMarketCapHolesAdapter,
    Hole,
)

BTC = Hole("BTC", "2026-11-22 10:00:00", 1, "2026-11-23 12:00:00", "r1")
ETH = Hole("ETH", "2026-11-22 11:00:00", 1027, "2026-11-23 12:00:00", "r1")
FIRST, LAST = "2026-11-22 00:00:00", "2026-11-22 23:00:00"


def test_the_table_is_there_with_that_of_prices(
    repository: CoinMarketCapClickHouseAdapter, clickhouse: ClickHouseAdapter, database: str
) -> None:
    """Whoever joins prices with holes, as a dashboard does, finds both once prices can be stored; set up twice."""
    repository.ensure_ready()
    assert clickhouse.query(f"SELECT count() FROM {database}.crypto_price_holes") == [(0,)]


def test_a_noted_hole_is_known(clickhouse: ClickHouseAdapter, database: str) -> None:
    """Holes come back by symbol and hour within the bounds; noting one again leaves one; nobody asked for, all."""
    holes = CoinMarketCapHolesAdapter(clickhouse=clickhouse, database=database, retry=RetryPolicy(attempts=1))
    assert holes.known(["BTC"], first=FIRST, last=LAST) == []
    again = BTC._replace(run_id="r2")
    holes.note([BTC, ETH])
    holes.note([again])
    holes.note([])
    assert holes.known(["BTC", "SOL"], first=FIRST, last=LAST) == [again]
    assert holes.known([], first=FIRST, last=LAST) == [again, ETH]
    assert holes.known(["BTC"], first="2026-11-22 11:00:00", last=LAST) == []
