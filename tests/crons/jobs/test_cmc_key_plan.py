"""What ``check`` says of a key, and what a backfill takes for spendable, however CoinMarketCap puts it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone
from typing import Any

import pytest
import respx

from crons.jobs.cmc_parts import check_source
from crons.resources import Resources
from tests.support.settings import make_settings

BASE = "https://cmc.example"
NOW = datetime(2026, 11, 23, 12, 0, 7, tzinfo=timezone.utc)


def plan(monthly: Any, minute: Any, *, daily: Any = None, reset: Any = None) -> dict[str, Any]:
    """A plan's limits."""
    return {
        "credit_limit_monthly": monthly,
        "rate_limit_minute": minute,
        "credit_limit_daily": daily,
        "credit_limit_monthly_reset": reset,
    }


@respx.mock
@pytest.mark.parametrize(
    ("limits", "month", "day", "told", "state"),
    [
        (plan(15000, 50, reset="In 8 days"), 14480, None, "14480 of 15000 credits left, 50 calls a minute", "ok"),
        (plan(None, None), None, None, "CoinMarketCap does not say how many credits are left", "ok"),
        (plan(0, 0), 9990, None, "9990 credits left", "ok"),
        (plan(15000, 50), -3, None, "0 of 15000 credits left, 50 calls a minute", "fail"),
        (plan(15000, 50, daily=0), 9990, 0, "9990 of 15000 credits left, 50 calls a minute", "ok"),
        (plan(15000, 50, daily=500), 9990, 0, "0 of 15000 credits left, 50 calls a minute", "fail"),
        (plan(-1, -1), 7, None, "7 credits left", "ok"),
        (plan("15000", 50.0), "14480", None, "14480 of 15000 credits left, 50 calls a minute", "ok"),
    ],
)
def test_only_what_is_known_is_said(limits: dict[str, Any], month: object, day: object, told: str, state: str) -> None:
    """Neither Python's None, nor more than there is, nor less than nothing."""
    usage = {"current_month": {"credits_left": month}, "current_day": {"credits_left": day}}
    body = {"status": {"error_code": 0}, "data": {"plan": limits, "usage": usage}}
    respx.get(f"{BASE}/v1/key/info").respond(json=body)
    settings = make_settings(cmc_base_url=BASE, cmc_api_key="a-key")
    with Resources(settings, task="test", clock=lambda: NOW) as parts:
        found = asyncio.run(check_source(parts, settings))
    reset = ", credits reset: In 8 days" if limits["credit_limit_monthly_reset"] else ""
    assert (found.detail, found.state) == (f"key valid: {told}{reset}", state)
