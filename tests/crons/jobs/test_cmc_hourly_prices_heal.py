"""Healing the main job, whole: a CoinMarketCap over HTTP on one side, ClickHouse over HTTP on the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.errors import SourceRejected
from adapters._bases.tehran_time import hour_key, hour_start, hours_before
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from crons.job import BackfillRequest, RunContext, RunReport
from crons.jobs.cmc_hourly_prices import JOB
from crons.resources import Resources
from tests.support import faults
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.faulty_source import FaultySource
from tests.support.job_runs import backfill, heal, run
from tests.support.settings import make_settings
from tests.support.stepped_clock import SteppedClock

pytestmark = pytest.mark.usefixtures("quick_retries")

NOW = datetime(2026, 11, 23, 12, 7, 9, tzinfo=timezone.utc)
IDS = {"BTC": 1, "ETH": 1027, "SOL": 5426}
HOURS = hours_before(NOW, 24)
LAST_DAY = BackfillRequest(24)

Stored = Callable[[], dict[tuple[str, str], float]]
MakeContext = Callable[..., RunContext]
Holes = set[tuple[int, datetime]]


@pytest.fixture
def clock() -> SteppedClock:
    """Stands at `NOW`."""
    return SteppedClock(NOW)


@pytest.fixture
def holes() -> Holes:
    """Coins and hours that the source has no quote for; a test adds and takes away."""
    return set()


@pytest.fixture
def source(clock: SteppedClock, holes: Holes) -> Iterator[FaultySource]:
    """CoinMarketCap, as far as the program can tell."""
    with FaultySource(clock=clock, is_hole=lambda cmc_id, instant: (cmc_id, hour_start(instant)) in holes) as stand_in:
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
def stored(embedded: ClickHouseAdapter, database: str) -> Stored:
    """Reads what the table holds, key to price; a key that stands there twice fails."""

    def read() -> dict[tuple[str, str], float]:
        found = embedded.query(f"SELECT symbol, datetime, price FROM {database}.crypto_prices")
        rows = {(str(symbol), str(hour)): float(str(price)) for symbol, hour, price in found}
        assert len(rows) == len(found)
        return rows

    return read


def asked(source: FaultySource) -> list[dict[str, str]]:
    """The parameters of the calls for past quotes."""
    return [one.parameters for one in source.requests if one.path.endswith("/quotes/historical")]


def take_away(embedded: ClickHouseAdapter, database: str, *keys: tuple[str, datetime]) -> None:
    """Make hours missing, as an outage would have."""
    for symbol, hour in keys:
        embedded.command(
            f"DELETE FROM {database}.crypto_prices WHERE symbol = '{symbol}' AND datetime = '{hour_key(hour)}'"
        )


async def healed(make_context: MakeContext, fill: BackfillRequest = LAST_DAY) -> RunReport:
    """Heal the last day."""
    return await heal(make_context(), fill)


async def test_missing_hours_are_filled_and_nothing_else_is_touched(
    make_context: MakeContext, source: FaultySource, embedded: ClickHouseAdapter, database: str, stored: Stored
) -> None:
    """Two missing hours come back at the very prices served; every other row stays as it was."""
    await backfill(make_context(), 24, dry_run=False)
    embedded.command(f"ALTER TABLE {database}.crypto_prices UPDATE price = 7 WHERE 1 SETTINGS mutations_sync = 2")
    gone = {("BTC", HOURS[3]), ("ETH", HOURS[4])}
    take_away(embedded, database, *gone)
    before = stored()
    report = await healed(make_context)
    prices = {(symbol, hour_key(hour)): source.market.price(IDS[symbol], hour) for symbol, hour in gone}
    assert stored() == {**before, **prices}
    assert (report.inserted, report.updated, report.hours_asked, report.without_quote) == (2, 0, 2, 0)
    assert report.credits == 1
    assert asked(source)[-1]["id"] == "1,1027"


async def test_nothing_missing_asks_for_nothing(make_context: MakeContext, source: FaultySource) -> None:
    """A whole table costs no credit."""
    await backfill(make_context(), 24, dry_run=False)
    source.requests.clear()
    report = await healed(make_context)
    assert (report.credits, asked(source)) == (0, [])


async def test_a_hole_of_the_source_is_asked_for_once(make_context: MakeContext, holes: Holes, stored: Stored) -> None:
    """What the source had no quote for is remembered, left out next time, and asked for again with --all."""
    holes.add((1, HOURS[5]))
    first = await healed(make_context)
    assert (first.without_quote, first.inserted) == (1, 71)
    assert first.missing == [f"BTC: 1 h: {hour_key(HOURS[5])[:16]}"]
    again = await healed(make_context)
    assert (again.hours_asked, again.credits) == (0, 0)
    holes.clear()
    at_last = await healed(make_context, BackfillRequest(24, ask_all=True))
    assert (at_last.hours_asked, at_last.inserted) == (1, 1)
    assert ("BTC", hour_key(HOURS[5])) in stored()


async def test_a_backfill_remembers_holes_too(make_context: MakeContext, source: FaultySource, holes: Holes) -> None:
    """What a backfill found missing at the source, a heal does not ask for again."""
    holes.add((1027, HOURS[2]))
    report = await backfill(make_context(), 24, dry_run=False)
    assert (report.hours_asked, report.without_quote) == (72, 1)
    source.requests.clear()
    await healed(make_context)
    assert asked(source) == []


async def test_a_refused_price_is_no_hole(make_context: MakeContext, source: FaultySource) -> None:
    """An hour whose price the program refused stays missing and is asked for again."""
    source.faults.push(faults.odd_price(1, -1.0), path="/quotes/historical")
    first = await healed(make_context)
    assert first.rejected == first.without_quote * 2 == 48
    again = await healed(make_context)
    assert (again.hours_asked, again.inserted) == (24, 24)


async def test_the_last_hours_are_not_given_up(make_context: MakeContext, holes: Holes) -> None:
    """An hour younger than three hours may still get its quote, so its hole is not remembered."""
    holes.update({(1, HOURS[-1]), (1, HOURS[-2]), (1, HOURS[-4])})
    await healed(make_context)
    assert (await healed(make_context)).hours_asked == 2


async def test_a_hole_of_another_coin_says_nothing(
    make_context: MakeContext,
    embedded: ClickHouseAdapter,
    database: str,
    make_repository: Callable[..., CoinMarketCapClickHouseAdapter],
    holes: Holes,
) -> None:
    """When a symbol has come to mean another coin, what the former one lacked is asked for."""
    holes.add((1, HOURS[5]))
    await healed(make_context)
    embedded.command(
        f"ALTER TABLE {database}.crypto_price_holes UPDATE cmc_id = 99 WHERE 1 SETTINGS mutations_sync = 2"
    )
    assert (await healed(make_context)).hours_asked == 1
    assert [hole.meaning for hole in make_repository(embedded).holes(["BTC"], first="", last="9999")] == [1]


async def test_a_cap_on_credits_leaves_the_rest_for_the_next(make_context: MakeContext, stored: Stored) -> None:
    """A heal spends no more than told, says what is left, and the next one goes on from there."""
    first = await healed(make_context, BackfillRequest(24, max_credits=1))
    assert first.credits == 1
    assert "left for the next" in first.warnings[0]
    assert len(stored()) == 48
    second = await healed(make_context)
    assert (second.warnings, second.inserted) == ([], 24)


@pytest.mark.parametrize(
    ("left_of_the_key", "most", "bound"),
    [(1, 100, "the key has 1 left"), (15, 1, "this one may spend 1 (--max-credits)")],
)
async def test_what_bounds_a_heal_is_named(
    make_context: MakeContext, clock: SteppedClock, left_of_the_key: int, most: int, bound: str
) -> None:
    """What is left for the next heal is blamed on the key's credits or on --max-credits, whichever ends first."""
    with FaultySource(clock=clock, credits_monthly=left_of_the_key) as source:
        context = make_context(cmc_base_url=source.base_url)
        report = await heal(context, BackfillRequest(24, max_credits=most))
    [warning] = report.warnings
    assert warning.startswith(f"1 of 2 credits' worth of missing hours are left for the next heal: {bound}")
    assert warning.count("--max-credits") == bound.count("--max-credits")


