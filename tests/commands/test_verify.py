"""``verify``: the checks of the stored prices."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.hourly_table import Hole
from adapters._bases.retry import RetryPolicy
from adapters._bases.tehran_time import hours_before, tehran_text
from adapters.clickhouse.binance_clickhouse_adapter import BinanceClickHouseAdapter
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from adapters.files.locks import ProcessLock
from tests.support.binance import pair_row
from tests.support.installation import Installation
from tests.support.price_rows import price_row
from tests.support.price_table import Sql
from tests.support.stepped_clock import SteppedClock


def put(sql: Sql, *rows: tuple[str, str, float | None]) -> None:
    """Rows (symbol, fetched_at, price) of the coin 1 by raw SQL."""
    values = (f"('{symbol}', '{at}', {'NULL' if price is None else price}, 1)" for symbol, at, price in rows)
    sql(f"INSERT INTO crypto.crypto_prices (symbol, fetched_at, price, cmc_id) VALUES {', '.join(values)}")


def test_every_error_is_listed(program: Installation, sql: Sql) -> None:
    """Of a symbol that is not followed too, but for its gaps."""
    assert program.command("setup_db").code == 0
    good = [("BTC", f"2021-05-04 {hour:02d}:00:05", 90_000.0) for hour in range(6)]
    put(sql, *good, ("BTC", "2021-05-04 03:59:00", 90_000.0), ("BTC", "2021-05-04 06:00:00", -5.0))
    put(sql, ("BTC", "2021-05-04 10:00:00", 90_000.0), ("BTC", "2100-05-04 10:00:00", 90_000.0))
    put(sql, *[("OLD", f"2021-05-04 {time}:00", 1.0) for time in ("10:00", "12:00", "12:30")])
    sql(
        "INSERT INTO crypto.crypto_prices (symbol, fetched_at, price, datetime, date) "
        "SETTINGS insert_allow_materialized_columns = 1 VALUES "
        "('ETH', '2021-05-04 10:00:00', 1, '2021-05-04 11:00:00', '2021-05-04'), "
        "('SOL', '2021-05-04 25:61:00', 1, '2021-05-04 25:00:00', '2021-05-04')"
    )
    done = program.command("verify")
    assert done.code == 1
    assert "BTC 2021-05-04 03:00:00: 2 rows" in done.out
    assert "OLD 2021-05-04 12:00:00: 2 rows" in done.out
    assert "ETH 2021-05-04 11:00:00: fetched_at is 2021-05-04 10:00:00" in done.out
    assert "SOL 2021-05-04 25:00:00: fetched_at is 2021-05-04 25:61:00" in done.out
    assert "BTC 2021-05-04 06:00:00: price -5" in done.out
    assert "BTC 2100-05-04 10:00:00: fetched_at is 2100-05-04 10:00:00" in done.out
    assert "BTC: 3 h: 2021-05-04 07:00 to 2021-05-04 09:00" in done.out
    assert "3 hours of 1 symbol missing" in done.out
    assert done.out.endswith("5 of 8 checks found errors\n")
    document = json.loads(program.command("verify", "--json").out)
    assert (document["failed"], document["warnings"], len(document["findings"])) == (5, 0, 8)


@pytest.mark.parametrize(("hours", "stale"), [(48, True), (60, True), (47, False)])
def test_price_without_trades_for_48_hours_is_stale(
    program: Installation, embedded: ClickHouseAdapter, database: str, hours: int, *, stale: bool
) -> None:
    """In `verify` and in `status`, with or without candles; a pair that was traded within them is not."""
    past = [tehran_text(hour) for hour in hours_before(program.clock(), hours)]
    rows = [pair_row("BTC", trades=0, fetched_at=hour) for hour in past]
    rows += [pair_row("ETH", pair="ETHUSDT", trades=int(hour == past[-2]), fetched_at=hour) for hour in past]
    rows += [pair_row("SOL", pair="SOLUSDT", fetched_at=hour) for hour in past[: hours - 50]]
    table = BinanceClickHouseAdapter(
        clickhouse=embedded, database=database, retry=RetryPolicy(attempts=1), clock=program.clock
    )
    table.ensure_ready()
    table.upsert_prices(rows)
    done = program.at_clock("verify")
    found = [f"{symbol}: no trade in 48 hours" in done.out for symbol in ("BTC", "ETH", "SOL")]
    assert (done.code, found) == (int(stale), [stale, False, hours > 50]), done.out + done.log
    shown = program.at_clock("status", "binance_hourly_prices").out
    names = "BTC, SOL" if hours > 50 else "BTC"
    assert (f"no trade of {names} in 48 hours, so the price is stale" in shown) == stale


def test_table_without_the_columns_is_not_checked(program: Installation, sql: Sql) -> None:
    sql("CREATE DATABASE crypto")
    sql("CREATE TABLE crypto.crypto_prices (symbol String) ENGINE = ReplacingMergeTree ORDER BY symbol")
    done = program.command("verify")
    assert (done.code, done.log) == (1, "")
    assert "column price is 'missing', not 'Float64'" in done.out
    assert "the schema prevents the checks" in done.out


def test_a_hole_of_the_followed_coin_is_not_missing(
    program: Installation,
    embedded: ClickHouseAdapter,
    sql: Sql,
    make_repository: Callable[..., CoinMarketCapClickHouseAdapter],
) -> None:
    assert program.command("setup_db").code == 0
    put(sql, ("BTC", "2021-05-04 10:00:00", 1.0), ("BTC", "2021-05-04 12:00:00", 1.0))
    for coin, day in ((99, 5), (99, 6), (1, 7)):
        make_repository(embedded).note_holes(
            [Hole("BTC", "2021-05-04 11:00:00", coin, f"2021-05-0{day} 00:00:00", "r1")]
        )
    done = program.command("verify")
    assert (done.code, "BTC: 1 h: 2021-05-04 11:00" in done.out) == (1, True)
    make_repository(embedded).note_holes([Hole("BTC", "2021-05-04 11:00:00", 1, "2021-05-08 00:00:00", "r2")])
    assert program.command("verify").code == 0


def test_corrections_are_counted_and_listed(
    program: Installation, make_table: Callable[..., CoinMarketCapClickHouseAdapter], embedded: ClickHouseAdapter
) -> None:
    """They are not wrong: `status` has their number, `verify` the largest."""
    repository = make_table(embedded)
    for price in (50.0, 75.0):
        repository.upsert_prices([price_row(price=price, fetched_at="2026-11-23 11:00:00")])

    [job] = json.loads(program.at_clock("status", "--json").out)["jobs"]
    verified = program.at_clock("verify").out

    assert job["corrections_7d"] == 1
    assert "1 price in 7 days" in program.at_clock("status").out
    assert "BTC 2026-11-23 11:00: 50 to 75 USD (+50.00 %), at 2026-11-23 12:35 by run run-1" in verified


def test_hours_of_a_clock_change_are_counted_by_their_keys(program: Installation, sql: Sql) -> None:
    """23:00 of 2022-09-21 came twice and is missing once; 00:00 of 2021-03-22 never came and is not missing."""
    assert program.command("setup_db").code == 0
    put(sql, ("BTC", "2022-09-21 22:00:00", 1.0), ("BTC", "2022-09-22 00:00:00", 1.0))
    put(sql, ("ETH", "2022-09-21 21:00:00", 1.0), ("ETH", "2022-09-22 01:00:00", 1.0))
    put(sql, ("SOL", "2021-03-21 23:00:00", 1.0), ("SOL", "2021-03-22 01:00:00", 1.0))
    lines = [line.strip() for line in program.command("verify").out.splitlines()]
    assert "BTC: 1 h: 2022-09-21 23:00" in lines
    assert "ETH: 3 h: 2022-09-21 22:00 to 2022-09-22 00:00" in lines
    assert not any(line.startswith("SOL") for line in lines)


def test_a_cut_list_says_so(program: Installation, sql: Sql) -> None:
    assert program.command("setup_db").code == 0
    sql(
        "INSERT INTO crypto.crypto_prices (symbol, fetched_at, price) SELECT concat('X', toString(number)), "
        "'2021-05-04 10:00:00', -1 FROM numbers(10001)"
    )
    done = program.command("verify")
    assert "10,000 or more" in done.out
    assert "9,990 or more" in done.out


@pytest.mark.parametrize("command", ["verify", "report", "compare"])
def test_reading_makes_no_database(embedded_program: Installation, command: str) -> None:
    done = embedded_program.command(command)
    assert done.code == 1
    assert "setup_db" in done.log
    assert not embedded_program.data.exists()


@pytest.mark.parametrize(("command", "code"), [("verify", 75), ("compare", 75), ("check", 0)])
def test_a_job_that_has_the_engine_is_named(
    embedded_program: Installation, clock: SteppedClock, command: str, code: int
) -> None:
    assert embedded_program.command("setup_db").code == 0
    with ProcessLock(embedded_program.data / "clickhouse.lock", task="cmc_hourly_prices run", clock=clock):
        done = embedded_program.at_clock(command)
    assert (done.code, "cmc_hourly_prices run since" in done.out + done.log) == (code, True)
