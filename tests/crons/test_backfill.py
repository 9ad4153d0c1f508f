"""What backfill and heal do for any source: a job whose source is a list of answers, the rows in ClickHouse."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapters._bases.errors import SourceUnavailable
from adapters._bases.tehran_time import HOUR, hour_key, hours_before, tehran_text
from crons.backfill import Past
from crons.job import JobContext, Request
from crons.jobs.cmc_hourly_prices import JOB
from tests.support.clickhouse_front import ClickHouseFront, Fault
from tests.support.job_runs import backfill, contexts, heal
from tests.support.price_rows import price_row
from tests.support.price_table import Sql
from tests.support.stepped_clock import SteppedClock
from transformers.coverage import Batch, Remark

pytestmark = pytest.mark.usefixtures("quick_retries")

NOW = datetime(2026, 11, 23, 12, 7, 9, tzinfo=timezone.utc)
HOURS = hours_before(NOW, 6)
"""Of 09:00 to 14:00 in Tehran."""
KEYS = [hour_key(hour) for hour in HOURS]


@dataclass
class ListedSource:
    """Answers an hour of a symbol at a time. Its hours are named by number."""

    symbols: Sequence[str] = ("BTC",)
    lacks: Collection[int] = ()  # hours without a quote
    unusable: Collection[int] = ()  # hours whose quote cannot be stored
    fails_at: int | None = None  # the hour whose call fails
    listed: dict[str, datetime] = field(default_factory=dict)  # symbol to the first hour at the source, aware
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def backfill(self, ctx: JobContext, past: Past) -> None:
        wanted = await past.wanted(dict.fromkeys(self.symbols, 1), self.listed)
        past.estimate(sum(map(len, wanted.values())))
        if ctx.request.dry_run:
            return
        for symbol, hours in wanted.items():
            for key, start in hours.items():
                number = KEYS.index(key)
                if number == self.fails_at:
                    raise SourceUnavailable("the source is down")
                self.asked.append((symbol, key))
                gives = number not in {*self.lacks, *self.unusable}
                rows = [price_row(symbol, 100.0 + number, fetched_at=tehran_text(start))] if gives else []
                rejects = [Remark(symbol, "no price (null)", key)] if number in self.unusable else []
                await past.take(Batch({symbol: {key: start}}, rows, rejects))


@pytest.fixture
def context(front: ClickHouseFront, database: str, tmp_path: Path) -> Iterator[Callable[[ListedSource], JobContext]]:
    usual = {**front.variables(database), "data_path": tmp_path, "cmc_api_key": "key"}
    with contexts("cmc_hourly_prices", JOB, SteppedClock(NOW), **usual) as make:
        yield lambda source: replace(make(), job=replace(JOB, backfill=source.backfill))


@pytest.fixture
def stored(sql: Sql) -> Callable[[], list[str]]:
    def read() -> list[str]:
        found = sql("SELECT datetime, price FROM crypto.crypto_prices ORDER BY symbol, datetime")
        assert [price for _, price in found] == [100.0 + KEYS.index(str(hour)) for hour, _ in found]
        return [str(hour) for hour, _ in found]

    return read


Context = Callable[[ListedSource], JobContext]


async def test_hole_is_remembered_once_its_hour_is_settled(context: Context) -> None:
    lacks_all = ListedSource(lacks=range(6))
    first = await heal(context(lacks_all), 6)
    assert (first.hours_asked, first.without_quote, first.failures) == (6, 6, [])
    assert first.missing == ["BTC: 6 h: 2026-11-23 09:00 to 2026-11-23 14:00"]
    again = ListedSource()
    with capture_logs() as lines:
        await heal(context(again), 6)
    assert [key for _, key in again.asked] == KEYS[4:]
    assert lines[-1]["event"] == "still missing"  # holes too
    every = ListedSource()
    await heal(context(every), 6, ask_all=True)
    assert [key for _, key in every.asked] == KEYS[:4]


async def test_unusable_quote_is_missing_but_not_a_hole(context: Context) -> None:
    report = await heal(context(ListedSource(unusable=[0], lacks=[1])), 6)
    assert (report.rejected, report.without_quote, report.inserted) == (1, 2, 4)
    again = ListedSource()
    await heal(context(again), 6)
    assert again.asked == [("BTC", KEYS[0])]


async def test_backfill_fails_if_it_stores_nothing_of_what_came(context: Context) -> None:
    """With a valid quote, new or stored already, the rejected ones are only named."""
    everything, part = ListedSource(unusable=range(6)), ListedSource(unusable=range(5))
    failures = [(await backfill(context(source), 6)).failures for source in (everything, part, part)]
    assert failures == [["CoinMarketCap gave no valid price"], [], []]


@pytest.mark.parametrize("kind", [backfill, heal])
async def test_hours_before_the_first_one_at_the_source_are_not_wanted(
    context: Context, stored: Callable[[], list[str]], kind: Callable[..., object]
) -> None:
    source = ListedSource(symbols=("BTC", "ETH"), listed={"BTC": HOURS[2], "ETH": HOURS[0] - HOUR})
    with capture_logs() as lines:
        report = await kind(context(source), 6)  # type: ignore[misc]  # both are coroutine functions
    assert stored() == KEYS[2:] + KEYS
    assert (report.hours_asked, report.missing) == (10, [])
    [estimate] = [line for line in lines if line["event"] == "estimate"]
    assert (estimate["symbol_hours"], estimate["symbols"]) == (10, 2)


async def test_what_came_before_an_error_is_stored(context: Context, stored: Callable[[], list[str]]) -> None:
    ctx = context(ListedSource(fails_at=4, lacks=[0]))
    with capture_logs() as lines, pytest.raises(SourceUnavailable):
        await heal(ctx, 6)
    assert (ctx.report.inserted, ctx.report.hours_asked, ctx.report.without_quote) == (3, 6, 1)
    assert ctx.report.missing == ["BTC: 1 h: 2026-11-23 09:00"]
    assert stored() == KEYS[1:4]
    still = lines[-1]
    assert (still["event"], still["symbol_hours"]) == ("still missing", 3)
    assert (still["not_asked"], still["without_a_valid_price"], still["refused_by_the_source"]) == (2, 1, 0)
    assert (await heal(context(ListedSource()), 6)).inserted == 2


async def test_error_of_the_source_is_raised_though_the_database_fails_too(
    context: Context, front: ClickHouseFront
) -> None:
    def step(text: str) -> None:
        if text == "looking for what is still missing":
            front.refuse()

    with pytest.raises(SourceUnavailable):
        await heal(replace(context(ListedSource(fails_at=4)), step=step), 6)


async def test_missing_hours_are_listed_by_symbol(context: Context) -> None:
    source = ListedSource(symbols=("BTC", "ETH", "SOL"), lacks=[1], listed={"SOL": HOURS[1]})
    with capture_logs() as lines:
        await heal(context(source), 6)
    found = {
        event: [(line["symbols"], line["hours_each"], line["ranges"]) for line in lines if line["event"] == event]
        for event in ("missing hours", "hours still missing")
    }
    last = KEYS[-1][:16]
    assert found["missing hours"] == [
        ("BTC, ETH", 6, f"{KEYS[0][:16]} to {last}"),
        ("SOL", 5, f"{KEYS[1][:16]} to {last}"),
    ]
    assert found["hours still missing"] == [("BTC, ETH, SOL", 1, KEYS[1][:16])]


async def test_holes_that_cannot_be_remembered_are_a_warning(context: Context, front: ClickHouseFront) -> None:
    front.faults.extend(Fault("reset", "INSERT INTO", spared=1) for _ in range(9))
    report = await backfill(context(ListedSource(lacks=[0])), 6)
    front.faults.clear()
    [warning] = report.warnings
    assert warning.startswith("not remembered: 1 hour without a quote: ")
    assert (report.inserted, report.failures) == (5, [])


async def test_many_rows_are_stored_in_parts(context: Context, front: ClickHouseFront) -> None:
    async def answers(_ctx: JobContext, past: Past) -> None:
        wanted = await past.wanted({"BTC": 1})
        past.estimate(2)
        for number, (key, start) in enumerate(wanted["BTC"].items()):
            assert len(front.asked("INSERT")) == number
            symbols = [f"C{coin}" for coin in range(10_000)]
            rows = [price_row(symbol, fetched_at=tehran_text(start)) for symbol in symbols]
            await past.take(Batch({symbol: {key: start} for symbol in symbols}, rows))

    ctx = context(ListedSource())
    report = await backfill(replace(ctx, job=replace(JOB, backfill=answers)), 2)
    assert report.inserted == 20_000


def test_request_names_its_hours() -> None:
    assert Request("x", hours=6).starts(NOW) == HOURS
    assert Request("x", first=KEYS[2], end=KEYS[4]).starts(NOW) == HOURS[2:4]
    for end in (None, tehran_text(NOW), "2026-11-25"):
        assert Request("x", first=KEYS[2], end=end).starts(NOW) == HOURS[2:]
    assert Request("x", first=tehran_text(NOW)).starts(NOW) == []
