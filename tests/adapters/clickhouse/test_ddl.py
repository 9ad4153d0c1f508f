"""What the program makes in a database, as it is asked of ClickHouse, to the byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.retry import RetryPolicy
from adapters.clickhouse.binance_clickhouse_adapter import BinanceClickHouseAdapter
from adapters.clickhouse.binance_table import BINANCE_PRICES
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from adapters.clickhouse.coin_market_cap_table import CRYPTO_PRICES
from adapters.clickhouse.etl_runs_clickhouse_adapter import EtlRunsAdapter
from crons.resources import system_clock
from tests.support.clickhouse_front import ClickHouseFront

STATEMENTS = Path(__file__).parents[2] / "fixtures" / "ddl"


@pytest.mark.present_engine
@pytest.mark.parametrize(
    "name",
    [
        "crypto_prices",
        "crypto_prices_hourly",
        "crypto_prices_daily",
        "crypto_prices_latest",
        "crypto_price_holes",
        "binance_prices",
        "binance_prices_hourly",
        "binance_price_holes",
        "etl_runs",
    ],
)
def test_tables_and_views_are_made_as_ever(
    server: ClickHouseAdapter,
    front: ClickHouseFront,
    database: str,
    make_repository: Callable[..., CoinMarketCapClickHouseAdapter],
    name: str,
) -> None:
    """Names, types, order and comments of columns, keys and settings: an installed table must never differ."""
    make_repository(server).ensure_ready()
    BinanceClickHouseAdapter(
        table=BINANCE_PRICES, clickhouse=server, database=database, retry=RetryPolicy(attempts=3), clock=system_clock
    ).ensure_ready()
    EtlRunsAdapter(clickhouse=server, database=database, keep_days=400).ensure_ready()

    [statement] = [one for one in front.asked("CREATE") if f" EXISTS `{database}`.`{name}`" in one.splitlines()[0]]

    assert statement.replace(database, "DATABASE") == (STATEMENTS / f"{name}.sql").read_text()


def test_a_table_of_a_server_without_sound_patches_is_made_as_ever() -> None:
    """The same without the two settings that patch parts need."""
    whole = (STATEMENTS / "crypto_prices.sql").read_text()
    patches = ", enable_block_number_column = 1, enable_block_offset_column = 1"

    assert patches in whole
    assert CRYPTO_PRICES.create_table_statement("`DATABASE`.`crypto_prices`", (26, 8)) == whole.replace(patches, "")
