"""Which prices are absurd, and which gaps are reported."""

from __future__ import annotations

import pytest

from tests.support.price_rows import price_row
from tests.support.price_table import Repository, Sql

DAY = "2026-11-22"


@pytest.fixture
def checks(repository: Repository) -> Repository:
    hours = [f"{DAY} {hour:02d}:00:05" for hour in range(10)]
    rows = [price_row("BTC", price=90_000.0 + number, fetched_at=hour) for number, hour in enumerate(hours)]
    repository.upsert_prices([*rows, price_row("SHIB", price=0.00001, fetched_at=hours[0])])
    return repository


def put(sql: Sql, fetched_at: str, price: object) -> None:
    sql(f"INSERT INTO crypto.crypto_prices (symbol, fetched_at, price) VALUES ('BTC', '{fetched_at}', {price})")


@pytest.mark.parametrize("price", ["0", "-1", "nan", "inf", "-inf", "9100000", "899", "NULL"])
def test_absurd_price_is_found(checks: Repository, sql: Sql, price: str) -> None:
    """Zero, negative, not finite, a hundred times too high or too low, or NULL in a column whose type was changed."""
    if price == "NULL":
        sql("ALTER TABLE crypto.crypto_prices MODIFY COLUMN price Nullable(Float64)")
    put(sql, f"{DAY} 10:00:05", price)
    [one] = checks.absurd_values()
    assert one.hour == f"{DAY} 10:00:00"
    assert one.detail.startswith(f"price {price}")
    assert checks.absurd_values(first=f"{DAY} 11:00:00") == []


def test_another_level_is_found_though_it_stays(checks: Repository, sql: Sql) -> None:
    """A hundred times off the hours before, or five times after a pause of a week; a price that moved so is none."""
    for hour in range(10, 16):
        put(sql, f"{DAY} {hour}:00:05", 9e11)
    assert [one.hour[11:13] for one in checks.absurd_values()] == ["10", "11"]
    sql("ALTER TABLE crypto.crypto_prices DELETE WHERE price = 9e11")
    for day, price in (
        ("2026-11-28", 400_000),
        ("2026-12-06", 90_000),
        ("2026-12-15", 460_000),
        ("2026-12-22", 90_000),
    ):
        for hour in range(3):
            put(sql, f"{day} {hour:02d}:00:05", price)
    found = [(one.hour[:13], one.detail) for one in checks.absurd_values()]
    assert [hour for hour, _ in found] == ["2026-12-15 00", "2026-12-22 00"]
    assert found[0][1] == "price 460000, before it about 90000 until 2026-12-06 02:00:00"


@pytest.mark.parametrize("price", ["8900000", "905"])
def test_leap_within_the_bounds_is_a_price(checks: Repository, sql: Sql, price: str) -> None:
    put(sql, f"{DAY} 10:00:05", price)
    assert checks.absurd_values() == []
