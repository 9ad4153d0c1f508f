"""The repository of CoinMarketCap prices."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.retry import RetryPolicy
from adapters.clickhouse.coin_market_cap_row import PriceRow
from adapters.clickhouse.coin_market_cap_table import CRYPTO_PRICES
from adapters.clickhouse.hourly_repository import HourlyRepository
from adapters.clickhouse.upsert_report import UpsertReport


class CoinMarketCapClickHouseAdapter(HourlyRepository):
    """One row for each (symbol, Tehran hour), in `crypto_prices`; read it through the view `crypto_prices_hourly`.

    Args and errors are those of `HourlyRepository`.
    """

    def __init__(
        self, *, clickhouse: ClickHouseAdapter, database: str, retry: RetryPolicy, clock: Callable[[], datetime]
    ) -> None:
        super().__init__(table=CRYPTO_PRICES, clickhouse=clickhouse, database=database, retry=retry, clock=clock)

    def upsert_prices(self, rows: Iterable[PriceRow], target_hour: datetime | None = None) -> UpsertReport:
        """Store prices by their keys (symbol, hour): `HourlyRepository.upsert`."""
        return self.upsert(rows, target_hour)
