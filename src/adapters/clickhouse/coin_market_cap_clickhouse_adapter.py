"""The repository of CoinMarketCap prices."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.retry import RetryPolicy
from adapters.clickhouse.coin_market_cap_holes_adapter import CoinMarketCapHolesAdapter
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
        self._holes = CoinMarketCapHolesAdapter(clickhouse=clickhouse, database=database, retry=retry)

    def ensure_ready(self) -> None:
        """Make the table and its view where they are missing, and the table of holes, which dashboards join them with.

        As `HourlyRepository.ensure_ready`, which says what is raised.
        """
        super().ensure_ready()
        self._holes.ensure_ready()

    def upsert_prices(self, rows: Iterable[PriceRow], target_hour: datetime | None = None) -> UpsertReport:
        """Store prices by their keys (symbol, hour): `HourlyRepository.upsert`."""
        return self.upsert(rows, target_hour)
