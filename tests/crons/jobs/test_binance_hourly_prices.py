"""The hourly prices from Binance, whole: its stand-in over HTTP on one side, ClickHouse over HTTP on the other."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from pytest_httpserver import HTTPServer

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.errors import EtlError, SourceRejected
from adapters._bases.tehran_time import HOUR, hour_key, hour_start
from crons.jobs.binance_hourly_prices import JOB
from sandbox.binance import BROKEN_OFF, ExchangeStandIn
from sandbox.market import Market, listed_coins
from tests.support.binance import expected, stored
from tests.support.job_runs import MakeContext, run
from tests.support.stepped_clock import SteppedClock

pytestmark = pytest.mark.usefixtures("quick_retries")

NOW = datetime(2026, 11, 23, 12, 7, 9, tzinfo=timezone.utc)
"""2026-11-23 15:37:09 in Tehran."""


async def test_a_run_stores_the_present_open_and_completes_the_hour_before(
    binance_context: MakeContext, exchange: ExchangeStandIn, embedded: ClickHouseAdapter, database: str
) -> None:
    """Of the present hour the price alone, of the one before all that was traded; no other hour is written."""
    report = await run(binance_context())
    present = hour_start(NOW)
    for symbol in ("BTC", "ETH", "SOL"):
        pair = f"{symbol}USDT"
        should = {**expected(exchange, pair, [present - HOUR]), **expected(exchange, pair, [present], complete=False)}
        assert stored(embedded, database, symbol) == should
    assert (report.inserted, report.failures, report.warnings, report.missing) == (6, [], [], [])


async def test_the_next_run_updates_the_hour_that_has_ended(
    binance_context: MakeContext,
    exchange: ExchangeStandIn,
    clock: SteppedClock,
    embedded: ClickHouseAdapter,
    database: str,
) -> None:
    """An hour later the same row is updated in place, and one is new; the hour before it is left as it is."""
    await run(binance_context(symbols="BTC"))
    clock.advance(HOUR)
    report = await run(binance_context(symbols="BTC"))
    assert (report.inserted, report.updated, report.unchanged) == (1, 1, 0)
    present = hour_start(clock())
    rows = stored(embedded, database, "BTC")
    assert rows[hour_key(present - HOUR)] == expected(exchange, "BTCUSDT", [present - HOUR])[hour_key(present - HOUR)]
    assert len(rows) == 3


async def test_a_second_run_in_the_hour_writes_nothing(binance_context: MakeContext, clock: SteppedClock) -> None:
    """Ten minutes later the open candle has moved, and nothing of it is stored: all stays as it is."""
    await run(binance_context())
    clock.advance(timedelta(minutes=10))
    report = await run(binance_context())
    assert (report.inserted, report.updated, report.unchanged) == (0, 0, 6)


@pytest.mark.parametrize("minute", [30, 59, 0, 29])
async def test_an_open_candle_gives_its_open_alone(
    binance_context: MakeContext, clock: SteppedClock, embedded: ClickHouseAdapter, database: str, minute: int
) -> None:
    """In either half of the hour, from its first minute to its last: no high, low, close or volume of it is stored."""
    clock.now = NOW.replace(hour=12 if minute < 30 else 11, minute=minute, second=30)
    await run(binance_context(symbols="BTC"))
    rows = stored(embedded, database, "BTC")
    assert rows[hour_key(clock())][1:] == (None, None, None, None, None, None, 1, None)


async def test_in_the_first_seconds_of_an_hour_the_one_before_is_not_settled(
    binance_context: MakeContext, clock: SteppedClock, embedded: ClickHouseAdapter, database: str
) -> None:
    """Its last candle may have closed a moment ago, or not yet: the hour before it is completed instead."""
    clock.now = NOW.replace(minute=30, second=3)
    await run(binance_context(symbols="BTC"))
    rows = stored(embedded, database, "BTC")
    closes = [row[3] for row in rows.values()]
    assert len(closes) == 3
    assert closes[0] is not None
    assert closes[1:] == [None, None]


async def test_the_first_half_hour_is_missing_and_the_second_gives_the_price(
    binance_context: MakeContext,
    exchange: ExchangeStandIn,
    down: set[datetime],
    embedded: ClickHouseAdapter,
    database: str,
) -> None:
    """The price is the first trade at or after the hour's start, from one candle."""
    hour = hour_start(NOW).astimezone(timezone.utc) - HOUR
    down.add(hour)
    await run(binance_context(symbols="BTC"))
    row = stored(embedded, database, "BTC")[hour_key(hour)]
    assert row == expected(exchange, "BTCUSDT", [hour])[hour_key(hour)]
    assert row[7] == 1


async def test_an_exchange_that_is_down_fails_the_run(
    binance_context: MakeContext, down: set[datetime], embedded: ClickHouseAdapter, database: str
) -> None:
    """No candle of the present hour: it is said, and nothing is stored under that hour."""
    present = hour_start(NOW).astimezone(timezone.utc)
    down.update({present, present + HOUR / 2})
    report = await run(binance_context(symbols="BTC"))
    assert report.failures == ["Binance has no candle of the present hour"]
    assert list(stored(embedded, database, "BTC")) == [hour_key(present - HOUR)]