async def test_a_capped_heal_tells_the_whole_and_its_own_part(make_context: MakeContext, holes: Holes) -> None:
    """The estimate names both, each whole; the end names what is still missing, and why."""
    holes.add((1, HOURS[5]))
    with capture_logs() as lines:
        await healed(make_context, BackfillRequest(24, max_credits=1))
    told = {line["event"]: line for line in lines}
    whole, part = told["estimate of all that is missing"], told["of that this heal asks for"]
    assert (whole["coin_hours"], whole["coins"], whole["credits"]) == (72, 3, 2)
    assert (part["coin_hours"], part["coins"], part["credits"]) == (48, 2, 1)
    left = told["still missing"]
    assert (left["coin_hours"], left["coins"]) == (25, 2)
    assert (left["over_the_credits"], left["without_a_valid_quote_at_the_source"]) == (24, 1)


async def test_what_is_still_missing_is_told_by_symbol(make_context: MakeContext, holes: Holes) -> None:
    """Each symbol is named with its hours, those that miss the same together."""
    holes.update({(1, HOURS[5]), (1027, HOURS[5]), (5426, HOURS[7])})
    with capture_logs() as lines:
        await healed(make_context)
    told = [
        (line["symbols"], line["hours_each"], line["ranges"])
        for line in lines
        if line["event"] == "hours still missing"
    ]
    assert told == [("BTC,ETH", 1, hour_key(HOURS[5])[:16]), ("SOL", 1, hour_key(HOURS[7])[:16])]


