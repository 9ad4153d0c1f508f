"""Each kind of defect, put into the table by hand, is found by its check and by no other."""

from __future__ import annotations

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.hourly_repository import Wrong
from tests.support.price_rows import price_row
from tests.support.price_table import Repository

DAY = "2026-11-22"
PRESENT = f"{DAY} 14:00:00"


@pytest.fixture
def checks(repository: Repository) -> Repository:
    hours = [f"{DAY} {hour:02d}:00:05" for hour in range(10)]
    rows = [price_row("BTC", price=90_000.0 + number, fetched_at=hour) for number, hour in enumerate(hours)]
    repository.upsert_prices([*rows, price_row("SHIB", price=0.00001, fetched_at=hours[0])])
    return repository


def found(checks: Repository) -> dict[str, list[tuple[str, ...]]]:
    named = {
        "duplicate": checks.duplicate_keys().rows,
        "key": checks.wrong_keys().rows,
        "price": checks.absurd_values(),
        "break": [Wrong(*one) for one in checks.breaks(["BTC", "SHIB", "ODD"], last=PRESENT)],
        "future": checks.future_rows(present=PRESENT).rows,
    }
    return {name: [tuple(one) for one in wrong] for name, wrong in named.items() if wrong}


def put(clickhouse: ClickHouseAdapter, database: str, fetched_at: str, price: object, hour: str = "") -> None:
    """Insert a row of BTC; `hour` overrides the key that the table would make."""
    columns, values, settings = "symbol, fetched_at, price", f"'BTC', '{fetched_at}', {price}", ""
    if hour:
        columns, values = f"{columns}, datetime", f"{values}, '{hour}'"
        settings = " SETTINGS insert_allow_materialized_columns = 1"
    clickhouse.command(f"INSERT INTO {database}.crypto_prices ({columns}){settings} VALUES ({values})")


def test_sound_table_has_no_findings(checks: Repository) -> None:
    assert found(checks) == {}


@pytest.mark.parametrize(
    ("times", "check", "finding"),
    [
        (("04:00:59", ""), "duplicate", ("04:00:00", "2 rows")),
        (("12:00:05", "10:00:00"), "key", ("10:00:00", f"fetched_at is {DAY} 12:00:05")),
        (("25:61:00", "10:00:00"), "key", ("10:00:00", f"fetched_at is {DAY} 25:61:00")),
        (("14:00:05", ""), "break", ("09:00:00", PRESENT)),
        (("15:00:00", ""), "future", ("15:00:00", f"fetched_at is {DAY} 15:00:00")),
    ],
)
def test_defect_of_a_key_is_found_by_its_check_alone(  # noqa: PLR0917 - fixtures and a case
    checks: Repository,
    embedded: ClickHouseAdapter,
    database: str,
    times: tuple[str, str],
    check: str,
    finding: tuple[str, str],
) -> None:
    """A second row of an hour, a key of another hour, a text that is no time, a gap, a row of the future."""
    fetched_at, hour = times
    put(embedded, database, f"{DAY} {fetched_at}", 90_004, f"{DAY} {hour}" if hour else "")
    assert found(checks) == {check: [("BTC", f"{DAY} {finding[0]}", finding[1])]}


def test_breaks_are_of_the_symbols_asked_for(checks: Repository, embedded: ClickHouseAdapter, database: str) -> None:
    put(embedded, database, f"{DAY} 14:00:05", 90_004)
    assert checks.breaks(["SHIB"], last=PRESENT) == []


@pytest.mark.parametrize("price", ["0", "-1", "nan", "inf", "-inf", "9100000", "899", "NULL"])
def test_absurd_price_is_found(checks: Repository, embedded: ClickHouseAdapter, database: str, price: str) -> None:
    """Zero, negative, not finite, a hundred times too high or too low, or NULL in a column whose type was changed."""
    if price == "NULL":
        embedded.command(f"ALTER TABLE {database}.crypto_prices MODIFY COLUMN price Nullable(Float64)")
    put(embedded, database, f"{DAY} 10:00:05", price)
    [one] = checks.absurd_values()
    assert list(found(checks)) == ["price"]
    assert one.hour == f"{DAY} 10:00:00"
    assert one.detail.startswith(f"price {price}")


@pytest.mark.parametrize("price", ["8900000", "905"])
def test_leap_within_the_bounds_is_a_price(
    checks: Repository, embedded: ClickHouseAdapter, database: str, price: str
) -> None:
    put(embedded, database, f"{DAY} 10:00:05", price)
    assert found(checks) == {}