async def test_a_pair_that_is_not_there_costs_the_others_nothing(
    binance_context: MakeContext, embedded: ClickHouseAdapter, database: str
) -> None:
    """It is named with what to do, once, and the run is a good one."""
    report = await run(binance_context(symbols="BTC,NOSUCH"))
    assert report.failures == []
    assert report.warnings == ["NOSUCH: Binance has no such pair (NOSUCHUSDT); correct BINANCE_PAIRS"]
    assert len(stored(embedded, database, "BTC")) == 2


async def test_a_pair_in_break_costs_the_others_nothing(binance_context: MakeContext) -> None:
    """Before it was ever asked for."""
    report = await run(binance_context(symbols="BTC,XMR"))
    assert report.failures == []
    assert report.warnings == ["XMR: the pair is not traded, its status is BREAK (XMRUSDT); correct BINANCE_PAIRS"]


async def test_a_pair_that_breaks_off_later_costs_the_others_nothing(
    binance_context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was known as traded: its missing candle is looked into."""
    await run(binance_context(symbols="BTC,SOL"))
    monkeypatch.setitem(BROKEN_OFF, "SOL", NOW - 2 * HOUR)
    report = await run(binance_context(symbols="BTC,SOL"))
    assert report.failures == []
    assert report.warnings == ["SOL: SOLUSDT is not traded: its status at Binance is BREAK; correct BINANCE_PAIRS"]
    assert report.missing == ["SOL (SOLUSDT)"]


async def test_a_pair_that_is_gone_later_costs_the_others_nothing(
    binance_context: MakeContext, clock: SteppedClock
) -> None:
    """Binance does not know its name any longer."""
    await run(binance_context(symbols="BTC,SOL"))
    without = Market([coin for coin in listed_coins() if coin.symbol != "SOL"])
    with ExchangeStandIn(without, clock=clock) as later:
        report = await run(binance_context(symbols="BTC,SOL", binance_base_url=later.base_url))
    assert report.failures == []
    assert report.warnings == ["SOL: Binance has no such pair (SOLUSDT); correct BINANCE_PAIRS"]


@pytest.mark.parametrize(
    ("symbols", "state", "found"),
    [
        ("BTC,ETH", "ok", "answers; traded: BTCUSDT, ETHUSDT"),
        (
            "BTC,XMR,NOSUCH",
            "warn",
            (
                "answers; traded: BTCUSDT; XMRUSDT is not traded: its status at Binance is BREAK; "
                "Binance has no such pair (NOSUCHUSDT)"
            ),
        ),
        ("XMR", "fail", "XMRUSDT is not traded: its status at Binance is BREAK"),
    ],
)
async def test_check_names_what_is_not_traded(
    binance_context: MakeContext, symbols: str, state: str, found: str
) -> None:
    """With what to correct; only where nothing is traded the job cannot do without it."""
    finding = await JOB.check(binance_context(symbols=symbols))
    assert (finding.state, finding.detail) == (state, found)
    assert finding.next_step == ("" if state == "ok" else "correct BINANCE_PAIRS")


async def test_without_any_pair_the_run_stops(
    binance_context: MakeContext, embedded: ClickHouseAdapter, database: str
) -> None:
    """What to correct is said once, and nothing is stored."""
    with pytest.raises(SourceRejected) as refused:
        await run(binance_context(symbols="NOSUCH"))
    assert f"{refused.value.message}; {refused.value.next_step}".count("correct BINANCE_PAIRS") == 1
    assert stored(embedded, database, "NOSUCH") == {}


async def test_the_pair_of_a_symbol_can_be_chosen(
    binance_context: MakeContext, embedded: ClickHouseAdapter, database: str
) -> None:
    """BINANCE_PAIRS overrides one symbol, the others keep theirs with USDT; the row says what its prices are in."""
    await run(binance_context(symbols="BTC,ETH", binance_pairs="ETH:ETHBTC"))
    found = embedded.query(f"SELECT DISTINCT symbol, pair, currency FROM {database}.binance_prices ORDER BY symbol")
    assert found == [("BTC", "BTCUSDT", "USDT"), ("ETH", "ETHBTC", "BTC")]


async def test_a_kept_pair_is_not_asked_for_again(binance_context: MakeContext) -> None:
    """The second run makes one call a symbol."""
    first, second = await run(binance_context()), await run(binance_context())
    assert (first.calls, second.calls) == (9, 3)


async def test_another_pair_is_named_when_it_takes_the_place(binance_context: MakeContext) -> None:
    """Never silently: prices of two pairs under one symbol are what `verify` finds."""
    await run(binance_context(symbols="ETH"))
    report = await run(binance_context(symbols="ETH", binance_pairs="ETH:ETHUSDC"))
    assert report.warnings == ["ETH now means ETHUSDC, previously ETHUSDT; stored prices stay as they are"]


async def test_a_refused_country_is_asked_once(
    binance_context: MakeContext, httpserver: HTTPServer, embedded: ClickHouseAdapter, database: str
) -> None:
    """HTTP 451: never again, and the words name the variables that show another way."""
    httpserver.expect_request("/api/v3/exchangeInfo").respond_with_json({"code": 0, "msg": "restricted"}, status=451)
    context = binance_context(binance_base_url=httpserver.url_for(""))
    with pytest.raises(EtlError) as refused:
        await run(context)
    assert "country" in refused.value.message
    assert all(name in refused.value.next_step for name in ("BINANCE_BASE_URL", "HTTPS_PROXY", "ALL_PROXY"))
    assert context.report.calls == 1
    assert stored(embedded, database, "BTC") == {}
