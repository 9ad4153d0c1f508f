"""``compare``: CoinMarketCap's stored prices compared with Binance's, as the operator sees it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.tehran_time import hour_key, hours_before
from adapters.clickhouse.binance_clickhouse_adapter import BinanceClickHouseAdapter
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from sandbox.binance import ExchangeStandIn
from sandbox.market import Market
from tests.support.binance import pair_row
from tests.support.installation import Installation
from tests.support.price_rows import price_row
from tests.support.price_table import Sql
from tests.support.stepped_clock import SteppedClock
from tests.support.two_markets import walk

Store = Callable[..., None]


@pytest.fixture
def hours(clock: SteppedClock) -> list[str]:
    """The keys of the 168 hours before the present one."""
    return [hour_key(start) for start in hours_before(clock(), 168)]


@pytest.fixture
def store(
    program: Installation, embedded: ClickHouseAdapter, make_table: Callable[..., Any], hours: list[str]
) -> Store:
    """Make both tables, and store a symbol's prices in the first of these hours, by source: USD and USDT."""
    kinds = (CoinMarketCapClickHouseAdapter, BinanceClickHouseAdapter)
    quotes, candles = (make_table(embedded, program.clock, kind) for kind in kinds)

    def put(symbol: str, *, quoted: Sequence[float] = (), traded: Sequence[float] = ()) -> None:
        quotes.upsert_prices(
            price_row(symbol, price, fetched_at=hour, source_updated_at=hour)
            for hour, price in zip(hours, quoted, strict=False)
        )
        pair = f"{symbol}USDT"
        candles.upsert_prices(
            pair_row(symbol, price, pair=pair, fetched_at=hour, high=price, low=price, close=price)
            for hour, price in zip(hours, traded, strict=False)
        )

    return put


def document(program: Installation) -> Any:
    done = program.at_clock("compare", "--json")
    found = json.loads(done.out)
    assert (done.code, done.log) == (int(found["differs"]), "")
    return found


def test_equal_prices_pass(store: Store, program: Installation, hours: list[str]) -> None:
    for number, symbol in enumerate(("BTC", "ETH")):
        store(symbol, quoted=walk(168, seed=number), traded=walk(168, seed=number))
    done = program.at_clock("compare")
    assert (done.code, done.log) == (0, "")
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    for symbol in ("BTC", "ETH"):
        assert f"{symbol} {symbol}USDT 168/0/0 0.00 % +0.00 % +0.00 % {hours[0][:16]} 0" in lines
    assert any(line.startswith("note USDT is taken for a dollar in 336 h") for line in lines)
    assert lines[-1] == "no hour of 336 is over 1 %"


@pytest.mark.parametrize("table", ["crypto_prices", "binance_prices"])
def test_the_printed_commands_fix_the_prices(program: Installation, clock: SteppedClock, sql: Sql, table: str) -> None:
    """Both pipelines' prices of one market agree; a wrong one of either source is fetched again."""
    with ExchangeStandIn(Market(), clock=clock) as exchange:
        program.settings["BINANCE_BASE_URL"] = exchange.base_url
        for job in ("cmc_hourly_prices", "binance_hourly_prices"):
            assert program.run_job("backfill", "24", job=job).code == program.run_job(job=job).code == 0
        good = program.at_clock("compare", "24", "--json")
        assert (good.code, good.log) == (0, "")
        found = json.loads(good.out)["symbols"]
        assert [(one["symbol"], one["hours_compared"]) for one in found] == [("BTC", 24), ("ETH", 24), ("SOL", 24)]
        hour = hour_key(hours_before(clock(), 5)[0])
        sql(
            f"ALTER TABLE crypto.{table} UPDATE price = price * 1.2 WHERE symbol = 'ETH' AND datetime = '{hour}' "
            "SETTINGS mutations_sync = 2"
        )
        wrong = program.at_clock("compare")
        assert wrong.code == 1
        commands = re.findall(r"^ *./run.sh cron_backfill (\w+) (\d+)$", wrong.out, re.MULTILINE)
        assert [hours for _, hours in commands] == ["5", "5"]
        for job, hours in commands:
            assert program.run_job("backfill", hours, job=job).code == 0
        assert program.at_clock("compare").code == 0


def test_an_hour_over_the_tolerance_is_listed(store: Store, program: Installation, hours: list[str]) -> None:
    prices = walk(168)
    store("BTC", quoted=[*prices[:160], prices[160] * 1.05, *prices[161:]], traded=prices)
    done = program.at_clock("compare", "8")
    assert done.code == 1
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert f"BTC {hours[160][:16]} +5.00 % {prices[160] * 1.05:.8g} {prices[160]:.8g}" in lines
    assert "1 hour of 1 symbol over 1 %" in lines
    assert lines[-2:] == [f"./run.sh cron_backfill {job}_hourly_prices 8" for job in ("binance", "cmc")]
    assert program.at_clock("compare", "7").code == 0
    assert program.at_clock("compare", "--tolerance", "5.1").code == 0
    assert program.at_clock("compare", "--tolerance", "4.9").code == 1


def test_a_shift_is_reported_although_no_hour_is_over(store: Store, program: Installation) -> None:
    prices = walk(169, percent=0.5)
    store("BTC", quoted=prices, traded=prices[1:])
    done, verified = program.at_clock("compare"), program.at_clock("verify")
    assert done.code == verified.code == 1
    assert "BTC looks shifted: " in " ".join(done.out.split())
    assert "BTC looks shifted: " in verified.out
    assert "no hour of 168 is over 1 %" in done.out
    assert "./run.sh cron_backfill cmc_hourly_prices 168" in done.out


