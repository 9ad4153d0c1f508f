"""What a short, misdirected or odd answer costs: nothing but what it lacks, and no hour is taken for a hole by it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
import respx
from structlog.testing import capture_logs

from adapters._bases.tehran_time import HOUR, hour_key, hour_start, hours_before, hours_between, time_bound
from adapters.files.choices import pair_choices
from crons.jobs import binance_hourly_prices
from sandbox.market import iso
from sandbox.server import Answer
from tests.crons.jobs.conftest import NOW, Rows
from tests.support.binance import holes, stored
from tests.support.faulty_source import Fault, FaultySource
from tests.support.http_sources import BINANCE
from tests.support.job_runs import MakeContext, backfill, contexts, heal, run
from tests.support.price_table import Sql
from tests.support.scale import LARGE
from tests.support.stepped_clock import SteppedClock

pytestmark = pytest.mark.usefixtures("quick_retries")

STEP = 1_800_000
FIRST = 1_502_942_400_000
"""The first candle of all pairs, of 2017-08-17 04:00 UTC."""
Row = list[Any]
Alter = Callable[[int, dict[str, int], list[Row]], list[Row] | httpx.Response]


def at(text: str) -> int:
    """Milliseconds of a UTC time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp() * 1000)


def row(opens: int, price: float = 100.0, closes: int | None = None) -> Row:
    closed = opens + STEP - 1 if closes is None else closes
    return [opens, f"{price}", *("150", "50", "101", "2"), closed, "9", 3, *("1", "4", "0")]


