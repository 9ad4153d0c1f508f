"""Backfill and heal of Binance's pairs: the stand-in over HTTP on one side, ClickHouse over HTTP on the other."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import chain

import pytest
from structlog.testing import capture_logs

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.errors import EtlError
from adapters._bases.tehran_time import HOUR, TEHRAN, hour_key, hour_start, hours_before, hours_between, time_bound
from crons.job import BackfillRequest, JobContext
from crons.jobs.binance_hourly_prices import JOB
from sandbox.binance import BROKEN_OFF, ExchangeStandIn
from sandbox.market import Market, listed_coins
from sandbox.server import Answer, Serving
from tests.support.binance import HALF, expected, holes, stored
from tests.support.job_runs import MakeContext, backfill, heal, run
from tests.support.stepped_clock import SteppedClock

pytestmark = pytest.mark.usefixtures("quick_retries")

NOW = datetime(2026, 11, 23, 12, 7, 9, tzinfo=timezone.utc)
"""2026-11-23 15:37:09 in Tehran."""
LISTED = datetime(2017, 8, 17, 4, tzinfo=timezone.utc)
"""When the first candle of BTCUSDT opened, half an hour into an hour of Tehran's summer."""
AUTUMNS = ["2017-09-21", "2018-09-21", "2019-09-21", "2020-09-20", "2021-09-21", "2022-09-21"]
"""Days on which Tehran's 23:00 came twice."""
SPRINGS = ["2018-03-22", "2019-03-22", "2020-03-21", "2021-03-22", "2022-03-22"]
"""Days without a 00:00 in Tehran."""


def between(first: str, end: str) -> BackfillRequest:
    """The hours from one day or hour to another."""
    return BackfillRequest(0, first=time_bound(first), end=time_bound(end))


async def test_a_backfill_stores_what_is_served(
    binance_context: MakeContext, exchange: ExchangeStandIn, embedded: ClickHouseAdapter, database: str
) -> None:
    """Every hour of every symbol, each with all that its two candles say; the present hour is not asked for."""
    report = await backfill(binance_context(), 1100)
    for symbol in ("BTC", "ETH", "SOL"):
        assert stored(embedded, database, symbol) == expected(exchange, f"{symbol}USDT", hours_before(NOW, 1100))
    assert (report.inserted, report.hours_asked, report.failures, report.missing) == (3300, 3300, [], [])
    # For each pair its state, its first candle and, with 500 hours a call, three calls.
    assert report.calls == 3 * (2 + 3)


async def test_a_second_backfill_writes_nothing(binance_context: MakeContext) -> None:
    """What is over stays as it was."""
    await backfill(binance_context(), 24)
    report = await backfill(binance_context(), 24)
    assert (report.inserted, report.updated, report.unchanged) == (0, 0, 72)


async def test_a_backfill_begins_with_the_pair(
    binance_context: MakeContext, exchange: ExchangeStandIn, embedded: ClickHouseAdapter, database: str
) -> None:
    """Hours before a pair's first candle are neither asked for nor missing; the hour of that candle is the first."""
    report = await backfill(binance_context(symbols="BTC"), between("2017-08-01", "2017-08-20"))
    first = hour_start(LISTED)
    rows = stored(embedded, database, "BTC")
    assert rows == expected(exchange, "BTCUSDT", hours_between(first, time_bound("2017-08-20")))
    assert next(iter(rows)) == hour_key(first) == "2017-08-17 08:00:00"
    assert rows[hour_key(first)][7] == 1
    assert (report.missing, report.without_quote, holes(embedded, database)) == ([], 0, set())


async def test_an_outage_stays_a_gap_and_is_remembered(
    binance_context: MakeContext,
    exchange: ExchangeStandIn,
    down: set[datetime],
    embedded: ClickHouseAdapter,
    database: str,
) -> None:
    """Two hours without a candle have no row, are named, and a heal asks for them again only if it is told to."""
    gone = [hour.astimezone(timezone.utc) for hour in hours_before(NOW, 10)[:2]]
    down.update(chain.from_iterable((hour, hour + HALF) for hour in gone))
    report = await backfill(binance_context(symbols="BTC"), 12)
    keys = {hour_key(hour) for hour in gone}
    assert stored(embedded, database, "BTC") == expected(exchange, "BTCUSDT", hours_before(NOW, 12))
    assert holes(embedded, database) == {("BTC", key) for key in keys}
    assert (report.inserted, report.without_quote, len(report.missing), report.failures) == (10, 2, 1, [])

    quiet = await heal(binance_context(symbols="BTC"), 12)
    assert (quiet.calls, quiet.hours_asked) == (0, 0)
    down.clear()
    asked = await heal(binance_context(symbols="BTC"), BackfillRequest(12, ask_all=True))
    assert (asked.hours_asked, asked.inserted) == (2, 2)


