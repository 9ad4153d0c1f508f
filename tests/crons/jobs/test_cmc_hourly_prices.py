"""The main job, whole: a CoinMarketCap over HTTP on one side, ClickHouse over HTTP on the other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.errors import ConfigurationError, SourceRejected
from adapters._bases.tehran_time import HOUR, hour_key, hour_start, hours_before, time_bound
from crons.job import BackfillRequest, RunContext
from crons.jobs.cmc_hourly_prices import JOB
from crons.resources import Resources
from sandbox.market import ANOTHER_BTC_ID
from tests.support import faults
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.faulty_source import FaultySource
from tests.support.job_runs import backfill, fill, heal, run
from tests.support.settings import make_settings
from tests.support.stepped_clock import SteppedClock

pytestmark = pytest.mark.usefixtures("quick_retries")

NOW = datetime(2026, 11, 23, 12, 7, 9, tzinfo=timezone.utc)
"""2026-11-23 15:37:09 in Tehran."""
IDS = {"BTC": 1, "ETH": 1027, "SOL": 5426}
HOLES = [hours_before(NOW, 5)[0], hours_before(NOW, 3)[0]]

Rows = Callable[[], dict[tuple[str, str], float]]
MakeContext = Callable[..., RunContext]


@pytest.fixture
def clock() -> SteppedClock:
    """Stands at `NOW`."""
    return SteppedClock(NOW)


@pytest.fixture
def source(clock: SteppedClock) -> Iterator[FaultySource]:
    """CoinMarketCap, which has no quote of Bitcoin for two of the hours."""
    with FaultySource(
        clock=clock, is_hole=lambda cmc_id, instant: cmc_id == 1 and hour_start(instant) in HOLES
    ) as stand_in:
        yield stand_in


@pytest.fixture
def make_context(
    source: FaultySource, front: ClickHouseFront, database: str, clock: SteppedClock, tmp_path: Path
) -> Iterator[MakeContext]:
    """Makes the context of a run; settings other than the usual ones by keyword."""
    opened: list[Resources] = []

    def make(**changes: object) -> RunContext:
        usual: dict[str, object] = {
            "clickhouse_host": "127.0.0.1",
            "clickhouse_port": front.port,
            "clickhouse_user": front.user,
            "clickhouse_password": front.password,
            "clickhouse_db": database,
            "cmc_api_key": source.key,
            "cmc_base_url": source.base_url,
            "symbols": "BTC,ETH,SOL",
            "data_path": tmp_path,
        }
        settings = make_settings(**{**usual, **changes})
        opened.append(Resources(settings, task="test", clock=clock))
        return JOB.context("cmc_hourly_prices", opened[-1], run_id="r1", step=lambda _step: None)

    yield make
    for parts in opened:
        parts.close()


@pytest.fixture
def rows(embedded: ClickHouseAdapter, database: str) -> Rows:
    """Reads what the table holds, as (symbol, hour key) to price; fails on a key that stands there twice."""

    def read() -> dict[tuple[str, str], float]:
        if embedded.query(f"EXISTS TABLE {database}.crypto_prices") == [(0,)]:
            return {}
        found = embedded.query(f"SELECT symbol, datetime, cmc_id, price FROM {database}.crypto_prices")
        assert all(IDS[str(symbol)] == cmc_id for symbol, _, cmc_id, _ in found)
        keys = [(str(symbol), str(hour)) for symbol, hour, _, _ in found]
        assert len(set(keys)) == len(keys)
        return dict(zip(keys, (float(str(row[3])) for row in found), strict=True))

    return read


def served(source: FaultySource, instant: datetime) -> dict[tuple[str, str], float | None]:
    """What the source serves for each symbol at an instant, by key."""
    return {(symbol, hour_key(instant)): source.market.price(cmc_id, instant) for symbol, cmc_id in IDS.items()}


async def test_one_run_stores_the_very_prices_served(
    make_context: MakeContext, source: FaultySource, rows: Rows
) -> None:
    """Three symbols, three rows of the present hour, one call for the map and one for the quotes."""
    report = await run(make_context())
    assert rows() == served(source, NOW)
    assert (report.inserted, report.updated, report.calls, report.credits) == (3, 0, 2, 1)
    assert report.failures == []


async def test_a_second_run_in_the_hour_updates(
    make_context: MakeContext, source: FaultySource, clock: SteppedClock, rows: Rows
) -> None:
    """Ten minutes later the same three rows hold the new prices, and ask the map no more."""
    await run(make_context())
    clock.advance(timedelta(minutes=10))
    report = await run(make_context())
    assert rows() == served(source, clock())
    assert (report.inserted, report.updated, report.unchanged, report.calls) == (0, 3, 0, 1)


async def test_the_same_prices_again_are_not_written(make_context: MakeContext, rows: Rows) -> None:
    """Within the source's own minute nothing has changed, so nothing is written."""
    await run(make_context())
    before = rows()
    report = await run(make_context())
    assert rows() == before
    assert (report.inserted, report.updated, report.unchanged) == (0, 0, 3)


