"""The hourly run of the Binance job: its stand-in over HTTP on one side, ClickHouse over HTTP on the other."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.errors import SourceRejected
from adapters._bases.tehran_time import HOUR, hour_key, hour_start
from crons.jobs.binance_hourly_prices import JOB
from sandbox.binance import BROKEN_OFF, ExchangeStandIn
from sandbox.market import Market, listed_coins
from tests.crons.jobs.conftest import NOW
from tests.support.binance import expected, stored
from tests.support.job_runs import MakeContext, run
from tests.support.stepped_clock import SteppedClock

pytestmark = pytest.mark.usefixtures("quick_retries")


async def test_runs_store_the_present_open_and_complete_the_hour_before(
    binance_context: MakeContext,
    exchange: ExchangeStandIn,
    clock: SteppedClock,
    embedded: ClickHouseAdapter,
    database: str,
) -> None:
    present = hour_start(NOW)
    first = await run(binance_context())
    for symbol in ("BTC", "ETH", "SOL"):
        pair = f"{symbol}USDT"
        should = {**expected(exchange, pair, [present - HOUR]), **expected(exchange, pair, [present], complete=False)}
        assert stored(embedded, database, symbol) == should
    assert (first.inserted, first.failures, first.warnings, first.missing, first.calls) == (6, [], [], [], 9)

    clock.advance(timedelta(minutes=10))
    second = await run(binance_context())
    assert (second.inserted, second.updated, second.unchanged, second.calls) == (0, 0, 6, 3)

    clock.advance(HOUR)
    third = await run(binance_context(symbols="BTC"))
    assert (third.inserted, third.updated, third.unchanged) == (1, 1, 0)
    rows = stored(embedded, database, "BTC")
    assert rows[hour_key(present)] == expected(exchange, "BTCUSDT", [present])[hour_key(present)]
    assert len(rows) == 3


@pytest.mark.parametrize("minute", [30, 29])
async def test_open_candle_gives_its_open_only(
    binance_context: MakeContext, clock: SteppedClock, embedded: ClickHouseAdapter, database: str, minute: int
) -> None:
    clock.now = NOW.replace(hour=12 if minute < 30 else 11, minute=minute, second=30)
    await run(binance_context(symbols="BTC"))
    rows = stored(embedded, database, "BTC")
    assert rows[hour_key(clock())][1:] == (None, None, None, None, None, None, 1, None)


async def test_hour_before_is_not_completed_in_its_first_seconds(
    binance_context: MakeContext, clock: SteppedClock, embedded: ClickHouseAdapter, database: str
) -> None:
    clock.now = NOW.replace(minute=30, second=3)
    await run(binance_context(symbols="BTC"))
    closes = [row[3] for row in stored(embedded, database, "BTC").values()]
    assert [close is None for close in closes] == [False, True, True]


async def test_exchange_that_is_down_fails_the_run(
    binance_context: MakeContext, down: set[datetime], embedded: ClickHouseAdapter, database: str
) -> None:
    present = hour_start(NOW).astimezone(timezone.utc)
    down.update({present, present + HOUR / 2})
    report = await run(binance_context(symbols="BTC"))
    assert report.failures == ["Binance has no candle of the present hour"]
    assert list(stored(embedded, database, "BTC")) == [hour_key(present - HOUR)]


@pytest.mark.parametrize("symbol", ["NOSUCH", "XMR"])
async def test_pair_that_is_not_traded_does_not_affect_the_others(
    binance_context: MakeContext, embedded: ClickHouseAdapter, database: str, symbol: str
) -> None:
    report = await run(binance_context(symbols=f"BTC,{symbol}"))
    [warning] = report.warnings
    assert (symbol in warning, "BINANCE_PAIRS" in warning, report.failures) == (True, True, [])
    assert len(stored(embedded, database, "BTC")) == 2
    with pytest.raises(SourceRejected, match=symbol):
        await run(binance_context(symbols=symbol))


async def test_pair_that_is_no_longer_traded_does_not_affect_the_others(
    binance_context: MakeContext, clock: SteppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(binance_context(symbols="BTC,SOL"))
    monkeypatch.setitem(BROKEN_OFF, "SOL", NOW - 2 * HOUR)
    broken = await run(binance_context(symbols="BTC,SOL"))
    assert broken.missing == ["SOL (SOLUSDT)"]
    without = Market([coin for coin in listed_coins() if coin.symbol != "SOL"])
    with ExchangeStandIn(without, clock=clock) as later:
        gone = await run(binance_context(symbols="BTC,SOL", binance_base_url=later.base_url))
    for report in (broken, gone):
        [warning] = report.warnings
        assert ("SOLUSDT" in warning, "BINANCE_PAIRS" in warning, report.failures) == (True, True, [])


@pytest.mark.parametrize(
    ("symbols", "state", "named"),
    [
        ("BTC,ETH", "ok", ["BTCUSDT", "ETHUSDT"]),
        ("BTC,XMR,NOSUCH", "warn", ["BTCUSDT", "XMRUSDT is not traded", "no such pair (NOSUCHUSDT)"]),
        ("XMR", "fail", ["XMRUSDT is not traded"]),
    ],
)
async def test_check_names_what_is_not_traded(
    binance_context: MakeContext, symbols: str, state: str, named: list[str]
) -> None:
    finding = await JOB.check(binance_context(symbols=symbols))
    assert finding.state == state
    assert all(text in finding.detail for text in named)
    assert ("BINANCE_PAIRS" in finding.next_step) is (state != "ok")


async def test_pair_of_a_symbol_can_be_chosen(
    binance_context: MakeContext, embedded: ClickHouseAdapter, database: str
) -> None:
    await run(binance_context(symbols="BTC,ETH", binance_pairs="ETH:ETHBTC"))
    found = embedded.query(f"SELECT DISTINCT symbol, pair, currency FROM {database}.binance_prices ORDER BY symbol")
    assert found == [("BTC", "BTCUSDT", "USDT"), ("ETH", "ETHBTC", "BTC")]
    [warning] = (await run(binance_context(symbols="ETH"))).warnings
    assert "ETHUSDT" in warning
    assert "ETHBTC" in warning