async def test_half_an_hour_of_outage_leaves_the_other_half(
    binance_context: MakeContext,
    exchange: ExchangeStandIn,
    down: set[datetime],
    embedded: ClickHouseAdapter,
    database: str,
) -> None:
    """First or second candle missing: the row is made of the other one, and says so; no hole."""
    first, second = (hour.astimezone(timezone.utc) for hour in hours_before(NOW, 6)[:2])
    down.update({first, second + HALF})
    await backfill(binance_context(symbols="BTC"), 6)
    rows = stored(embedded, database, "BTC")
    assert rows == expected(exchange, "BTCUSDT", hours_before(NOW, 6))
    assert [row[7] for row in rows.values()] == [1, 1, 2, 2, 2, 2]
    assert holes(embedded, database) == set()


async def test_a_heal_fills_what_is_missing_and_completes_what_was_open(
    binance_context: MakeContext,
    exchange: ExchangeStandIn,
    clock: SteppedClock,
    embedded: ClickHouseAdapter,
    database: str,
) -> None:
    """Runs that did not come leave hours without a row, and the last one's hour with its open alone."""
    await run(binance_context(symbols="BTC"))
    clock.advance(5 * HOUR)
    await run(binance_context(symbols="BTC"))
    report = await heal(binance_context(symbols="BTC"), 7)
    assert (report.hours_asked, report.inserted, report.updated) == (5, 4, 1)
    rows = stored(embedded, database, "BTC")
    rows.pop(hour_key(clock()))
    assert rows == expected(exchange, "BTCUSDT", hours_before(clock(), 7))
    again = await heal(binance_context(symbols="BTC"), 7)
    assert (again.hours_asked, again.calls) == (0, 0)


async def test_a_heal_asks_only_for_what_is_missing(binance_context: MakeContext) -> None:
    """Those before the stored ones: two hours, one call."""
    await backfill(binance_context(symbols="BTC"), 24)
    report = await heal(binance_context(symbols="BTC"), 26)
    assert (report.hours_asked, report.inserted, report.calls) == (2, 2, 1)


@pytest.mark.parametrize("day", AUTUMNS)
async def test_of_an_hour_that_came_twice_the_earlier_is_stored(
    binance_context: MakeContext, exchange: ExchangeStandIn, embedded: ClickHouseAdapter, database: str, day: str
) -> None:
    """Tehran's 23:00 of that day has one row, of its first instant; no hour around it is lost."""
    start = time_bound(f"{day} 20:00")
    report = await backfill(binance_context(symbols="BTC"), BackfillRequest(0, first=start, end=start + 7 * HOUR))
    twice = datetime.strptime(f"{day} 23", "%Y-%m-%d %H").replace(tzinfo=TEHRAN)
    assert twice.utcoffset() != twice.replace(fold=1).utcoffset()
    rows = stored(embedded, database, "BTC")
    assert list(rows) == [f"{day} {hour}:00:00" for hour in (20, 21, 22, 23)] + [
        hour_key(start + passed * HOUR) for passed in (5, 6)
    ]
    assert rows == expected(exchange, "BTCUSDT", hours_between(start, start + 7 * HOUR))
    assert rows[f"{day} 23:00:00"] == expected(exchange, "BTCUSDT", [twice])[f"{day} 23:00:00"]
    assert (report.missing, holes(embedded, database)) == ([], set())
    end = start + 7 * HOUR
    healed = await heal(binance_context(symbols="BTC"), BackfillRequest(0, first=end - 6 * HOUR, end=end))
    assert healed.hours_asked == 0


@pytest.mark.parametrize("day", SPRINGS)
async def test_an_hour_that_was_left_out_is_no_gap(
    binance_context: MakeContext, exchange: ExchangeStandIn, embedded: ClickHouseAdapter, database: str, day: str
) -> None:
    """Tehran's clock went from 24:00 to 01:00: there is no 00:00, and none is missing."""
    start = time_bound(f"{day} 01:00") - 3 * HOUR
    report = await backfill(binance_context(symbols="BTC"), BackfillRequest(0, first=start, end=start + 6 * HOUR))
    rows = stored(embedded, database, "BTC")
    assert [key[11:13] for key in rows] == ["21", "22", "23", "01", "02", "03"]
    assert rows == expected(exchange, "BTCUSDT", hours_between(start, start + 6 * HOUR))
    assert (report.missing, report.without_quote, holes(embedded, database)) == ([], 0, set())


