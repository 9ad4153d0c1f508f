"""The repository of the price of one USDT in Toman. Texts of time are Tehran wall time, ``YYYY-MM-DD HH:MM:SS``."""

from __future__ import annotations

from typing import NamedTuple

from adapters._bases.hourly_repository import HourlyRepository
from adapters._bases.hourly_table import HourlyTable

_TOMAN_VIEWS = ("toman", "toman_daily", "toman_latest")


class TomanRow(NamedTuple):
    """One hour of one exchange to store. 1 Toman is 10 Rial."""

    symbol: str
    pair: str
    usdt_toman: float
    high_toman: float | None
    low_toman: float | None
    close_toman: float | None
    volume_usdt: float | None
    currency: str
    run_id: str
    fetched_at: str


class TomanClickHouseAdapter(HourlyRepository):
    """One row for each (symbol, Tehran hour), a symbol for each exchange: USDT@nobitex and USDT@wallex."""

    table = HourlyTable(
        name="toman_rates",
        holes="toman_rate_holes",
        row=TomanRow,
        value="usdt_toman",
        meaning="pair",
        label="pair",
        more_views=(
            "usdt_toman_hourly",
            *(f"{table}_{kind}" for table in ("crypto_prices", "binance_prices") for kind in _TOMAN_VIEWS),
        ),
        completed_by="close_toman",
    )