@dataclass
class Exchange:
    """Binance on the wire, each pair with its own prices: its answers can be altered before they are sent."""

    now: datetime
    alter: dict[str, Alter] = field(default_factory=dict)  # by pair, given the number of the call for it
    odd: dict[int, list[Row]] = field(default_factory=dict)  # opening of a regular candle to what there is in its place
    first: dict[str, int] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, int]]] = field(default_factory=list)
    info: dict[str, httpx.Response] = field(default_factory=dict)

    def candles(self, pair: str, asked: dict[str, int]) -> list[Row]:
        opens = -(-max(asked["startTime"], self.first.get(pair, FIRST)) // STEP) * STEP
        end = min(asked.get("endTime", 2**60), int(self.now.timestamp() * 1000))
        found: list[Row] = []
        while opens <= end and len(found) < asked["limit"]:
            found += self.odd.get(opens, [row(opens, 100.0 + len(pair))])
            opens += STEP
        return [one for one in found if asked["startTime"] <= one[0] <= end]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        params = dict(request.url.params)
        pair = params.pop("symbol")
        if request.url.path.endswith("exchangeInfo"):
            usual = {"symbols": [{"symbol": pair, "status": "TRADING", "quoteAsset": "USDT"}]}
            return self.info.get(pair, httpx.Response(200, json=usual))
        asked = {name: int(value) for name, value in params.items() if name != "interval"}
        number = sum(before == pair for before, _ in self.calls)
        self.calls.append((pair, asked))
        answer: list[Row] | httpx.Response = self.candles(pair, asked)
        if pair in self.alter and isinstance(answer, list):
            answer = self.alter[pair](number, asked, answer)
        return httpx.Response(200, text=json.dumps(answer)) if isinstance(answer, list) else answer


@pytest.fixture
def exchange(clock: SteppedClock) -> Iterator[Exchange]:
    """In place of the stand-in: answers of every kind, also such as Binance gave in 2018."""
    with respx.mock(base_url=BINANCE, assert_all_called=False) as router:
        made = Exchange(clock())
        router.route().mock(side_effect=made)
        yield made


@pytest.fixture
def context(clock: SteppedClock, database_settings: dict[str, object]) -> Iterator[MakeContext]:
    usual = {**database_settings, "symbols": "BTC", "binance_base_url": BINANCE}
    with contexts("binance_hourly_prices", binance_hourly_prices.JOB, clock, **usual) as make:
        yield make


def once(number: int, alter: Callable[[dict[str, int], list[Row]], list[Row]]) -> Alter:
    return lambda at, asked, rows: alter(asked, rows) if at == number else rows


def months_earlier(asked: dict[str, int], _rows: list[Row]) -> list[Row]:
    return [row(asked["startTime"] - 1440 * STEP + number * STEP) for number in range(998)]


def newest(asked: dict[str, int], _rows: list[Row]) -> list[Row]:
    return [row(int(NOW.timestamp() * 1000) // STEP * STEP - STEP * number) for number in range(asked["limit"])][::-1]


# --- an hour is a hole only when that is certain ---


@pytest.mark.parametrize(
    "alter",
    [
        lambda _number, _asked, rows: rows[:500],
        once(3, lambda _asked, _rows: []),
        once(3, lambda _asked, rows: rows[400:]),
        once(3, lambda _asked, rows: rows[::10]),
        once(3, months_earlier),
        once(3, newest),
        once(1, newest),
    ],
    ids=["500 rows at most", "empty", "the end only", "a hundred rows", "a month early", "the newest", "its beginning"],
)
async def test_short_answer_is_asked_again_in_halves(
    context: MakeContext, exchange: Exchange, sql: Sql, alter: Alter
) -> None:
    exchange.alter["BTCUSDT"] = alter
    report = await backfill(context(), first="2021-01-01", end="2021-02-12")
    days = hours_between(time_bound("2021-01-01"), time_bound("2021-02-12"))
    assert list(stored(sql, "BTC")) == list(map(hour_key, days))
    assert (report.failures, report.missing, holes(sql)) == ([], [], set())


async def test_what_remains_short_is_missing_and_fails_the_run(
    context: MakeContext, exchange: Exchange, sql: Sql
) -> None:
    exchange.alter["BTCUSDT"] = lambda _number, _asked, rows: rows[:100]
    report = await backfill(context(), 1000)
    received = len(stored(sql, "BTC"))
    assert (received < 1000, holes(sql)) == (True, set())
    [failure] = report.failures
    assert failure.startswith(f"BTC: requested 1,000 hours, received {received}; ")
    exchange.alter.clear()
    healed = await heal(context(), 1000)
    assert (healed.inserted, healed.failures) == (1000 - received, [])


async def test_answer_to_another_pairs_call_is_none(context: MakeContext, exchange: Exchange, sql: Sql) -> None:
    exchange.alter["ETHEUR"] = once(1, lambda asked, _rows: exchange.candles("BTCUSDT", asked))
    report = await backfill(context(symbols="BTC,ETH", binance_pairs="ETH:ETHEUR"), 48)
    assert (report.inserted, report.failures) == (96, [])
    assert {row[0] for row in stored(sql, "ETH").values()} == {100.0 + len("ETHEUR")}


async def test_outage_at_the_edge_of_a_call_is_shown_by_a_longer_answer(
    context: MakeContext, exchange: Exchange, sql: Sql
) -> None:
    hours = hours_before(NOW, 1200)
    lost = hours[480:530]
    exchange.odd = {int(hour.timestamp() * 1000) + half * STEP: [] for hour in lost for half in (0, 1)}
    report = await backfill(context(), 1200)
    assert (report.inserted, report.failures) == (1150, [])
    assert holes(sql) == {("BTC", hour_key(hour)) for hour in lost}


async def test_hole_takes_two_findings_a_day_apart(
    context: MakeContext, exchange: Exchange, clock: SteppedClock
) -> None:
    gone, filled = hours_before(NOW, 48)[:2]
    exchange.odd = {int(hour.timestamp() * 1000) + half * STEP: [] for hour in (gone, filled) for half in (0, 1)}
    await backfill(context(), 60)
    asked = []
    for step in (timedelta(hours=23), HOUR, HOUR):
        clock.advance(step)
        if step == HOUR:
            exchange.odd = {opens: [] for opens in list(exchange.odd)[:2]}
        report = await heal(context(), first=gone, end=gone + 5 * HOUR)
        asked.append((report.hours_asked, report.inserted, report.failures))
        table = context().repository
        certain = table.holes_by_symbol(["BTC"], first="", last="9")
        assert certain == ({"BTC": {hour_key(gone)}} if len(asked) > 1 else {})
    assert asked == [(0, 0, []), (2, 1, []), (0, 0, [])]


async def test_history_of_a_pair_begins_where_its_first_candle_opens(
    context: MakeContext, exchange: Exchange, sql: Sql
) -> None:
    """A first candle that is wrong is looked up again, and one that is right explains what is not there."""
    exchange.first["SOLUSDT"] = at("2020-08-11 06:00")
    with capture_logs() as lines:
        report = await backfill(context(symbols="SOL"), first="2018-01-01", end="2018-02-01")
    assert (report.failures, report.missing, report.hours_asked) == ([], [], 0)
    [history] = [line for line in lines if line["event"] == "history of pairs"]
    assert (history["what"], holes(sql)) == ("SOLUSDT begins 2020-08-11", set())
    exchange.alter["SOLUSDT"] = once(0, lambda *_: [row(FIRST)])
    pair_choices(context().settings.data_path).path.unlink()
    exchange.calls.clear()
    report = await backfill(context(symbols="SOL"), first="2020-08-10", end="2020-08-20")
    assert (report.inserted, report.failures) == (206, [])
    assert len(holes(sql)) == 34


# --- one odd record costs only itself ---


def irregular() -> dict[int, list[Row]]:
    """The seven irregularities of Binance's history."""
    odd = {at(time): [row(at(time), closes=at(time) + length)] for time, length in IRREGULAR_CLOSES.items()}
    outage = range(at("2018-02-08 00:30"), at("2018-02-11 03:30"), STEP)
    odd |= {opens: [] for opens in outage}
    off_grid = [at("2018-02-09 09:28:14.789") + number * STEP for number in range(84)]
    for opens in off_grid:
        odd[opens // STEP * STEP] = [row(opens)]
    return odd


IRREGULAR_CLOSES = {
    "2017-09-06 16:00": 719_388,
    "2017-12-18 10:00": STEP,
    "2018-01-04 03:00": -1,
    "2018-02-08 00:00": 1_694_788,
    "2019-06-07 22:30": 1_799_000,
    "2020-12-21 15:30": -3_600_000,
    "2021-08-13 01:30": 1_799_000,
}


async def test_backfill_since_2017_stores_every_hour_with_an_open_on_the_grid(
    context: MakeContext, exchange: Exchange, sql: Sql
) -> None:
    exchange.odd = irregular()
    exchange.odd[at("2019-06-07 23:00")] = [row(at("2019-06-07 23:00"))] * 2
    exchange.odd[at("2019-06-08 23:00")] = [[*row(at("2019-06-08 23:00")), "0"]]
    exchange.odd[at("2019-06-09 23:00")] = [
        [at("2019-06-09 23:00"), 107.0, 150, 50, 101, 2, None, 9, 3, None, None, None]
    ]
    # To the present hour, or until after the last irregularity.
    start, end = time_bound("2017-08-17 08:00"), hour_start(NOW) if LARGE else time_bound("2021-10-01")
    report = await backfill(context(), first=start, end=end)
    grid = [
        opens
        for opens in range(FIRST, int(end.timestamp() * 1000), STEP)
        if all(one[0] == opens for one in exchange.odd.get(opens, [])) and exchange.odd.get(opens) != []
    ]
    expected = {hour_key(datetime.fromtimestamp(opens / 1000, timezone.utc)) for opens in grid}
    rows = stored(sql, "BTC")
    assert rows.keys() == expected
    assert report.failures == []
    lost = {hour_key(hour) for hour in hours_between(start, end)} - rows.keys()
    assert holes(sql) == {("BTC", hour) for hour in lost}
    [named] = report.flaws
    assert named.startswith("BTC (BTCUSDT) 2018-02-09 12:00:00 to 2018-02-11 06:00:00, ")
    assert len(rows) > 36_000


async def test_cut_candle_does_not_fail_the_run_and_the_heal(
    context: MakeContext, exchange: Exchange, sql: Sql
) -> None:
    cut = int(NOW.timestamp() * 1000) // STEP * STEP - 2 * STEP
    exchange.odd = {cut: [row(cut, 107.0, cut + 1_694_788)]}
    for report in (await run(context(symbols="BTC,ETH")), await heal(context(symbols="BTC,ETH"), 48)):
        assert (report.failures, report.rejected, report.missing) == ([], 0, [])
    assert len(stored(sql, "BTC")) == len(stored(sql, "ETH")) == 49


@pytest.mark.parametrize(
    "failing", [httpx.Response(500), httpx.Response(200, json=[["x"] * 12]), httpx.Response(200, json={"code": 0})]
)
async def test_window_that_fails_costs_only_itself(
    context: MakeContext, exchange: Exchange, sql: Sql, failing: httpx.Response
) -> None:
    first = hours_before(NOW, 30 * 24)[0].timestamp() * 1000
    exchange.alter["BTCUSDT"] = lambda _number, asked, rows: (
        failing if first - 3 * STEP < asked["startTime"] < first + STEP else rows
    )
    report = await backfill(context(symbols="BTC,ETH,XRP"), 30 * 24)
    lost = hours_before(NOW, 30 * 24)[:498]
    [failure] = report.failures
    assert failure.startswith(f"BTC: {hour_key(lost[0])[:16]} to {hour_key(lost[-1])[:16]}: ")
    assert [len(stored(sql, symbol)) for symbol in ("BTC", "ETH", "XRP")] == [720 - 498, 720, 720]
    assert holes(sql) == set()


@pytest.mark.parametrize("failing", [httpx.Response(500), httpx.Response(200, json={"symbols": []})])
async def test_look_up_that_fails_costs_only_its_pair(
    context: MakeContext, exchange: Exchange, sql: Sql, failing: httpx.Response
) -> None:
    await run(context())
    exchange.info["ETHUSDT"] = failing
    for report in (await run(context(symbols="ETH,BTC")), await backfill(context(symbols="ETH,BTC"), 24)):
        [failure] = report.failures
        assert failure.startswith("ETH: ")
        assert failure.endswith(" (ETHUSDT)")
    assert len(stored(sql, "BTC")) == 25


# --- CoinMarketCap ---


def altered(name: str, of_ether: Callable[[list[Any]], list[Any]]) -> Fault:
    def alter(answer: Answer, _now: datetime) -> Answer:
        data = answer.document["data"]
        if "1027" in data:
            data["1027"]["quotes"] = of_ether(data["1027"]["quotes"])
        return answer

    return Fault(name, alter)


def null(quotes: list[Any], *places: int) -> list[Any]:
    for place in places:
        quotes[place]["quote"]["USD"]["price"] = None
    return quotes


PAST = "/quotes/historical"
SHORT = [
    altered("empty", lambda _quotes: []),
    altered("100 points", lambda quotes: quotes[:100]),
    altered("the last 100 points", lambda quotes: quotes[-100:]),
    altered("100 points in between", lambda quotes: [quotes[len(quotes) * at // 100] for at in range(100)]),
]


@pytest.mark.parametrize(
    ("fault", "times"),
    [*((fault, 1) for fault in SHORT), *((fault, 99) for fault in SHORT[:3])],
    ids=lambda one: str(getattr(one, "name", one)),
)
async def test_short_history_of_one_coin_is_asked_again(
    cmc_context: MakeContext, source: FaultySource, rows: Rows, *, fault: Fault, times: int, sql: Sql
) -> None:
    source.faults.push(fault, path=PAST, times=times)
    report = await backfill(cmc_context(), 168)
    counts = {symbol: sum(one == symbol for one, _ in rows()) for symbol in ("BTC", "ETH", "SOL")}
    assert (counts["BTC"], counts["SOL"]) == (168, 168)
    assert sql("SELECT count() FROM crypto.crypto_price_holes") == [(0,)]
    if times == 1:
        assert (counts["ETH"], report.failures, report.missing) == (168, [], [])
        return
    [failure] = report.failures
    assert failure.startswith(f"ETH: requested 168 hours, received {counts['ETH']}; ")
    source.faults.clear()
    assert (await heal(cmc_context(), 168)).inserted == 168 - counts["ETH"]


async def test_history_of_a_coin_may_begin_in_the_hours(
    cmc_context: MakeContext, source: FaultySource, sql: Sql
) -> None:
    source.first_quotes[1027] = iso(hours_before(NOW, 50)[0].timestamp())
    source.faults.push(altered("later", lambda quotes: quotes[-101:]), path=PAST)
    report = await backfill(cmc_context(), 168)
    assert (report.inserted, report.failures) == (168 * 2 + 50, [])
    assert sql("SELECT count() FROM crypto.crypto_price_holes WHERE cmc_id = 1027") == [(118,)]


async def test_second_asking_stays_within_the_credits(cmc_context: MakeContext, source: FaultySource) -> None:
    source.faults.push(altered("empty", lambda _quotes: []), path=PAST)
    report = await backfill(cmc_context(), 168, max_credits=11)
    [failure] = report.failures
    assert (failure.startswith("ETH: requested 168 hours, received 0; "), report.credits) == (True, 11)


async def test_null_price_is_a_hole(
    cmc_context: MakeContext, source: FaultySource, clock: SteppedClock, rows: Rows
) -> None:
    """The hour's second point has no price either; a heal ends well, names it, and spends no credit every day."""
    await backfill(cmc_context(), first=hours_before(NOW, 24)[0], end=hours_before(NOW, 12)[0])
    for step, spent in ((timedelta(), 1), (HOUR, 0), (timedelta(hours=23), 1), (timedelta(days=1), 0)):
        clock.advance(step)
        source.faults.clear()
        source.faults.push(altered("null", lambda quotes: null(quotes, 1, 2)), path=PAST)
        hour = hours_before(NOW, 12)[0]
        report = await heal(cmc_context(symbols="ETH"), first=hour, end=hour + HOUR)
        assert (report.failures, report.rejected, report.credits) == ([], 0, spent)
        assert report.missing == [f"ETH: 1 h: {hour_key(hour)[:16]}"] * spent
    assert ("ETH", hour_key(hour)) not in rows()


@pytest.mark.parametrize("text", [None, "Your request is not valid"])
async def test_symbol_that_the_map_refuses_costs_only_itself(
    cmc_context: MakeContext, source: FaultySource, rows: Rows, text: str | None
) -> None:
    respond = source.answer

    def answer(target: str, headers: Mapping[str, str]) -> Answer:
        found = respond(target, headers)
        if found.status == 400 and text:
            found.document["status"]["error_message"] = text
        return found

    source.answer = answer  # type: ignore[method-assign]  # words of another kind
    for report in (
        await run(cmc_context(symbols="BTC,NVDA-D,ETH")),
        await backfill(cmc_context(symbols="BTC,NVDA-D,ETH"), 2),
    ):
        [failure] = report.failures
        assert "NVDA-D" in failure
    assert len(rows()) == 6
