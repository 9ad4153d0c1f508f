"""Backfill and heal of Binance's pairs: the stand-in over HTTP on one side, ClickHouse over HTTP on the other."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from structlog.testing import capture_logs

from adapters._bases.tehran_time import HOUR, TEHRAN, hour_key, hours_before, hours_between, time_bound
from sandbox.binance import BROKEN_OFF, ExchangeStandIn
from sandbox.market import COINS, Market
from tests.crons.jobs.conftest import NOW
from tests.support.binance import expected, holes, stored
from tests.support.job_runs import MakeContext, backfill, heal, run
from tests.support.price_table import Sql
from tests.support.stepped_clock import SteppedClock

pytestmark = pytest.mark.usefixtures("quick_retries")

LISTED = datetime(2017, 8, 17, 4, tzinfo=timezone.utc)
"""When the first candle of BTCUSDT opened, half an hour into an hour of Tehran's summer."""


async def test_backfill_stores_what_is_served(
    binance_context: MakeContext, exchange: ExchangeStandIn, sql: Sql
) -> None:
    report = await backfill(binance_context(), 1100)
    for symbol in ("BTC", "ETH", "SOL"):
        assert stored(sql, symbol) == expected(exchange, f"{symbol}USDT", hours_before(NOW, 1100))
    assert (report.extracted, report.inserted, report.hours_asked, report.failures, report.missing) == (
        3300,
        3300,
        3300,
        [],
        [],
    )
    # For each pair its state, its first candle and, with 500 hours a call, three calls.
    assert report.calls == 3 * (2 + 3)
    again = await backfill(binance_context(), 24, symbols="eth")
    assert (again.updated, again.unchanged) == (0, 24)


async def test_heal_fills_what_is_missing_and_completes_what_was_open(
    binance_context: MakeContext, exchange: ExchangeStandIn, clock: SteppedClock, sql: Sql
) -> None:
    await run(binance_context(symbols="BTC"))
    clock.advance(5 * HOUR)
    await run(binance_context(symbols="BTC"))
    report = await heal(binance_context(symbols="BTC"), 7)
    assert (report.hours_asked, report.inserted, report.updated) == (5, 4, 1)
    rows = stored(sql, "BTC")
    rows.pop(hour_key(clock()))
    assert rows == expected(exchange, "BTCUSDT", hours_before(clock(), 7))
    again = await heal(binance_context(symbols="BTC"), 7)
    assert (again.hours_asked, again.calls) == (0, 0)


@pytest.mark.parametrize("day", ["2017-09-21", "2020-09-20", "2022-09-21"])
async def test_earlier_of_two_hours_with_one_key_is_stored(
    binance_context: MakeContext, exchange: ExchangeStandIn, sql: Sql, day: str
) -> None:
    start = time_bound(f"{day} 20:00")
    end = start + 7 * HOUR
    report = await backfill(binance_context(symbols="BTC"), first=start, end=end)
    twice = datetime.strptime(f"{day} 23", "%Y-%m-%d %H").replace(tzinfo=TEHRAN)
    assert twice.utcoffset() != twice.replace(fold=1).utcoffset()
    rows = stored(sql, "BTC")
    later = [hour_key(start + passed * HOUR) for passed in (5, 6)]
    assert list(rows) == [*(f"{day} {hour}:00:00" for hour in (20, 21, 22, 23)), *later]
    assert rows == expected(exchange, "BTCUSDT", hours_between(start, end))
    assert rows[f"{day} 23:00:00"] == expected(exchange, "BTCUSDT", [twice])[f"{day} 23:00:00"]
    assert (report.missing, holes(sql)) == ([], set())
    healed = await heal(binance_context(symbols="BTC"), first=end - 6 * HOUR, end=end)
    assert healed.hours_asked == 0


@pytest.mark.parametrize("day", ["2018-03-22", "2020-03-21"])
async def test_skipped_hour_is_not_missing(
    binance_context: MakeContext, exchange: ExchangeStandIn, sql: Sql, day: str
) -> None:
    start = time_bound(f"{day} 01:00") - 3 * HOUR
    report = await backfill(binance_context(symbols="BTC"), first=start, end=start + 6 * HOUR)
    rows = stored(sql, "BTC")
    assert [key[11:13] for key in rows] == ["21", "22", "23", "01", "02", "03"]
    assert rows == expected(exchange, "BTCUSDT", hours_between(start, start + 6 * HOUR))
    assert (report.missing, report.without_quote, holes(sql)) == ([], 0, set())


async def test_dry_run_asks_for_no_candle(binance_context: MakeContext, sql: Sql) -> None:
    with capture_logs() as logs:
        report = await backfill(binance_context(), 996, dry_run=True)
    [estimate] = [line for line in logs if line["event"] == "estimate"]
    assert (estimate["symbols"], estimate["symbol_hours"], estimate["calls"]) == (3, 2988, 6)
    assert (estimate["weight"], estimate["minutes"]) == ("12 of 6000 a minute", "0.0 or more")
    assert (report.calls, stored(sql, "BTC")) == (6, {})


async def test_pair_that_is_no_longer_traded_does_not_affect_the_others(
    binance_context: MakeContext, clock: SteppedClock, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(binance_context(symbols="BTC,SOL"))
    without = Market([coin for coin in COINS if coin.symbol != "SOL"])
    with ExchangeStandIn(without, clock=clock) as later:
        report = await backfill(binance_context(symbols="BTC,SOL", binance_base_url=later.base_url), 10)
    [warning] = report.warnings
    assert ("SOLUSDT" in warning, report.failures) == (True, [])
    assert len(stored(sql, "BTC")) == 11
    monkeypatch.setitem(BROKEN_OFF, "SOL", NOW - timedelta(hours=20))
    broken = await backfill(binance_context(symbols="BTC,SOL"), 24)
    [warning] = broken.warnings
    assert ("SOLUSDT is not trading now" in warning, broken.failures) == (True, [])
    assert holes(sql) == set()
