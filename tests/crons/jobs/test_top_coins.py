"""SYMBOLS=top:N: the largest coins, which come and go; CoinMarketCap over HTTP on one side, ClickHouse on the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest

from adapters._bases.errors import EtlError, SourceRejected
from adapters._bases.tehran_time import HOUR, hour_key, hour_start
from crons.inspection import verify_table
from crons.job import Finding
from crons.jobs.cmc_hourly_prices import check_symbols
from sandbox.market import ANOTHER_BTC_ID, COINS, ListedCoin, Market, generated_coins
from tests.crons.jobs.conftest import NOW
from tests.support.faults import gateway_error
from tests.support.faulty_source import FaultySource
from tests.support.job_runs import MakeContext, backfill, heal, run
from tests.support.price_table import Sql
from tests.support.scale import LARGE
from tests.support.stepped_clock import SteppedClock

pytestmark = pytest.mark.usefixtures("quick_retries")

TOP, HOURS = 100, 168 if LARGE else 44
LEFT, CAME, FLICKERED, CAME_BACK = "DOGE", "C0150", "TRX", "ADA"
FAILED = (34, 40)


@pytest.fixture
def source(clock: SteppedClock) -> Iterator[FaultySource]:
    with FaultySource(clock=clock) as stand_in:
        stand_in.market = Market([*COINS, *generated_coins(200)])
        yield stand_in


def is_listed(symbol: str, hour: int) -> bool:
    """Whether a coin with a life of its own is in the list in that hour."""
    alive = {LEFT: hour < 8, CAME: hour >= 10, FLICKERED: not 20 <= hour < 25, CAME_BACK: not 4 <= hour < 30}
    return alive[symbol]


def ranked(began: datetime) -> Callable[[ListedCoin, datetime], int]:
    def rank_of(coin: ListedCoin, now: datetime) -> int:
        hour = (now - began) // HOUR
        if coin.symbol in (LEFT, CAME, FLICKERED, CAME_BACK):
            return 10 if is_listed(coin.symbol, hour) else 4000
        if coin.id == ANOTHER_BTC_ID:  # from some hour on larger than Bitcoin
            return 0 if hour >= 20 else 4821
        return coin.rank

    return rank_of


def faults(context: MakeContext) -> list[Finding]:
    return [one for one in verify_table(context(symbols=f"top:{TOP}")) if one.state == "fail"]


async def test_days_of_the_list_miss_the_failed_hours_alone(
    cmc_context: MakeContext, source: FaultySource, clock: SteppedClock, sql: Sql
) -> None:
    """Coins come, leave, flicker and return, two share a ticker; a heal fills the failed hours, by the credits told."""
    began = hour_start(NOW)
    clock.now = NOW
    source.rank_of = ranked(clock())
    warned: list[str] = []
    for hour in range(HOURS):
        if hour in FAILED:
            with pytest.raises(EtlError):
                await run(cmc_context(symbols=f"top:{TOP}", cmc_base_url="http://127.0.0.1:1"))
        else:
            report = await run(cmc_context(symbols=f"top:{TOP}"))
            assert report.failures == []
            warned += report.warnings
            assert report.credits == 1 + (report.calls == 2)
        clock.advance(HOUR)
    [twin] = [line for line in warned if "ticker" in line]
    assert f"BTC:{ANOTHER_BTC_ID}" in twin
    assert sql("SELECT DISTINCT cmc_id FROM crypto.crypto_prices WHERE symbol = 'BTC'") == [(1,)]

    present = hour_start(clock()) - HOUR
    clock.now = present + timedelta(minutes=7)
    [missing] = faults(cmc_context)
    failed = [hour_key(began + HOUR * hour) for hour in FAILED]
    counts = sql(
        f"SELECT datetime, count() FROM crypto.crypto_prices_hours WHERE state = 'missing' "  # by the real clock
        f"AND datetime < '{hour_key(present)}' GROUP BY datetime ORDER BY datetime"
    )
    assert [hour for hour, _ in counts] == failed
    wanted = sum(count for _, count in counts)
    assert f"{wanted} hours of " in missing.detail
    # 24 hours after it left a coin is neither fetched nor expected, and not before its first hour.
    found = sql("SELECT symbol, min(datetime), max(datetime), count() FROM crypto.crypto_prices GROUP BY symbol")
    spans = {symbol: tuple(span) for symbol, *span in found}
    end, ran = HOURS - 1, HOURS - len(FAILED)
    lives = {LEFT: (0, 31, 32), CAME: (10, end, ran - 10), CAME_BACK: (0, end, ran - 2), FLICKERED: (0, end, ran)}
    for symbol, (first, last, rows) in lives.items():
        assert spans[symbol] == (hour_key(began + HOUR * first), hour_key(began + HOUR * last), rows), symbol

    healed = await heal(cmc_context(symbols=f"top:{TOP}"), HOURS)
    assert (healed.hours_asked, healed.inserted, healed.failures) == (wanted, wanted, [])
    assert faults(cmc_context) == []
    again = await heal(cmc_context(symbols=f"top:{TOP}"), HOURS)
    assert (again.hours_asked, again.credits) == (0, 0)


async def test_named_symbols_and_the_list_cost_two_calls(
    cmc_context: MakeContext, source: FaultySource, sql: Sql
) -> None:
    """A named coin that the list holds costs none; a failure of the second call costs only what it was for."""
    one = await run(cmc_context(symbols="top:5,BTC:1"))
    assert (one.inserted, one.calls, one.credits) == (5, 1, 1)
    source.faults.push(gateway_error(), path="/quotes/latest", times=3)
    two = await run(cmc_context(symbols="top:5,BTC:1,C0199"))
    assert (two.unchanged + two.updated, two.inserted, len(two.failures)) == (5, 0, 2)
    three = await run(cmc_context(symbols="top:5,BTC:1,C0199"))
    assert (three.inserted, three.failures, three.credits) == (1, [], 2)
    kinds = "SELECT endpoint, groupArray(symbol) FROM crypto.crypto_prices_hourly GROUP BY endpoint ORDER BY 1"
    assert [(kind, sorted(symbols)) for kind, symbols in sql(kinds)] == [
        ("latest", ["BTC", "C0199"]),
        ("listings", ["BNB", "ETH", "USDT", "XRP"]),
    ]
    source.faults.push(gateway_error(), path="/listings/latest", times=3)
    alone = await run(cmc_context(symbols="top:5,BTC:1"))
    assert (alone.unchanged + alone.updated, len(alone.failures)) == (1, 1)


async def test_backfill_covers_the_present_list_alone(cmc_context: MakeContext) -> None:
    with pytest.raises(SourceRejected, match="no list of the top 5"):
        await backfill(cmc_context(symbols="top:5"), 3)
    await run(cmc_context(symbols="top:5"))
    report = await backfill(cmc_context(symbols="top:5"), 3)
    assert (report.hours_asked, report.inserted) == (15, 15)
    healed = await heal(cmc_context(symbols="top:5"), 48)
    assert healed.hours_asked == 0
    assert "top:5 costs 1 credit an hour" in (await check_symbols(cmc_context(symbols="top:5"))).detail