async def test_a_price_keeps_its_source(
    binance_context: MakeContext, down: set[datetime], embedded: ClickHouseAdapter, database: str
) -> None:
    """An hour that Binance lacks stays empty though CoinMarketCap has it, and nothing is written into its table."""
    embedded.command(f"CREATE DATABASE IF NOT EXISTS {database}")
    embedded.command(
        f"CREATE TABLE {database}.crypto_prices (symbol String, datetime String, price Float64) ENGINE = Log"
    )
    gone = hours_before(NOW, 5)[0].astimezone(timezone.utc)
    down.update({gone, gone + HALF})
    embedded.command(f"INSERT INTO {database}.crypto_prices VALUES ('BTC', '{hour_key(gone)}', 1.0)")
    await backfill(binance_context(symbols="BTC"), 5)
    await heal(binance_context(symbols="BTC"), BackfillRequest(5, ask_all=True))
    assert hour_key(gone) not in stored(embedded, database, "BTC")
    assert embedded.query(f"SELECT count() FROM {database}.crypto_prices") == [(1,)]


async def test_a_dry_run_asks_for_no_candle(
    binance_context: MakeContext, embedded: ClickHouseAdapter, database: str
) -> None:
    """The estimate has pairs, hours, calls, weight and minutes; nothing is stored."""
    with capture_logs() as logs:
        report = await backfill(binance_context(), BackfillRequest(1000, dry_run=True))
    [estimate] = [line for line in logs if line["event"] == "estimate"]
    assert (estimate["symbols"], estimate["symbol_hours"], estimate["calls"]) == (3, 3000, 6)
    assert (estimate["weight"], estimate["minutes"]) == ("12 of 6000 a minute", "0.0 or more")
    assert report.calls == 6
    assert stored(embedded, database, "BTC") == {}


async def test_only_some_symbols(binance_context: MakeContext, embedded: ClickHouseAdapter, database: str) -> None:
    """Those that are named, of what is followed."""
    context = binance_context()
    chosen = JobContext.begin("binance_hourly_prices", JOB, context.resources, symbols=["ETH"])
    await backfill(chosen, BackfillRequest(3))
    assert [len(stored(embedded, database, symbol)) for symbol in ("BTC", "ETH", "SOL")] == [0, 3, 0]


async def test_a_pair_that_is_gone_costs_the_others_nothing(
    binance_context: MakeContext, clock: SteppedClock, embedded: ClickHouseAdapter, database: str
) -> None:
    """It was known once, and is asked for in vain: named, and the run is a good one."""
    await run(binance_context(symbols="BTC,SOL"))
    without = Market([coin for coin in listed_coins() if coin.symbol != "SOL"])
    with ExchangeStandIn(without, clock=clock) as later:
        report = await backfill(
            binance_context(symbols="BTC,SOL", binance_base_url=later.base_url), BackfillRequest(10)
        )
    assert report.failures == []
    assert report.warnings == ["Binance has no such pair (SOLUSDT); correct BINANCE_PAIRS"]
    assert len(stored(embedded, database, "BTC")) == 11


async def test_hours_after_a_pair_broke_off_are_remembered(
    binance_context: MakeContext, embedded: ClickHouseAdapter, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kept pair in BREAK: its last hours have no candle, and a heal does not ask for them every day."""
    await run(binance_context(symbols="BTC,SOL"))
    monkeypatch.setitem(BROKEN_OFF, "SOL", NOW - timedelta(hours=20))
    report = await backfill(binance_context(symbols="BTC,SOL"), 24)
    assert report.failures == []
    assert {symbol for symbol, _ in holes(embedded, database)} == {"SOL"}


async def test_what_came_before_a_failure_is_stored_and_the_rest_resumed(
    binance_context: MakeContext,
    exchange: ExchangeStandIn,
    embedded: ClickHouseAdapter,
    database: str,
) -> None:
    """Oldest first: the source fails after two calls, whose hours are stored; a heal asks for the others alone."""
    await run(binance_context(symbols="BTC"))
    served = 0

    def answer(target: str, _headers: dict[str, str]) -> Answer:
        nonlocal served
        served += 1
        return exchange.answer(target, exchange.now()) if served <= 2 else Answer(503, {"code": -1008, "msg": "busy"})

    with Serving(respond=answer, clock=exchange.now) as failing, pytest.raises(EtlError, match="503"):
        await backfill(binance_context(symbols="BTC", binance_base_url=failing.base_url), 2000)
    rows = stored(embedded, database, "BTC")
    assert hour_key(hours_before(NOW, 2000)[0]) in rows
    assert len(rows) == 1000 + 2
    report = await heal(binance_context(symbols="BTC"), 2000)
    assert report.hours_asked == 999
    assert len(stored(embedded, database, "BTC")) == 2001
