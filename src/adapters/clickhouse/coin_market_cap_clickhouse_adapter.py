"""The repository of prices from CoinMarketCap. Texts of time are Tehran wall time, ``YYYY-MM-DD HH:MM:SS``."""

from __future__ import annotations

from typing import NamedTuple

from adapters._bases.hourly_repository import HourlyRepository
from adapters._bases.hourly_table import HourlyTable


class PriceRow(NamedTuple):
    """One price to store.

    The key (symbol, datetime) is not among the fields: the table makes it from `fetched_at`, which an update leaves as
    it is. `updated_at` and `version` are set when the row is written.
    """

    symbol: str
    cmc_id: int
    name: str
    price: float
    volume_24h: float | None
    market_cap: float | None
    percent_change_1h: float | None
    percent_change_24h: float | None
    percent_change_7d: float | None
    cmc_rank: int | None
    currency: str
    endpoint: str
    run_id: str
    source_updated_at: str | None
    fetched_at: str


CRYPTO_PRICES = HourlyTable(
    name="crypto_prices",
    holes="crypto_price_holes",
    renames="crypto_renames",
    row=PriceRow,
    value="price",
    meaning="cmc_id",
    label="name",
    has_price_views=True,
    lists="crypto_prices",
    # Historical quotes have no rank: a backfill of stored hours must not remove theirs.
    keeps_known=frozenset({"cmc_rank"}),
)


class CoinMarketCapClickHouseAdapter(HourlyRepository):
    """One row for each (symbol, Tehran hour), in `crypto_prices`; args and errors are those of `HourlyRepository`."""

    table = CRYPTO_PRICES
