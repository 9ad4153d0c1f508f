"""The hourly run of the main job: a CoinMarketCap over HTTP on one side, ClickHouse over HTTP on the other."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import respx
from structlog.testing import capture_logs

from adapters._bases.errors import ConfigurationError
from adapters._bases.tehran_time import HOUR, hour_key
from crons.job import JobContext, Request
from crons.jobs.cmc_hourly_prices import JOB
from crons.resources import Resources
from tests.crons.jobs.conftest import IDS, NOW, Rows
from tests.support.faulty_source import FaultySource
from tests.support.job_runs import MakeContext, run
from tests.support.settings import make_settings
from tests.support.stepped_clock import SteppedClock

pytestmark = pytest.mark.usefixtures("quick_retries")


def served(source: FaultySource, instant: datetime) -> dict[tuple[str, str], float | None]:
    return {(symbol, hour_key(instant)): source.market.price(cmc_id, instant) for symbol, cmc_id in IDS.items()}


async def test_runs_of_an_hour_keep_one_row_with_the_served_price(
    cmc_context: MakeContext, source: FaultySource, clock: SteppedClock, rows: Rows
) -> None:
    first = await run(cmc_context())
    assert rows() == served(source, NOW)
    assert (first.inserted, first.updated, first.calls, first.credits, first.failures) == (3, 0, 2, 1, [])
    assert list(first.values) == list(IDS)

    repeated = await run(cmc_context())
    assert (repeated.inserted, repeated.updated, repeated.unchanged, repeated.calls) == (0, 0, 3, 1)

    clock.advance(timedelta(minutes=10))
    later = await run(cmc_context())
    assert rows() == served(source, clock())
    assert (later.inserted, later.updated, later.unchanged) == (0, 3, 0)

    clock.advance(HOUR)
    assert (await run(cmc_context())).inserted == 3
    assert len(rows()) == 6


async def test_answer_of_the_next_hour_is_stored_in_it(
    cmc_context: MakeContext, source: FaultySource, clock: SteppedClock, rows: Rows
) -> None:
    context = cmc_context(symbols="BTC:1")
    clock.advance(HOUR)
    await run(context)
    assert rows() == {("BTC", hour_key(clock())): source.market.price(1, clock())}


async def test_without_a_key_the_keyless_api_is_asked(
    cmc_context: MakeContext, source: FaultySource, rows: Rows
) -> None:
    with capture_logs() as logs:
        await run(cmc_context(cmc_api_key=""))
    assert rows() == served(source, NOW)
    assert {request.path.split("/")[1] for request in source.requests} == {"public-api"}
    assert sum("keyless" in entry["event"] for entry in logs) == 1


async def test_symbols_that_are_all_unknown_end_the_run(cmc_context: MakeContext) -> None:
    with pytest.raises(ConfigurationError, match="symbol NOPE"):
        await run(cmc_context(symbols="NOPE"))


def limits(monthly: Any, minute: Any, *, daily: Any = None, reset: Any = None) -> dict[str, Any]:
    return {
        "credit_limit_monthly": monthly,
        "rate_limit_minute": minute,
        "credit_limit_daily": daily,
        "credit_limit_monthly_reset": reset,
    }


@respx.mock
@pytest.mark.parametrize(
    ("plan", "month", "day", "found", "state"),
    [
        (limits(15000, 50, reset="In 8 days"), 14480, None, "14,480 of 15,000 credits left, 50 calls a minute", "ok"),
        (limits(None, None), None, None, "CoinMarketCap does not say how many credits are left", "ok"),
        (limits(15000, 50), -3, None, "0 of 15,000 credits left, 50 calls a minute", "fail"),
        (limits(15000, 50, daily=500), 9990, 0, "0 of 15,000 credits left, 50 calls a minute", "fail"),
        (limits(-1, -1), 7, None, "7 credits left", "ok"),
    ],
)
async def test_check_says_only_what_is_known_of_a_plan(
    plan: dict[str, Any], month: object, day: object, found: str, state: str
) -> None:
    usage = {"current_month": {"credits_left": month}, "current_day": {"credits_left": day}}
    body = {"status": {"error_code": 0}, "data": {"plan": plan, "usage": usage}}
    respx.get("https://cmc.example/v1/key/info").respond(json=body)
    settings = make_settings(cmc_base_url="https://cmc.example", cmc_api_key="a-key")
    with Resources(settings, task="test", clock=lambda: NOW) as resources:
        checked = await JOB.check(JobContext(Request("cmc_hourly_prices"), JOB, resources))
    reset = ", credits reset: In 8 days" if plan["credit_limit_monthly_reset"] else ""
    assert (checked.detail, checked.state) == (f"key valid: {found}{reset}", state)
