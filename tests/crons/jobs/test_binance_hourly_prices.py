"""The hourly run of the Binance job: its stand-in over HTTP on one side, ClickHouse over HTTP on the other."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone

import pytest

from adapters._bases.tehran_time import HOUR, hour_key, hour_start, hours_between, time_bound
from crons.jobs.binance_hourly_prices import JOB
from sandbox.binance import BROKEN_OFF, ExchangeStandIn
from sandbox.market import COINS, Market
from tests.crons.jobs.conftest import NOW
from tests.support.binance import expected, stored
from tests.support.job_runs import MakeContext, backfill, run
from tests.support.price_table import Sql
from tests.support.stepped_clock import SteppedClock

pytestmark = pytest.mark.usefixtures("quick_retries")


async def test_runs_store_the_present_open_and_complete_the_hour_before(
    binance_context: MakeContext, exchange: ExchangeStandIn, clock: SteppedClock, sql: Sql
) -> None:
    present = hour_start(NOW)
    first = await run(binance_context())
    for symbol in ("BTC", "ETH", "SOL"):
        pair = f"{symbol}USDT"
        should = {**expected(exchange, pair, [present - HOUR]), **expected(exchange, pair, [present], complete=False)}
        assert stored(sql, symbol) == should
    assert (first.inserted, first.failures, first.warnings, first.missing, first.calls) == (6, [], [], [], 9)

    clock.advance(timedelta(minutes=10))
    second = await run(binance_context())
    assert (second.inserted, second.updated, second.unchanged, second.calls) == (0, 0, 6, 3)

    clock.advance(HOUR)
    third = await run(binance_context(symbols="BTC"))
    assert (third.inserted, third.updated, third.unchanged) == (1, 1, 0)
    rows = stored(sql, "BTC")
    assert rows[hour_key(present)] == expected(exchange, "BTCUSDT", [present])[hour_key(present)]
    assert len(rows) == 3


async def test_exchange_that_is_down_fails_the_run(binance_context: MakeContext, down: set[datetime], sql: Sql) -> None:
    present = hour_start(NOW).astimezone(timezone.utc)
    down.update({present, present + HOUR / 2})
    report = await run(binance_context(symbols="BTC"))
    assert report.failures == ["Binance has no candle of the present hour"]
    assert list(stored(sql, "BTC")) == [hour_key(present - HOUR)]


async def test_present_candle_that_is_late_is_asked_for_again(
    binance_context: MakeContext, clock: SteppedClock, down: set[datetime], sql: Sql
) -> None:
    """Right after the turn of the hour, Binance may not have it yet."""
    present = clock.now = NOW.replace(minute=30, second=0, microsecond=0)
    down.add(present)
    asyncio.get_running_loop().call_later(0.5, down.clear)
    report = await run(binance_context(symbols="BTC"))
    assert (report.failures, report.missing) == ([], [])
    assert hour_key(present) in stored(sql, "BTC")


@pytest.mark.parametrize("symbol", ["NOSUCH", "XMR"])
async def test_pair_that_is_not_traded_does_not_affect_the_others(
    binance_context: MakeContext, sql: Sql, symbol: str
) -> None:
    """One that Binance does not have, and one of which it has but the past."""
    for _ in range(2):
        report = await run(binance_context(symbols=f"BTC,{symbol}"))
        assert (all(symbol in line for line in report.warnings), report.failures) == (True, [])
        assert "BINANCE_PAIRS" in report.warnings[-1]
        assert [f"no trade of {symbol}USDT in 48 hours" in line for line in report.warnings][1:] == (
            [True] if symbol == "XMR" else []
        )
    assert len(stored(sql, "BTC")) == 2


async def test_past_of_a_pair_no_longer_traded_is_fetched(
    binance_context: MakeContext, exchange: ExchangeStandIn, sql: Sql
) -> None:
    report = await backfill(binance_context(symbols="XMR"), first="2024-02-18", end="2024-02-20")
    assert [("XMRUSDT is not trading now" in line) for line in report.warnings] == [True]
    should = expected(exchange, "XMRUSDT", hours_between(time_bound("2024-02-18"), time_bound("2024-02-20")))
    assert stored(sql, "XMR") == should


async def test_pair_that_is_no_longer_traded_does_not_affect_the_others(
    binance_context: MakeContext, clock: SteppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(binance_context(symbols="BTC,SOL"))
    monkeypatch.setitem(BROKEN_OFF, "SOL", NOW - 2 * HOUR)
    broken = await run(binance_context(symbols="BTC,SOL"))
    assert broken.missing == ["SOL (SOLUSDT)"]
    without = Market([coin for coin in COINS if coin.symbol != "SOL"])
    with ExchangeStandIn(without, clock=clock) as later:
        gone = await run(binance_context(symbols="BTC,SOL", binance_base_url=later.base_url))
    for report in (broken, gone):
        [warning] = report.warnings
        assert ("SOLUSDT" in warning, "BINANCE_PAIRS" in warning, report.failures) == (True, True, [])


@pytest.mark.parametrize(
    ("symbols", "state", "named"),
    [
        ("BTC,ETH", "ok", ["BTCUSDT", "ETHUSDT"]),
        ("BTC,XMR,NOSUCH", "warn", ["BTCUSDT", "XMRUSDT is not trading now", "no such pair (NOSUCHUSDT)"]),
        ("XMR", "fail", ["XMRUSDT is not trading now"]),
        ("SOL", "warn", ["SOL: ETHUSDT trades ETH, so its prices are those of ETH"]),
    ],
)
async def test_check_names_what_is_not_traded(
    binance_context: MakeContext, symbols: str, state: str, named: list[str]
) -> None:
    """And what is another coin."""
    finding = await JOB.check(binance_context(symbols=symbols, binance_pairs="SOL:ETHUSDT" if symbols == "SOL" else ""))
    assert finding.state == state
    assert all(text in finding.detail for text in named)
    assert ("BINANCE_PAIRS" in finding.next_step) is (state != "ok")


async def test_pair_of_a_symbol_can_be_chosen(binance_context: MakeContext, sql: Sql) -> None:
    await run(binance_context(symbols="BTC,ETH", binance_pairs="ETH:ETHBTC"))
    found = sql("SELECT DISTINCT symbol, pair, currency FROM crypto.binance_prices ORDER BY symbol")
    assert found == [("BTC", "BTCUSDT", "USDT"), ("ETH", "ETHBTC", "BTC")]
    [warning] = (await run(binance_context(symbols="ETH"))).warnings
    assert "ETHUSDT" in warning
    assert "ETHBTC" in warning
    [*_, other] = (await run(binance_context(symbols="BTC", binance_pairs="BTC:ETHUSDT"))).warnings
    assert other == "BTC: ETHUSDT trades ETH, so its prices are those of ETH"