@pytest.mark.parametrize(
    ("wrong", "detail"),
    [
        ("quoted", "CoinMarketCap's prices are those of ETH at Binance"),
        ("traded", "Binance's prices, of BTCUSDT, are those of ETH at CoinMarketCap"),
    ],
)
def test_prices_of_another_coin_are_recognized(store: Store, program: Installation, wrong: str, detail: str) -> None:
    """As with BINANCE_PAIRS=BTC:ETHUSDT or a wrong id in SYMBOLS."""
    prices = {"BTC": walk(168, seed=1), "ETH": walk(168, seed=2, start=30.0), "SOL": walk(168, seed=3, start=2.0)}
    for symbol, own in prices.items():
        store(symbol, **{"quoted": own, "traded": own, **({wrong: prices["ETH"]} if symbol == "BTC" else {})})
    looks = {one["symbol"]: one["looks"] for one in document(program)["symbols"]}
    assert [(one["looks"], one["detail"]) for one in looks.pop("BTC")] == [("mixed up", detail)]
    assert looks == {"ETH": [], "SOL": []}


def test_a_stored_price_of_usdt_converts(store: Store, program: Installation) -> None:
    prices = walk(168)
    store("BTC", quoted=[price * 0.97 for price in prices], traded=prices)
    assert program.at_clock("compare").code == 1
    store("USDT", quoted=[0.97] * 168)
    done = program.at_clock("compare")
    assert done.code == 0
    assert "note  168 h are converted" in done.out
    assert "note  only from CoinMarketCap: USDT" in done.out


def test_json_has_every_hour(store: Store, program: Installation, hours: list[str]) -> None:
    prices = walk(168, percent=3)
    store("BTC", quoted=[*prices[:100], *[prices[100]] * 60, *prices[160:]], traded=prices)
    store("XRP", quoted=[1.0])
    store("ADA", traded=[1.0])
    found = document(program)
    assert (found["schema_version"], found["tolerance_percent"], found["differs"]) == (1, 1.0, True)
    span = (found["now"], found["first_hour"], found["last_hour"])
    assert span == ("2026-11-23 15:37:09", hours[0], hours[-1])
    assert (found["only_coinmarketcap"], found["only_binance"]) == (["XRP"], ["ADA"])
    (bitcoin,) = found["symbols"]
    documented = {
        *("symbol", "pair", "hours_in_both", "hours_only_coinmarketcap", "hours_only_binance", "hours_compared"),
        *("hours_converted", "hours_taken_for_dollar", "hours_of_other_currencies", "hours_without_number"),
        *("median_percent", "bias_percent", "largest_percent", "largest_hour", "over", "looks"),
    }
    assert set(bitcoin) == documented
    over = bitcoin["over"]
    assert len(over) > 30
    assert {one["looks"] for one in over if hours[100] <= one["hour"] < hours[160]} == {"stale"}
    largest = max(over, key=lambda one: abs(one["percent"]))
    assert (bitcoin["largest_hour"], bitcoin["largest_percent"]) == (largest["hour"], largest["percent"])
    assert [one["looks"] for one in bitcoin["looks"]] == ["stale"]


def test_verify_compares_the_last_week(store: Store, program: Installation) -> None:
    """Equal prices are ok, an hour over the tolerance is a warning, and one over 5 percent a failure."""
    prices = walk(168, percent=0.5)
    store("BTC", traded=prices)
    assert "two sources" not in program.at_clock("verify").out
    for symbol, factor, state, code in (("BTC", 1.0, "ok", 0), ("ETH", 1.03, "warn", 0), ("SOL", 1.06, "fail", 1)):
        store(symbol, quoted=[*prices[:100], prices[100] * factor, *prices[101:]], traded=prices)
        done = program.at_clock("verify")
        assert done.code == code
        assert re.search(rf"^two sources, 168 h +{state} ", done.out, re.MULTILINE)
        assert ("two sources, 168 h: ./run.sh compare" in done.out) == (state != "ok")


@pytest.mark.parametrize(("stored", "missing"), [("cmc", "Binance"), ("binance", "CoinMarketCap"), ("both", "")])
def test_nothing_to_compare_names_what_to_fetch(store: Store, program: Installation, stored: str, missing: str) -> None:
    """Nothing differs, so the exit code is 0; what a backfill needs comes before its command."""
    if stored != "binance":
        store("BTC", quoted=[1.0])
    if stored != "cmc":
        store("ETH", traded=[1.0])
    program.settings["CMC_API_KEY"] = ""
    done = program.at_clock("compare")
    assert (done.code, "nothing to compare" in done.out, missing in done.out) == (0, True, True)
    steps = [line for line in done.out.splitlines() if line.startswith("next: ")]
    binance, cmc = (f"./run.sh cron_backfill {job}_hourly_prices 168" for job in ("binance", "cmc"))
    expected = {"cmc": [f"next: {binance}"], "binance": [f"next: set CMC_API_KEY, then {cmc}"]}
    assert steps == expected.get(stored, [*expected["binance"], *expected["cmc"]])
    assert document(program)["symbols"] == []


def test_a_missing_table_is_a_source_without_prices(
    store: Store, program: Installation, sql: Sql, database: str
) -> None:
    store("BTC", quoted=walk(168), traded=walk(168))
    for view in ("binance_prices_latest", "binance_prices_daily", "binance_prices_hourly"):
        sql(f"DROP VIEW crypto.{view}")
    done = program.at_clock("compare")
    assert (done.code, done.out) == (1, "")
    assert f"error: there is no {database}.binance_prices_hourly" in done.log
    assert "./run.sh setup_db" in done.log
    sql("DROP TABLE crypto.binance_prices")
    done = program.at_clock("compare")
    assert (done.code, done.log) == (0, "")
    assert "no price is stored from Binance" in done.out