async def test_the_next_hour_is_a_new_row(make_context: MakeContext, clock: SteppedClock, rows: Rows) -> None:
    """An hour later there are six rows."""
    await run(make_context())
    clock.advance(HOUR)
    report = await run(make_context())
    assert report.inserted == 3
    assert len(rows()) == 6


async def test_an_answer_of_the_next_hour_is_stored_in_it(
    make_context: MakeContext, source: FaultySource, clock: SteppedClock, rows: Rows
) -> None:
    """A run that waits for its answer beyond the full hour stores the price where it belongs."""
    context = make_context(symbols="BTC:1")
    clock.advance(HOUR)
    await run(context)
    assert rows() == {("BTC", hour_key(clock())): source.market.price(1, clock())}


async def test_another_coin_of_the_symbol_never_appears(make_context: MakeContext, tmp_path: Path, rows: Rows) -> None:
    """Of two coins called BTC the best-ranked is chosen once and kept; `rows` asserts the ids."""
    with capture_logs() as logs:
        await run(make_context())
    chosen = next(entry for entry in logs if entry["event"] == "coin chosen" and entry["symbol"] == "BTC")
    assert str(ANOTHER_BTC_ID) in chosen["others"][0]
    assert '"BTC": 1' in (tmp_path / "coin_choices.json").read_text()
    assert len(rows()) == 3


async def test_without_a_key_the_keyless_api_serves(
    make_context: MakeContext, source: FaultySource, rows: Rows
) -> None:
    """The hourly run works without a key, by the public paths, and says once that they are rate-limited."""
    with capture_logs() as logs:
        await run(make_context(cmc_api_key=None))
    assert rows() == served(source, NOW)
    assert {request.path.split("/")[1] for request in source.requests} == {"public-api"}
    assert sum("keyless" in entry["event"] for entry in logs) == 1


async def test_a_coin_left_out_is_named_and_the_others_are_stored(
    make_context: MakeContext, source: FaultySource, rows: Rows
) -> None:
    """Requested minus returned, by name; a null price is a reject with its reason."""
    source.faults.push(faults.left_out(1027), path="/quotes/latest")
    source.faults.push(faults.null_price(1), path="/quotes/latest")
    report = await run(make_context())
    second = await run(make_context())
    assert report.missing == ["ETH (id 1027)"]
    assert second.rejects == ["BTC (id 1) 2026-11-23 15:00:00: no price (null)"]
    assert len(rows()) == 3


async def test_a_symbol_that_nothing_bears_costs_the_others_nothing(make_context: MakeContext, rows: Rows) -> None:
    """A typing error in SYMBOLS fails the run by name, the others' hour is stored; a backfill waits for the mend."""
    report = await run(make_context(symbols="BTC,NOPE,ETH"))
    [failure] = report.failures
    assert failure == (
        "SYMBOLS: CoinMarketCap has no active coin with the symbol NOPE: correct SYMBOLS, or give the coin's id "
        "with it (such as BTC:1); ./run.sh coins lists them"
    )
    assert sorted(symbol for symbol, _ in rows()) == ["BTC", "ETH"]
    for work in (run(make_context(symbols="NOPE")), backfill(make_context(symbols="BTC,NOPE"), 1, dry_run=False)):
        with pytest.raises(ConfigurationError, match="symbol NOPE"):
            await work
    assert len(rows()) == 2


async def test_nothing_valid_is_a_failure(make_context: MakeContext, source: FaultySource, rows: Rows) -> None:
    """An answer without a single price stores nothing and fails the run."""
    source.faults.push(faults.empty_data(), path="/quotes/latest")
    report = await run(make_context())
    assert report.failures == ["CoinMarketCap gave no valid price"]
    assert rows() == {}


