"""The price of one USDT in Toman: the stand-in of both exchanges over HTTP on one side, ClickHouse on the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from adapters._bases.errors import ConfigurationError, EtlError, SourceRejected, StorageUnavailable
from adapters._bases.tehran_time import HOUR, hour_key, hour_start, hours_before, hours_between, time_bound
from crons.jobs import usdt_toman_hourly_rates
from crons.jobs.usdt_toman_hourly_rates import JOB
from sandbox.server import Answer
from tests.crons.jobs.conftest import NOW
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.job_runs import MakeContext, backfill, contexts, heal, run
from tests.support.price_table import Sql
from tests.support.scale import LARGE
from tests.support.stepped_clock import SteppedClock
from tests.support.toman_exchanges import RateStandIn, candle, rate_at

PAIRS = {"USDT@nobitex": "USDTIRT", "USDT@wallex": "USDTTMN"}
PRESENT = hour_start(NOW)
Rows = dict[str, tuple[Any, ...]]

pytestmark = pytest.mark.usefixtures("quick_retries")


@pytest.fixture
def exchanges(clock: SteppedClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[RateStandIn]:
    monkeypatch.setattr(usdt_toman_hourly_rates, "CALLS_A_MINUTE", 60_000)
    with RateStandIn(clock=clock) as stand_in:
        yield stand_in


@pytest.fixture
def context(exchanges: RateStandIn, clock: SteppedClock, database_settings: dict[str, object]) -> Iterator[MakeContext]:
    own = dict.fromkeys(("nobitex_base_url", "wallex_base_url"), exchanges.base_url)
    with contexts("usdt_toman_hourly_rates", JOB, clock, **database_settings, **own) as make:
        yield make


def stored(sql: Sql, symbol: str) -> Rows:
    """Hour key to what the table holds of a symbol; fails on a key that is doubled."""
    if sql("EXISTS TABLE crypto.toman_rates") == [(0,)]:
        return {}
    found = sql(
        "SELECT datetime, usdt_toman, high_toman, low_toman, close_toman, volume_usdt "
        f"FROM crypto.toman_rates FINAL WHERE symbol = '{symbol}' ORDER BY datetime"
    )
    assert len({hour for hour, *_ in found}) == len(found)
    return {str(hour): tuple(row) for hour, *row in found}


def expected(symbol: str, hours: list[datetime], *, complete: bool = True) -> Rows:
    """Hour key to what is served of hours (aware starts) that are over, or not."""
    rows: Rows = {}
    for hour in hours:
        opens = int(hour.timestamp())
        row = candle(PAIRS[symbol], opens, 3600)
        if symbol == "USDT@wallex":
            row = tuple(round(number, 2) for number in row)  # type: ignore[assignment]  # of five
        rows[hour_key(hour)] = row if complete else (row[0], None, None, None, None)
    return rows


async def test_run_stores_both_exchanges(context: MakeContext, clock: SteppedClock, sql: Sql) -> None:
    """The present hour's open, and the two hours before; the next run completes what was open."""
    first = await run(context())
    for symbol in PAIRS:
        before, open_hour = expected(symbol, hours_before(NOW, 2)), expected(symbol, [PRESENT], complete=False)
        assert stored(sql, symbol) == before | open_hour
    assert (first.inserted, first.calls, first.failures, first.warnings, first.missing) == (6, 2, [], [], [])
    clock.advance(HOUR)
    second = await run(context())
    assert (second.inserted, second.updated) == (2, 2)
    meant = "SELECT DISTINCT symbol, pair, currency FROM crypto.toman_rates_hourly ORDER BY symbol"
    assert sql(meant) == [(symbol, pair, "IRT") for symbol, pair in PAIRS.items()]


@pytest.mark.parametrize("symbol", PAIRS)
async def test_exchange_that_refuses_does_not_affect_the_other(
    context: MakeContext, exchanges: RateStandIn, sql: Sql, symbol: str
) -> None:
    """In a run, a backfill and a heal, which asks an exchange without any rate for nothing."""
    exchanges.refused.add(PAIRS[symbol])
    reports = [await run(context()), await backfill(context(), 5)]
    for report in reports:
        [warning] = report.warnings
        assert (symbol.partition("@")[2] in warning.lower(), "HTTP 403" in warning, report.failures) == (True, True, [])
    assert {one: len(stored(sql, one)) for one in PAIRS} == {one: 6 * (one != symbol) for one in PAIRS}
    exchanges.asked.clear()
    healed = await heal(context(), 5)
    assert (healed.hours_asked, healed.warnings, exchanges.asked) == (0, [], [])
    finding = await JOB.check(context())
    assert (finding.state, "HTTP 403" in finding.detail) == ("warn", True)


