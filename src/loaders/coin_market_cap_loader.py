"""Prices into the table."""

from __future__ import annotations

from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from adapters.files.spool import Spool
from loaders.spooled_loader import LoadReport, SpooledLoader

__all__ = ["CoinMarketCapLoader", "LoadReport"]


class CoinMarketCapLoader(SpooledLoader):
    """Loads prices as every loader does, see `SpooledLoader`.

    Args:
        repository: where rows go.
        spool: where they wait.
    """

    def __init__(self, *, repository: CoinMarketCapClickHouseAdapter, spool: Spool) -> None:
        super().__init__(repository=repository, spool=spool)