async def test_a_backfill_stores_the_served_price_of_each_hour(
    make_context: MakeContext, source: FaultySource, rows: Rows
) -> None:
    """48 hours, the holes excepted and listed, the present hour untouched, in one call for the quotes."""
    report = await backfill(make_context(), 48, dry_run=False)
    expected: dict[tuple[str, str], float | None] = {}
    for hour in hours_before(NOW, 48):
        expected.update(served(source, hour))
    for hole in HOLES:
        # The half hour after a hole may still have a quote; a hole of the whole hour has none.
        del expected["BTC", hour_key(hole)]
    assert rows() == expected
    assert report.inserted == 48 * 3 - 2
    assert report.missing == ["BTC: 2 h: 2026-11-23 10:00, 2026-11-23 12:00"]
    assert [request.path for request in source.requests].count("/v3/cryptocurrency/quotes/historical") == 1
    assert report.credits == source.credits_used


async def test_a_coin_refused_for_many_hours_is_one_line(
    make_context: MakeContext, source: FaultySource, rows: Rows
) -> None:
    """Two quotes an hour for a day, all refused for one reason: the log has them in one line, and none is stored."""
    source.faults.push(faults.renamed(1027, "XETH"), path="/quotes/historical")
    report = await backfill(make_context(symbols="ETH:1027"), 24, dry_run=False)
    assert report.rejected == 48
    (line,) = report.rejects
    assert line.startswith("ETH (id 1027) 2026-11-22 15:00:00 to 2026-11-23 14:00:00, 48 quotes: CoinMarketCap calls")
    assert rows() == {}


async def test_a_backfill_again_changes_nothing(make_context: MakeContext, rows: Rows) -> None:
    """The same hours again: every row is recognized as it is."""
    await backfill(make_context(), 6, dry_run=False)
    before = rows()
    report = await backfill(make_context(), 6, dry_run=False)
    assert (report.inserted, report.updated, report.unchanged) == (0, 0, 16)
    assert rows() == before


async def test_a_backfill_corrects_a_price_of_the_hour(
    make_context: MakeContext, clock: SteppedClock, source: FaultySource, rows: Rows
) -> None:
    """The price taken at 15:37 gives way to the hour's earliest quote once the hour is over."""
    await run(make_context())
    clock.advance(HOUR)
    report = await backfill(make_context(), 1, dry_run=False)
    assert report.updated == 3
    assert rows() == served(source, hours_before(clock(), 1)[0])


async def test_a_corrected_price_tells_its_own_time_and_keeps_its_rank(
    make_context: MakeContext, clock: SteppedClock, embedded: ClickHouseAdapter, database: str
) -> None:
    """`fetched_at` stays that of the first price, `source_updated_at` is that of this one; past quotes have no rank."""
    context = make_context(symbols="BTC:1")
    await run(context)
    clock.advance(HOUR)
    await backfill(make_context(symbols="BTC:1"), 1, dry_run=False)
    columns = "endpoint, fetched_at, source_updated_at, cmc_rank"
    assert embedded.query(f"SELECT {columns} FROM {database}.crypto_prices") == [
        ("historical", "2026-11-23 15:37:09", "2026-11-23 15:00:00", 1)
    ]


async def test_a_dry_run_spends_and_writes_nothing(make_context: MakeContext, source: FaultySource, rows: Rows) -> None:
    """It says calls, credits and what is left, and stops there."""
    with capture_logs() as logs:
        await backfill(make_context(), 168, dry_run=True)
    estimate = next(entry for entry in logs if entry["event"] == "estimate")
    assert (estimate["calls"], estimate["credits"], estimate["credits_left"]) == (1, 11, 15000)
    assert source.credits_used == 0
    assert rows() == {}


async def test_a_backfill_beyond_the_credits_spends_nothing(
    make_context: MakeContext, clock: SteppedClock, rows: Rows
) -> None:
    """Eleven credits are needed and ten are left: refused before the first chargeable call."""
    with (
        FaultySource(clock=clock, credits_monthly=10) as poor,
        pytest.raises(SourceRejected, match="11 credits, and 10"),
    ):
        await backfill(make_context(cmc_base_url=poor.base_url), 168, dry_run=False)
    assert poor.credits_used == 0
    assert rows() == {}


async def test_a_backfill_beyond_the_plans_reach_spends_nothing(
    make_context: MakeContext, source: FaultySource, rows: Rows
) -> None:
    """Two months back on a plan of one: CoinMarketCap's refusal is explained, and costs nothing."""
    with pytest.raises(SourceRejected, match="month"):
        await backfill(make_context(), 24 * 60, dry_run=False)
    assert source.credits_used == 0
    assert rows() == {}


