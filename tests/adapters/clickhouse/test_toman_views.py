"""Prices in Toman: which rate a price is converted by, and which tables the views wait for."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.tehran_time import TEHRAN
from adapters.clickhouse.binance_clickhouse_adapter import BinanceClickHouseAdapter
from adapters.clickhouse.toman_clickhouse_adapter import TomanClickHouseAdapter, TomanRow
from tests.support.binance import pair_row
from tests.support.price_rows import price_row
from tests.support.price_table import MakeRepository, Repository, Sql


def rate(exchange: str, hour: int, toman: float) -> TomanRow:
    at = f"2026-11-22 {hour}:00:00"
    return TomanRow(f"USDT@{exchange}", "USDT", toman, None, None, None, None, "IRT", "r1", at)


@pytest.fixture
def rates(embedded: ClickHouseAdapter, make_repository: MakeRepository) -> Any:
    return make_repository(embedded, kind=TomanClickHouseAdapter)


def test_price_is_converted_by_the_rate_of_its_very_hour(
    rates: TomanClickHouseAdapter, repository: Repository, pairs: BinanceClickHouseAdapter, sql: Sql
) -> None:
    """Nobitex's, else Wallex's, else none; never an older one."""
    rates.ensure_ready()
    hours = [f"2026-11-22 {hour}:00:07" for hour in (10, 11, 12)]
    repository.upsert_prices([price_row("BTC", 2.0, fetched_at=hour) for hour in hours])
    pairs.upsert_prices([pair_row("BTC", 3.0, fetched_at=hour) for hour in hours])
    pairs.upsert_prices([pair_row("ETH", 3.0, fetched_at=hours[0], currency="BTC")])
    rates.upsert_prices([rate("wallex", 10, 101.0), rate("nobitex", 10, 100.0), rate("wallex", 11, 102.0)])

    read = "price_toman, usdt_toman, rate_source, rate_time, date_jalali"
    times = [datetime(2026, 11, 22, hour, tzinfo=TEHRAN) for hour in (10, 11)]
    for table, price, dollars in (("crypto_prices", 2.0, "price_usd"), ("binance_prices", 3.0, "price_usdt")):
        found = sql(f"SELECT {dollars}, {read} FROM crypto.{table}_toman ORDER BY datetime")
        assert found == [
            (price, price * 100, 100.0, "nobitex", times[0], "1405-09-01"),
            (price, price * 102, 102.0, "wallex", times[1], "1405-09-01"),
            (price, None, None, "", None, "1405-09-01"),
        ]
        [latest] = sql(f"SELECT symbol, datetime, {dollars}, {read} FROM crypto.{table}_toman_latest")
        assert latest == ("BTC", "2026-11-22 12:00:00", price, None, None, "", None, "1405-09-01")
        [day] = sql(
            "SELECT toString(date), open_toman, low_toman, high_toman, close_toman, hours, date_jalali "
            f"FROM crypto.{table}_toman_daily"
        )
        assert day == ("2026-11-22", price * 100, price * 100, price * 102, price * 102, 2, "1405-09-01")


def test_views_wait_for_the_tables_of_other_jobs(
    rates: TomanClickHouseAdapter, repository: Repository, embedded: ClickHouseAdapter, database: str
) -> None:
    """Without them the rates alone are ready; the tables' order of coming and going does not matter."""
    made = "SELECT name FROM system.tables WHERE database = {database:String} AND name LIKE '%toman%' ORDER BY name"
    own = ["toman_rate_holes", "toman_rates", "toman_rates_hourly", "usdt_toman_hourly"]
    crypto = ["crypto_prices_toman", "crypto_prices_toman_daily", "crypto_prices_toman_latest"]

    def names() -> list[str]:
        return [name for (name,) in embedded.query(made, {"database": database})]

    repository.drop()
    rates.ensure_ready()
    assert (names(), rates.is_ready(), rates.differences()) == (own, True, [])
    repository.ensure_ready()
    assert rates.is_ready() is False
    rates.ensure_ready()
    assert (names(), rates.is_ready(), rates.differences()) == ([*crypto, *own], True, [])
    repository.drop()
    rates.ensure_ready()
    rates.drop()
    assert names() == ["toman_rate_holes"]
