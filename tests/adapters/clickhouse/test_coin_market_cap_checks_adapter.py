"""Each kind of wrongness, put into the table past the program, is found by its check and by no other."""

from __future__ import annotations

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.hourly_repository import Wrong
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from tests.support.price_rows import price_row

HOURS = [f"2026-11-22 {hour:02d}:00:05" for hour in range(10)]
PRESENT = "2026-11-22 14:00:00"


@pytest.fixture
def checks(repository: CoinMarketCapClickHouseAdapter) -> CoinMarketCapClickHouseAdapter:
    """A table with ten good hours of two coins."""
    rows = [
        price_row(symbol, price=price + number, fetched_at=hour)
        for symbol, price in (("BTC", 90_000.0), ("SHIB", 0.00001))
        for number, hour in enumerate(HOURS)
        if symbol == "BTC" or number < 1
    ]
    repository.upsert_prices(rows)
    return repository


def found(checks: CoinMarketCapClickHouseAdapter) -> dict[str, list[tuple[str, str]]]:
    """The keys that each check names; checks that name none are left out."""
    named = {
        "duplicate": checks.duplicate_keys(),
        "key": checks.wrong_keys(),
        "price": checks.absurd_values(),
        "break": [Wrong(*one) for one in checks.breaks(["BTC", "SHIB", "ODD"], last=PRESENT)],
        "future": checks.future_rows(present=PRESENT),
    }
    return {name: [(one.symbol, one.hour) for one in wrong] for name, wrong in named.items() if wrong}


def put(clickhouse: ClickHouseAdapter, database: str, fetched_at: str, price: str, hour: str = "") -> None:
    """A row of BTC by raw SQL; with an hour, the key that the table would make is overruled."""
    columns, values, settings = "symbol, fetched_at, price", f"'BTC', '{fetched_at}', {price}", ""
    if hour:
        columns, values = f"{columns}, datetime", f"{values}, '{hour}'"
        settings = " SETTINGS insert_allow_materialized_columns = 1"
    clickhouse.command(f"INSERT INTO {database}.crypto_prices ({columns}){settings} VALUES ({values})")


def test_a_good_table_is_found_good(checks: CoinMarketCapClickHouseAdapter) -> None:
    """Ten hours of real-looking prices: no check says anything."""
    assert found(checks) == {}


def test_a_doubled_key_is_named(
    checks: CoinMarketCapClickHouseAdapter, clickhouse: ClickHouseAdapter, database: str
) -> None:
    """A second row of an hour, whatever its second."""
    put(clickhouse, database, "2026-11-22 04:00:59", "90004")
    assert found(checks) == {"duplicate": [("BTC", "2026-11-22 04:00:00")]}
    assert checks.duplicate_keys()[0].detail == "2 rows"


def test_a_key_of_another_hour_is_named(
    checks: CoinMarketCapClickHouseAdapter, clickhouse: ClickHouseAdapter, database: str
) -> None:
    """A key that is not the hour of its fetched_at."""
    put(clickhouse, database, "2026-11-22 12:00:05", "90004", hour="2026-11-22 10:00:00")
    assert found(checks) == {"key": [("BTC", "2026-11-22 10:00:00")]}
    assert checks.wrong_keys()[0].detail == "fetched_at is 2026-11-22 12:00:05"


def test_a_time_that_is_none_is_named(
    checks: CoinMarketCapClickHouseAdapter, clickhouse: ClickHouseAdapter, database: str
) -> None:
    """A fetched_at that agrees with its key but is no time."""
    clickhouse.command(
        f"INSERT INTO {database}.crypto_prices (symbol, fetched_at, price, datetime, date) "
        "SETTINGS insert_allow_materialized_columns = 1 VALUES "
        "('ODD', '2026-11-22 25:61:00', 1, '2026-11-22 25:00:00', '2026-11-22')"
    )
    assert found(checks) == {"key": [("ODD", "2026-11-22 25:00:00")], "future": [("ODD", "2026-11-22 25:00:00")]}


@pytest.mark.parametrize("price", ["0", "-1", "nan", "inf", "-inf", "9100000", "899"])
def test_an_absurd_price_is_named(
    checks: CoinMarketCapClickHouseAdapter, clickhouse: ClickHouseAdapter, database: str, price: str
) -> None:
    """Zero, negative, not finite, a hundred times too high or too low."""
    put(clickhouse, database, "2026-11-22 10:00:05", price)
    assert found(checks) == {"price": [("BTC", "2026-11-22 10:00:00")]}


def test_a_null_is_named(checks: CoinMarketCapClickHouseAdapter, clickhouse: ClickHouseAdapter, database: str) -> None:
    """It can stand in a column whose type somebody changed."""
    clickhouse.command(f"ALTER TABLE {database}.crypto_prices MODIFY COLUMN price Nullable(Float64)")
    put(clickhouse, database, "2026-11-22 10:00:05", "NULL")
    assert found(checks) == {"price": [("BTC", "2026-11-22 10:00:00")]}
    assert checks.absurd_values()[0].detail == "price NULL"


@pytest.mark.parametrize("price", ["8900000", "905"])
def test_a_leap_within_the_bounds_is_a_price(
    checks: CoinMarketCapClickHouseAdapter, clickhouse: ClickHouseAdapter, database: str, price: str
) -> None:
    """Almost a hundred times as much may be true."""
    put(clickhouse, database, "2026-11-22 10:00:05", price)
    assert found(checks) == {}


def test_a_break_is_named(checks: CoinMarketCapClickHouseAdapter, clickhouse: ClickHouseAdapter, database: str) -> None:
    """Hours missing inside a symbol's range, named by the hours around them; only of symbols asked about."""
    put(clickhouse, database, "2026-11-22 14:00:05", "90004")
    assert checks.breaks(["BTC"], last=PRESENT) == [("BTC", "2026-11-22 09:00:00", "2026-11-22 14:00:00")]
    assert checks.breaks(["SHIB"], last=PRESENT) == []


def test_an_hour_to_come_is_named(
    checks: CoinMarketCapClickHouseAdapter, clickhouse: ClickHouseAdapter, database: str
) -> None:
    """A row after the present hour; the hours up to it are no break."""
    put(clickhouse, database, "2026-11-22 15:00:00", "90004")
    assert found(checks) == {"future": [("BTC", "2026-11-22 15:00:00")]}
    assert checks.future_rows(present=PRESENT)[0].detail == "fetched_at is 2026-11-22 15:00:00"