async def test_a_heal_that_its_source_ends_tells_what_is_still_missing(
    make_context: MakeContext, source: FaultySource
) -> None:
    """The error goes on, after the hours that were not answered."""
    source.faults.push(faults.refused(1010), path="/quotes/historical")
    with capture_logs() as lines, pytest.raises(SourceRejected, match="credits are used up"):
        await healed(make_context)
    assert [line["symbols"] for line in lines if line["event"] == "hours still missing"] == ["BTC,ETH,SOL"]
    assert (lines[-1]["event"], lines[-1]["coin_hours"], lines[-1]["not_answered"]) == ("still missing", 72, 72)


async def test_a_source_and_a_database_that_fail_are_told_by_the_sources_error(
    make_context: MakeContext, source: FaultySource, front: ClickHouseFront
) -> None:
    """What is missing cannot be looked for, which hides nothing."""
    source.faults.push(faults.refused(1010), path="/quotes/historical")

    def step(text: str) -> None:
        if text == "looking for what is still missing":
            front.refuse()

    context = replace(make_context(), step=step)
    with capture_logs() as lines, pytest.raises(SourceRejected, match="credits are used up"):
        await heal(context, BackfillRequest(24))
    assert "what is still missing could not be looked for" in [line["event"] for line in lines]


async def test_hours_beyond_the_plans_reach_are_passed_over(
    make_context: MakeContext, embedded: ClickHouseAdapter, database: str, stored: Stored
) -> None:
    """Of 40 days on a plan of a month, the first half missing: the near hour is filled, the far ones are named."""
    await backfill(make_context(), 24 * 20, dry_run=False)
    take_away(embedded, database, ("BTC", HOURS[3]))
    with capture_logs() as lines:
        report = await heal(make_context(), BackfillRequest(24 * 40))
    assert (report.inserted, report.credits, report.failures) == (1, 1, [])
    assert ("BTC", hour_key(HOURS[3])) in stored()
    [refused] = [line for line in lines if line["event"] == "refused"]
    assert (refused["symbols"], "beyond the plan's reach" in refused["reason"]) == ("BTC,ETH,SOL", True)
    far = 3 * 24 * 20
    assert (lines[-1]["coin_hours"], lines[-1]["refused_by_the_source"], lines[-1]["not_answered"]) == (far, far, 0)