@pytest.mark.parametrize("dry_run", [True, False], ids=["dry run", "real"])
@pytest.mark.parametrize(
    ("months", "hours", "in_reach"), [(1, 24 * 60, 742), (3, 24 * 100, 2206), (1, 743, 742)], ids=str
)
async def test_a_backfill_beyond_the_plans_reach_offers_what_is_in_it(
    make_context: MakeContext, clock: SteppedClock, *, months: int, hours: int, in_reach: int, dry_run: bool
) -> None:
    """Dry and real alike: how many hours are in reach, and the command that fetches them; nothing is spent."""
    with FaultySource(clock=clock, months_of_history=months) as source:
        here = {"cmc_base_url": source.base_url, "symbols": "BTC:1"}
        with pytest.raises(SourceRejected, match="beyond the plan's reach") as refused:
            await backfill(make_context(**here), hours, dry_run=dry_run)
        assert source.credits_used == 0
        assert f"; {in_reach} of the {hours} hours are in reach" in refused.value.message
        assert f"./run.sh cron_backfill cmc_hourly_prices {in_reach} " in refused.value.next_step
        clock.advance(timedelta(minutes=50))
        await backfill(make_context(**here), in_reach, dry_run=dry_run)
        if not dry_run:
            assert source.credits_used > 0


async def test_a_backfill_by_date_stores_those_hours_alone(
    make_context: MakeContext, clock: SteppedClock, rows: Rows
) -> None:
    """From the first hour up to the last, which is left out; again it changes nothing."""
    first, end = (hour_start(clock()) - timedelta(hours=hours) for hours in (50, 47))
    report = await fill(make_context(), BackfillRequest(0, first=first, end=end))
    expected = {hour_key(first.astimezone(timezone.utc) + timedelta(hours=hours)) for hours in range(3)}
    assert {hour for _, hour in rows()} == expected
    assert report.inserted == report.hours_asked == len(rows())
    assert (await fill(make_context(), BackfillRequest(0, first=first, end=end))).unchanged == report.inserted


async def test_a_backfill_spends_no_more_than_its_bound(
    make_context: MakeContext, source: FaultySource, rows: Rows
) -> None:
    """The earliest hours come first; what is left out is named with the command that fetches it."""
    report = await fill(make_context(), BackfillRequest(24 * 20, max_credits=2))
    assert source.credits_used == report.credits == 2
    [warning] = report.warnings
    assert "are left out by --max-credits; ./run.sh cron_heal cmc_hourly_prices 480 --max-credits " in warning
    [most] = map(int, re.findall(r"--max-credits (\d+) fetches", warning))
    before = len(rows())
    healed = await heal(make_context(), BackfillRequest(24 * 20, max_credits=most))
    assert healed.warnings == []
    assert len(rows()) == before + healed.inserted > before


async def test_a_range_beyond_the_plans_reach_offers_its_part_in_reach(
    make_context: MakeContext, source: FaultySource, clock: SteppedClock, rows: Rows
) -> None:
    """By dates, since the range may end before the present hour; the command works and nothing was spent before."""
    first, end = (hour_start(clock()) - timedelta(days=days) for days in (60, 20))
    with pytest.raises(SourceRejected, match="are in reach") as refused:
        await fill(make_context(), BackfillRequest(0, first=first, end=end))
    assert source.credits_used == 0
    found = re.search(r"cron_backfill cmc_hourly_prices --from '(.*)' --to '(.*)' fetches", refused.value.next_step)
    assert found is not None
    within = BackfillRequest(0, first=time_bound(found[1]), end=time_bound(found[2]))
    assert time_bound(found[2]) == end
    await fill(make_context(), within)
    assert rows()


async def test_a_dry_run_of_a_higher_plan_spends_nothing(make_context: MakeContext, clock: SteppedClock) -> None:
    """What is in reach is found out free of charge, however far back."""
    with FaultySource(clock=clock, months_of_history=12) as source:
        await backfill(make_context(cmc_base_url=source.base_url), 24 * 200, dry_run=True)
        assert source.credits_used == 0


async def test_a_backfill_without_a_key_says_so(make_context: MakeContext, rows: Rows) -> None:
    """The public API has no past prices, and the next step names the setting."""
    with pytest.raises(SourceRejected) as refused:
        await backfill(make_context(cmc_api_key=None), 2, dry_run=False)
    assert "CMC_API_KEY" in refused.value.next_step
    assert rows() == {}


async def test_an_id_in_the_settings_settles_the_coin(make_context: MakeContext, source: FaultySource) -> None:
    """BTC:1 asks no map."""
    report = await run(make_context(symbols="BTC:1"))
    assert [request.path for request in source.requests] == ["/v3/cryptocurrency/quotes/latest"]
    assert report.inserted == 1