async def test_run_without_any_exchange_fails(context: MakeContext, exchanges: RateStandIn, sql: Sql) -> None:
    exchanges.refused.update(PAIRS.values())
    for attempt in (run(context()), backfill(context(), 5)):
        with pytest.raises(SourceRejected, match="refuses the request"):
            await attempt
    with pytest.raises(ConfigurationError, match="both empty"):
        await run(context(nobitex_base_url="", wallex_base_url=""))
    assert stored(sql, "USDT@nobitex") == {}


async def test_source_with_an_empty_address_is_left_out(context: MakeContext, exchanges: RateStandIn) -> None:
    report = await run(context(nobitex_base_url=""))
    assert (report.inserted, report.warnings, len(exchanges.asked)) == (3, [], 1)


async def test_exchange_that_is_down_does_not_affect_the_other(context: MakeContext) -> None:
    report = await run(context(wallex_base_url="http://127.0.0.1:1"))
    assert (report.inserted, len(report.warnings), report.failures) == (3, 1, [])


@pytest.mark.parametrize("off_grid", [(), PAIRS.values()], ids=["hours", "finer"])
async def test_backfill_stores_what_is_served(
    context: MakeContext, exchanges: RateStandIn, sql: Sql, off_grid: tuple[str, ...]
) -> None:
    """500 hours a call, oldest first; candles that begin with other hours are never taken, finer ones are."""
    exchanges.off_grid.update(off_grid)
    report = await backfill(context(), 700)
    for symbol, pair in PAIRS.items():
        rows, hours = stored(sql, symbol), hours_before(NOW, 700)
        opens = {hour_key(hour): rate_at(pair, int(hour.timestamp())) for hour in hours}
        assert {key: row[0] for key, row in rows.items()} == opens
        if not off_grid:
            assert rows == expected(symbol, hours)
    assert (report.inserted, report.failures, report.missing) == (1400, [], [])
    # An answer of Nobitex holds 500 candles: 500 hours of half hours are two.
    assert report.calls == (4 + 4 + 1 if off_grid else 4)
    again = await backfill(context(), 700)
    assert (again.unchanged, again.inserted) == (1400, 0)


async def test_backfill_begins_with_1401(context: MakeContext, sql: Sql) -> None:
    await backfill(context(), first="2022-03-20", end="2022-03-23")
    assert stored(sql, "USDT@nobitex") == expected(
        "USDT@nobitex", hours_between(time_bound("2022-03-21"), time_bound("2022-03-23"))
    )
    assert len(stored(sql, "USDT@wallex")) == 71  # the clocks went forward on the 22nd


async def test_heal_fills_what_is_missing(
    context: MakeContext, exchanges: RateStandIn, clock: SteppedClock, sql: Sql
) -> None:
    gap = int((PRESENT + 2 * HOUR).timestamp())
    exchanges.lacking.add(("USDTIRT", gap))
    await run(context())
    clock.advance(8 * HOUR)
    await run(context())
    healed = await heal(context(), 10)
    for symbol in PAIRS:
        hours = [hour for hour in hours_between(PRESENT - 2 * HOUR, clock()) if hour != hour_start(clock())]
        wanted = [hour for hour in hours if symbol == "USDT@wallex" or hour.timestamp() != gap]
        rows = stored(sql, symbol)
        rows.pop(hour_key(clock()))
        assert rows == expected(symbol, wanted)
    assert (healed.without_quote, healed.failures) == (1, [])


async def test_database_that_fails_during_a_backfill_ends_it(
    context: MakeContext, exchanges: RateStandIn, front: ClickHouseFront
) -> None:
    """As soon as there are rows to be stored together, and the second exchange is not asked."""
    front.refuse()
    with pytest.raises(StorageUnavailable):
        await backfill(context(), 10_500)
    assert all(target.startswith("/market/") for target in exchanges.asked)


