"""Backfill and heal of the main job: a CoinMarketCap over HTTP on one side, ClickHouse over HTTP on the other."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from structlog.testing import capture_logs

from adapters._bases.errors import SourceRejected
from adapters._bases.tehran_time import HOUR, hour_key, hour_start, hours_before, time_bound
from tests.crons.jobs.conftest import IDS, NOW, Rows
from tests.support.faulty_source import FaultySource
from tests.support.job_runs import MakeContext, backfill, heal, run
from tests.support.price_table import Sql
from tests.support.stepped_clock import SteppedClock

pytestmark = pytest.mark.usefixtures("quick_retries")

HOURS = hours_before(NOW, 24)
Holes = set[tuple[int, datetime]]


def asked(source: FaultySource) -> list[dict[str, str]]:
    return [one.parameters for one in source.requests if one.path.endswith("/quotes/historical")]


def take_away(sql: Sql, *keys: tuple[str, datetime]) -> None:
    for symbol, hour in keys:
        where = f"symbol = '{symbol}' AND datetime = '{hour_key(hour)}'"
        sql(f"DELETE FROM crypto.crypto_prices WHERE {where}")


# --- backfill ---


async def test_backfill_stores_the_served_price_of_each_hour(
    cmc_context: MakeContext, source: FaultySource, rows: Rows, holes: Holes
) -> None:
    holes.update({(1, hours_before(NOW, 5)[0]), (1, hours_before(NOW, 3)[0])})
    report = await backfill(cmc_context(), 48)
    hours = {(symbol, hour): cmc_id for hour in hours_before(NOW, 48) for symbol, cmc_id in IDS.items()}
    assert rows() == {
        (symbol, hour_key(hour)): source.market.price(cmc_id, hour)
        for (symbol, hour), cmc_id in hours.items()
        if (cmc_id, hour) not in holes
    }
    assert (report.inserted, report.hours_asked, report.without_quote) == (48 * 3 - 2, 48 * 3, 2)
    assert report.extracted == 2 * (48 + 1) * 3 - 2 * 2  # half-hourly; those around the hours count too
    assert report.missing == ["BTC: 2 h: 2026-11-23 10:00, 2026-11-23 12:00"]
    assert (len(asked(source)), report.credits) == (1, source.credits_used)
    again = await backfill(cmc_context(), 48)
    assert (again.inserted, again.updated, again.unchanged) == (0, 0, 48 * 3 - 2)


async def test_backfill_corrects_the_price_of_an_hourly_run(
    cmc_context: MakeContext, clock: SteppedClock, sql: Sql
) -> None:
    await run(cmc_context(symbols="BTC:1"))
    clock.advance(HOUR)
    assert (await backfill(cmc_context(symbols="BTC:1"), 1)).updated == 1
    columns = "endpoint, fetched_at, source_updated_at, cmc_rank"
    assert sql(f"SELECT {columns} FROM crypto.crypto_prices") == [
        ("historical", "2026-11-23 15:37:09", "2026-11-23 15:00:00", 1)
    ]


async def test_estimate_is_logged_before_anything_is_spent(
    cmc_context: MakeContext, source: FaultySource, rows: Rows
) -> None:
    with capture_logs() as logs:
        await backfill(cmc_context(), 168, dry_run=True)
    estimate = next(entry for entry in logs if entry["event"] == "estimate")
    facts = (estimate["calls"], estimate["credits"], estimate["credits_left"], estimate["symbol_hours"])
    assert facts == (1, 11, 15000, 504)
    assert (source.credits_used, rows()) == (0, {})


async def test_backfill_beyond_the_credits_spends_nothing(
    cmc_context: MakeContext, clock: SteppedClock, rows: Rows
) -> None:
    with (
        FaultySource(clock=clock, credits_monthly=10) as poor,
        pytest.raises(SourceRejected, match="11 credits, and 10"),
    ):
        await backfill(cmc_context(cmc_base_url=poor.base_url), 168)
    assert (poor.credits_used, rows()) == (0, {})


@pytest.mark.parametrize("dry_run", [True, False], ids=["dry run", "real"])
@pytest.mark.parametrize(("months", "hours", "in_reach"), [(3, 24 * 100, 2205), (1, 743, 741)], ids=str)
async def test_backfill_beyond_the_plans_reach_offers_what_is_in_it(
    cmc_context: MakeContext, clock: SteppedClock, *, months: int, hours: int, in_reach: int, dry_run: bool
) -> None:
    with FaultySource(clock=clock, months_of_history=months) as source:
        here = {"cmc_base_url": source.base_url, "symbols": "BTC:1"}
        with pytest.raises(SourceRejected, match="beyond the plan's reach") as refused:
            await backfill(cmc_context(**here), hours, dry_run=dry_run)
        assert source.credits_used == 0
        assert f"; {in_reach:,} of the {hours:,} hours are in reach" in refused.value.message
        assert f"./run.sh cron_backfill cmc_hourly_prices {in_reach} " in refused.value.next_step
        clock.advance(timedelta(minutes=50))
        await backfill(cmc_context(**here), in_reach, dry_run=dry_run)
        assert (source.credits_used > 0) is not dry_run


async def test_range_beyond_the_plans_reach_offers_its_part_in_reach(
    cmc_context: MakeContext, source: FaultySource, clock: SteppedClock, rows: Rows
) -> None:
    first, end = (hour_start(clock()) - timedelta(days=days) for days in (60, 20))
    with pytest.raises(SourceRejected) as refused:
        await backfill(cmc_context(), first=first, end=end)
    assert source.credits_used == 0
    found = re.search(r"cron_backfill cmc_hourly_prices --from '(.*)' --to '(.*)' fetches", refused.value.next_step)
    assert found is not None
    assert time_bound(found[2]) == end
    await backfill(cmc_context(), first=time_bound(found[1]), end=end)
    assert rows()


async def test_limit_on_credits_leaves_the_rest_to_a_heal(
    cmc_context: MakeContext, source: FaultySource, rows: Rows
) -> None:
    report = await backfill(cmc_context(), 24 * 20, max_credits=2)
    assert source.credits_used == report.credits == 2
    [warning] = report.warnings
    found = re.search(r"./run.sh cron_heal cmc_hourly_prices 480 --max-credits (\d+)", warning)
    assert found is not None
    before = len(rows())
    healed = await heal(cmc_context(), 24 * 20, max_credits=int(found[1]))
    assert healed.warnings == []
    assert len(rows()) == before + healed.inserted == 24 * 20 * 3


@pytest.mark.parametrize("kind", [backfill, heal])
async def test_past_hours_need_a_key(
    cmc_context: MakeContext, source: FaultySource, kind: Callable[..., object]
) -> None:
    with pytest.raises(SourceRejected, match=f"a {kind.__name__} needs CMC_API_KEY") as refused:
        await kind(cmc_context(cmc_api_key=""), 2)  # type: ignore[misc]  # both are coroutine functions
    assert "https://" in refused.value.next_step
    assert source.requests == []


# --- heal ---


async def test_heal_stores_missing_hours_and_touches_nothing_else(
    cmc_context: MakeContext, source: FaultySource, sql: Sql, rows: Rows
) -> None:
    await run(cmc_context())
    await backfill(cmc_context(), 24)
    sql("ALTER TABLE crypto.crypto_prices UPDATE price = 7 WHERE 1 SETTINGS mutations_sync = 2")
    gone = {("BTC", HOURS[3]), ("ETH", HOURS[4])}
    take_away(sql, *gone)
    before = rows()
    report = await heal(cmc_context())
    prices = {(symbol, hour_key(hour)): source.market.price(IDS[symbol], hour) for symbol, hour in gone}
    assert rows() == {**before, **prices}
    counts = (report.inserted, report.updated, report.hours_asked, report.without_quote, report.credits)
    assert counts == (2, 0, 2, 0, 1)
    assert asked(source)[-1]["id"] == "1,1027"
    source.requests.clear()
    with capture_logs() as lines:
        again = await heal(cmc_context())
    assert (again.credits, again.hours_asked, asked(source)) == (0, 0, [])
    assert lines[-1]["event"] == "no hours are missing"


async def test_hole_of_another_coin_is_asked_for(cmc_context: MakeContext, sql: Sql, holes: Holes) -> None:
    holes.add((1, HOURS[5]))
    await heal(cmc_context())
    sql("ALTER TABLE crypto.crypto_price_holes UPDATE cmc_id = 99 WHERE 1 SETTINGS mutations_sync = 2")
    assert (await heal(cmc_context())).hours_asked == 1
    assert sql("SELECT cmc_id FROM crypto.crypto_price_holes FINAL") == [(1,)]


@pytest.mark.parametrize(
    ("left_of_the_key", "most", "limit"),
    [(1, 100, "the key's 1 remaining credits"), (15, 1, "--max-credits 1;"), (15, 0, "--max-credits 0;")],
)
async def test_limit_of_a_heal_is_named(
    cmc_context: MakeContext, clock: SteppedClock, rows: Rows, *, left_of_the_key: int, most: int, limit: str
) -> None:
    with FaultySource(clock=clock, credits_monthly=left_of_the_key) as source:
        report = await heal(cmc_context(cmc_base_url=source.base_url), 24, max_credits=most)
    [warning] = report.warnings
    assert limit in warning
    assert (report.credits, len(rows())) == ((1, 48) if most else (0, 0))
    left = 72 - len(rows())
    assert (await heal(cmc_context())).inserted == left


async def test_heal_skips_hours_beyond_the_plans_reach(
    cmc_context: MakeContext, source: FaultySource, sql: Sql, rows: Rows
) -> None:
    await backfill(cmc_context(), 24 * 20)
    take_away(sql, ("BTC", HOURS[3]))
    spent = source.credits_used
    with capture_logs() as lines:
        report = await heal(cmc_context(), 24 * 40)
    [refused] = [line for line in lines if line["event"] == "refused"]
    assert (refused["symbols"], "beyond the plan's reach" in refused["reason"]) == ("BTC, ETH, SOL", True)
    assert (report.inserted, source.credits_used) == (1, spent + 1)
    assert ("BTC", hour_key(HOURS[3])) in rows()
    assert (lines[-1]["refused_by_the_source"], lines[-1]["not_asked"]) == (3 * 24 * 20, 0)


async def test_heal_wholly_beyond_the_plans_reach_fails(cmc_context: MakeContext, source: FaultySource) -> None:
    with pytest.raises(SourceRejected, match="beyond the plan's reach") as refused:
        await heal(cmc_context(), 24 * 60)
    assert " of the 1,440 hours are in reach" in refused.value.message
    assert "./run.sh cron_heal cmc_hourly_prices 7" in refused.value.next_step
    assert source.credits_used == 0