async def test_a_heal_wholly_beyond_the_plans_reach_fails(make_context: MakeContext, source: FaultySource) -> None:
    """Nothing is spent, and what is missing is told all the same."""
    with capture_logs() as lines, pytest.raises(SourceRejected, match="beyond the plan's reach"):
        await heal(make_context(), BackfillRequest(24 * 60))
    assert source.credits_used == 0
    assert (lines[-1]["event"], lines[-1]["refused_by_the_source"]) == ("still missing", 3 * 24 * 60)


async def test_a_dry_heal_tells_what_is_beyond_the_plans_reach(
    make_context: MakeContext, source: FaultySource, embedded: ClickHouseAdapter, database: str
) -> None:
    """The far hours are named as the real one would; where all are far it ends as that does; nothing is spent."""
    with pytest.raises(SourceRejected, match="beyond the plan's reach") as refused:
        await heal(make_context(), BackfillRequest(24 * 60, dry_run=True))
    assert " of the 1440 hours are in reach" in refused.value.message
    assert "./run.sh cron_heal cmc_hourly_prices 7" in refused.value.next_step
    await backfill(make_context(), 24 * 20, dry_run=False)
    take_away(embedded, database, ("BTC", HOURS[3]))
    spent = source.credits_used
    with capture_logs() as lines:
        await heal(make_context(), BackfillRequest(24 * 40, dry_run=True))
    assert [line["symbols"] for line in lines if line["event"] == "refused"] == ["BTC,ETH,SOL"]
    assert source.credits_used == spent


async def test_hours_before_the_first_stored_one_are_counted(
    make_context: MakeContext, embedded: ClickHouseAdapter, database: str
) -> None:
    """They are filled like the others, but status and verify miss none of them; a symbol never stored has only such."""
    await backfill(make_context(symbols="BTC,ETH"), 24, dry_run=False)
    take_away(embedded, database, ("BTC", HOURS[0]), ("BTC", HOURS[1]), ("ETH", HOURS[5]))
    with capture_logs() as lines:
        report = await healed(make_context)
    [told] = [line for line in lines if line["event"] == "estimate of all that is missing"]
    assert (told["coin_hours"], told["before_the_first_stored"], report.inserted) == (27, 26, 27)


async def test_a_whole_table_is_told_at_the_end(make_context: MakeContext) -> None:
    """When a heal leaves nothing missing, its last words say so."""
    with capture_logs() as lines:
        await healed(make_context)
    assert lines[-1]["event"] == "nothing is missing any longer"


async def test_no_credit_asks_for_nothing(make_context: MakeContext, source: FaultySource) -> None:
    """A cap of zero finds and reports, and spends nothing."""
    report = await healed(make_context, BackfillRequest(24, max_credits=0))
    assert (report.credits, asked(source)) == (0, [])
    assert len(report.warnings) == 1


async def test_a_dry_run_spends_and_stores_nothing(
    make_context: MakeContext, source: FaultySource, embedded: ClickHouseAdapter, database: str
) -> None:
    """It says what it would do and makes not even a table."""
    report = await healed(make_context, BackfillRequest(24, dry_run=True))
    assert (report.credits, report.inserted, asked(source)) == (0, 0, [])
    assert embedded.query(f"EXISTS DATABASE {database}") == [(0,)]


async def test_a_heal_needs_a_key(make_context: MakeContext, source: FaultySource) -> None:
    """Without a key nobody is asked."""
    with pytest.raises(SourceRejected, match="a heal needs a key"):
        await heal(make_context(cmc_api_key=None), BackfillRequest(24))
    assert source.requests == []


async def test_the_present_hour_is_the_hourly_runs_own(make_context: MakeContext, stored: Stored) -> None:
    """A heal never touches the present hour."""
    await run(make_context())
    before = stored()
    await healed(make_context)
    assert {key: price for key, price in stored().items() if key in before} == before
    assert len(stored()) == 72 + 3