@pytest.mark.parametrize("most", [0, 100], ids=["empty", "a hundred candles"])
async def test_short_answer_proves_no_hole(context: MakeContext, exchanges: RateStandIn, sql: Sql, most: int) -> None:
    """One is asked for again in halves; what stays short is missing, fails the backfill, and a heal asks for it."""
    short_calls = 1

    honest = exchanges.answer

    def short(target: str, _headers: Mapping[str, str]) -> Answer:
        answer = honest(target, _headers)
        if len(exchanges.asked) > short_calls:
            return answer
        return Answer(200, {key: one if key == "s" else one[:most] for key, one in answer.document.items()})

    exchanges.answer = short  # type: ignore[method-assign]  # at first
    report = await backfill(context(wallex_base_url=""), 400)
    assert (report.inserted, report.failures, report.missing) == (400, [], [])
    sql("TRUNCATE TABLE crypto.toman_rates")
    short_calls = 1_000
    report = await backfill(context(wallex_base_url=""), 400)
    [failure] = report.failures
    assert failure.startswith(f"USDT@nobitex: requested 400 hours, received {report.inserted}; ")
    assert sql("SELECT count() FROM crypto.toman_rate_holes") == [(0,)]


COLUMNS: dict[str, Any] = {"s": "ok", "t": [], **{name: [] for name in "ohlcv"}}


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, {"s": "error", "errmsg": "Invalid resolution!"}, "Invalid resolution!"),
        (200, {"status": "failed", "code": "NoIdea", "message": "words"}, "words"),
        (200, {**COLUMNS, "t": [1795433400]}, "another form"),
        (200, {"s": "ok", "t": "soon"}, "another form"),
        (200, [], "refuses the request"),
        (404, {"backOff": 10**400}, "HTTP 404"),
        (500, {"message": "Server Error"}, "Server Error"),
        (
            429,
            {"status": "failed", "code": "TooManyRequests", "message": "slowly", "backOff": 0.1, "limit": 60},
            "no more",
        ),
    ],
)
async def test_undocumented_answers_store_nothing(
    context: MakeContext, exchanges: RateStandIn, status: int, body: object, words: str
) -> None:
    exchanges.answer = lambda *_: Answer(status, body)  # type: ignore[method-assign]  # nothing else
    made = context(wallex_base_url="")
    with pytest.raises(EtlError, match=words):
        await run(made)
    assert made.repository.has_table() is False


async def test_impossible_rate_is_rejected(context: MakeContext, exchanges: RateStandIn) -> None:
    """Of numbers and texts alike; the other hours of the answer are stored."""
    opens = [int((PRESENT.astimezone(timezone.utc) - HOUR * back).timestamp()) for back in (2, 1, 0)]
    body = {"s": "ok", "t": [str(at) for at in opens], "o": ["110000", None, 110000], "v": [1, 1, "2.5"]}
    body |= {"h": ["110001", 110001, 110001], "l": [109000, "109000", 109000], "c": ["109500.5", 1, 109500]}
    exchanges.answer = lambda *_: Answer(200, body)  # type: ignore[method-assign]  # nothing else
    report = await run(context(wallex_base_url=""))
    assert (report.inserted, report.rejected) == (2, 1)


async def test_verify_names_a_factor_of_ten(context: MakeContext, sql: Sql) -> None:
    """Within a source and between the two, whose agreement is stated."""
    made, days = context(), 365 if LARGE else 60
    await backfill(made, 24 * days)
    unit, agreement = JOB.verify(made)
    assert (unit.state, agreement.state) == ("ok", "ok")
    assert all(words in agreement.detail for words in (f"{24 * days:,} h", "0.30 %"))
    wrong = [hour_key(NOW - timedelta(days=30) + HOUR * number) for number in range(3)]
    sql(
        f"ALTER TABLE crypto.toman_rates UPDATE usdt_toman = usdt_toman * 10 "
        f"WHERE symbol = 'USDT@wallex' AND datetime IN {tuple(wrong)!r} SETTINGS mutations_sync = 2"
    )
    unit, agreement = JOB.verify(made)
    assert (unit.state, agreement.state) == ("fail", "warn")
    for words in ("USDT@wallex is ten times its other rates", "USDT@wallex is ten times USDT@nobitex", wrong[0][:16]):
        assert words in unit.detail
    assert "cron_backfill usdt_toman_hourly_rates 720" in unit.next_step
