"""CoinMarketCap's endpoints, envelope and errors, at the wire."""

from __future__ import annotations

import asyncio
import json
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import strategies as st

from adapters._bases.errors import (
    ClockError,
    ContractError,
    EtlError,
    SourceRejected,
    SourceUnavailable,
)
from adapters._bases.json_values import whole
from adapters._bases.retry import RetryPolicy
from adapters.http.coin_market_cap_http_adapter import KEY_HEADER, CoinMarketCapHttpAdapter, error_of, reach_of
from tests.support.http_sources import CMC, KEY, coin_market_cap

pytestmark = pytest.mark.usefixtures("quick_retries")

FIXTURES = Path(__file__).parents[2] / "fixtures" / "coinmarketcap"
LATEST = f"{CMC}/v3/cryptocurrency/quotes/latest"
HISTORICAL = f"{CMC}/v3/cryptocurrency/quotes/historical"
NOW = datetime(2026, 11, 22, 12, 0, 21, 500_000, tzinfo=timezone.utc)


def body(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_text())


def failed(code: object, message: object = "words") -> dict[str, Any]:
    return {"status": {"error_code": code, "error_message": message, "credit_count": 0}}


def error_for(status: int, answer: dict[str, Any], *, keyless: bool = False) -> EtlError:
    block = answer["status"]
    error = error_of(status, whole(block["error_code"]), block["error_message"], now=NOW, keyless=keyless)
    assert error is not None
    return error


def source(*, attempts: int = 1) -> AbstractAsyncContextManager[CoinMarketCapHttpAdapter]:
    return coin_market_cap(NOW, retry=RetryPolicy(attempts=attempts))


@respx.mock
async def test_latest_is_requested_by_id_and_its_credits_counted() -> None:
    route = respx.get(LATEST, params={"id": "1,1027", "convert": "USD", "skip_invalid": "true"})
    route.respond(json=body("v3_quotes_latest"))
    async with source() as adapter:
        data = await adapter.latest([1, 1027])
        assert adapter.credits_used == 1
    assert data == body("v3_quotes_latest")["data"]
    assert route.calls.last.request.headers[KEY_HEADER] == KEY
    assert KEY not in str(route.calls.last.request.url)


@respx.mock
async def test_historical_sends_bounds_in_utc_and_an_explicit_count() -> None:
    route = respx.get(HISTORICAL).respond(json=body("v3_quotes_latest"))
    async with source() as adapter:
        await adapter.historical([1], time_start=NOW - timedelta(hours=2), time_end=NOW, count=6)
    assert dict(route.calls.last.request.url.params) == {
        "id": "1",
        "time_start": "2026-11-22T10:00:21Z",
        "time_end": "2026-11-22T12:00:21Z",
        "count": "6",
        "interval": "30m",
        "convert": "USD",
        "skip_invalid": "true",
    }


@respx.mock
@pytest.mark.parametrize("data", [None, [], {}, {"plan": {}}, {"plan": [], "usage": {}}])
async def test_unreadable_plan_breaks_the_contract(data: object) -> None:
    respx.get(f"{CMC}/v1/key/info").respond(json={"status": {"error_code": 0}, "data": data})
    async with source() as adapter:
        with pytest.raises(ContractError):
            await adapter.key_info()


REFUSED = [(401, 1001), (401, 1002), (402, 1003), (402, 1004), (403, 1005), (403, 1006), (403, 1007)]
OTHERS = [(429, 1009), (429, 1010), (400, 400), (200, 1005), (400, 4001), (200, 77777), (401, 0), (404, 0)]


@respx.mock
@pytest.mark.parametrize(("status", "code"), [*REFUSED, *OTHERS])
@pytest.mark.parametrize("as_text", [False, True])
async def test_refusal_is_final_and_explained(status: int, code: int, *, as_text: bool) -> None:
    route = respx.get(LATEST).respond(status, json=failed(str(code) if as_text else code))
    async with source(attempts=3) as adapter:
        with pytest.raises(SourceRejected) as caught:
            await adapter.latest([1])
    assert route.call_count == 1
    assert (caught.value.status, caught.value.code) == (status, code)
    assert "words" in caught.value.message
    assert caught.value.next_step


PASSING = [(500, 500), (502, 502), (503, None), (504, 0), (429, 1008), (200, "1008"), (429, 1011), (429, "1022")]


@respx.mock
@pytest.mark.parametrize(("status", "code"), [*PASSING, (429, 1999), (200, 500)])
async def test_passing_failure_is_retried(status: int, code: object) -> None:
    busy = httpx.Response(status, json=failed(code), headers={"Retry-After": "0"})
    good = httpx.Response(200, json=body("v3_quotes_latest"))
    route = respx.get(LATEST).mock(side_effect=[busy, busy, good, busy, busy, busy])
    async with source(attempts=3) as adapter:
        assert await adapter.latest([1]) == body("v3_quotes_latest")["data"]
        with pytest.raises(SourceUnavailable) as caught:
            await adapter.latest([1])
    assert (caught.value.status, route.call_count) == (status, 6)


@pytest.mark.parametrize(
    ("answer", "wait"),
    [(body("error_1008"), 39.5), (body("keyless_limit_429"), 20.0), (failed(1011), 60.0), (failed(1999), None)],
)
def test_limits_say_how_long_to_wait(answer: dict[str, Any], wait: float | None) -> None:
    error = error_for(429, answer)
    assert isinstance(error, SourceUnavailable)
    assert error.retry_after_seconds == pytest.approx(wait)


@pytest.mark.parametrize(("status", "code"), [(429, "1022"), (500, 500)])
def test_key_is_the_remedy_for_limits_without_one(status: int, code: object) -> None:
    """Also for the keyless throttle in its disguise as a busy server."""
    assert "CMC_API_KEY" in error_for(status, failed(code), keyless=True).next_step
    assert ("CMC_API_KEY" in error_for(status, failed(code)).next_step) == (code == "1022")


REACH = "Your plan allows 1 months of historical access. Please choose a startDate that is"


@pytest.mark.parametrize(
    ("text", "since"),
    [
        (f"{REACH} newer than 2026-10-23", datetime(2026, 10, 23, tzinfo=timezone.utc)),
        (f"{REACH} newer than 2026-10-23T11:30:00.000Z", datetime(2026, 10, 23, 11, 30, tzinfo=timezone.utc)),
        (REACH, None),
        ("newer than 2026-10-23", None),
    ],
)
def test_hours_beyond_the_plans_reach_are_named(text: str, since: datetime | None) -> None:
    error = error_for(400, failed(400, text))
    assert isinstance(error, SourceRejected)
    assert reach_of(error) == since


@respx.mock
async def test_wrong_clock_is_an_error() -> None:
    """Unless a cache answered: that is retried for the present hour, and counts for past ones."""
    stamps = ["2026-11-22T11:00:00.417Z", "2026-11-22T12:03:00.417Z", "soon", 5, "2026-11-22T11:20:00.417Z"]
    answers = [{"status": {"error_code": 0, "timestamp": stamp}, "data": []} for stamp in stamps]
    respx.get(LATEST).mock(side_effect=[httpx.Response(200, json=answer) for answer in answers])
    respx.get(HISTORICAL).respond(json=answers[0])
    async with source() as adapter:
        with pytest.raises(ClockError):
            await adapter.latest([1])
        assert [await adapter.latest([1]) for _ in stamps[1:4]] == [[]] * 3
        with pytest.raises(SourceUnavailable, match="from a cache"):
            await adapter.latest([1])
        assert await adapter.historical([1], time_start=NOW, time_end=NOW, count=1) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=5,
)
STATUS = st.fixed_dictionaries({}, optional={"error_code": JSON, "error_message": JSON, "credit_count": JSON})


@given(st.integers(200, 299) | st.integers(400, 599), JSON | STATUS)
async def test_any_status_block_is_success_or_one_of_our_errors(status: int, block: object) -> None:
    with respx.mock:
        respx.get(LATEST).respond(status, json={"status": block, "data": []})
        async with source() as adapter:
            good = status == 200 and isinstance(block, dict) and whole(block.get("error_code")) == 0
            ours = (SourceUnavailable, SourceRejected, ContractError)
            with nullcontext() if good else pytest.raises(ours) as caught:
                assert await adapter.latest([1]) == []
            assert caught is None or (caught.value.message.isprintable() and caught.value.next_step)
            assert adapter.credits_used >= 0


@respx.mock
@pytest.mark.parametrize(("calls_per_minute", "at_once"), [(10, 2), (6000, 4)])
async def test_calls_are_limited_at_a_time_and_a_minute(calls_per_minute: int, at_once: int) -> None:
    usage = {"plan": {"rate_limit_minute": calls_per_minute}, "usage": {}}
    respx.get(f"{CMC}/v1/key/info").respond(json={"status": {"error_code": 0}, "data": usage})
    reached: list[httpx.Request] = []

    async def hang(request: httpx.Request) -> httpx.Response:
        reached.append(request)
        await asyncio.Event().wait()
        raise AssertionError

    respx.get(LATEST).mock(side_effect=hang)
    async with source() as adapter:
        await adapter.key_info()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.gather(*(adapter.latest([1]) for _ in range(9))), 0.3)
    assert len(reached) == at_once
