"""CoinMarketCap's endpoints, envelope and errors, at the wire."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import strategies as st

from adapters._bases.errors import ContractError, EtlError, RetryableError, SourceRejected, SourceUnavailable
from adapters._bases.http_adapter import HttpAdapter
from adapters._bases.retry import RetryPolicy
from adapters.http.coin_market_cap_errors import error_of, read_envelope
from adapters.http.coin_market_cap_http_adapter import KEY_HEADER, CoinMarketCapHttpAdapter, KeyInfo

FIXTURES = Path(__file__).parents[2] / "fixtures" / "coinmarketcap"
BASE = "https://cmc.test"
LATEST = f"{BASE}/v3/cryptocurrency/quotes/latest"
HISTORICAL = f"{BASE}/v3/cryptocurrency/quotes/historical"
KEY = "0f9e8d7c-aaaa-bbbb-cccc-0123456789ab"
NOW = datetime(2026, 11, 22, 12, 0, 21, 500_000, tzinfo=timezone.utc)
THRICE = RetryPolicy(attempts=3, wait_initial_seconds=0, wait_max_seconds=0, wait_jitter_seconds=0)


def body(name: str) -> Any:
    """A stored body."""
    return json.loads((FIXTURES / f"{name}.json").read_text())


def failed(code: object, message: object = "words") -> dict[str, Any]:
    """An error body."""
    return {"status": {"error_code": code, "error_message": message, "credit_count": 0}}


@asynccontextmanager
async def source(*, keyless: bool = False, attempts: int = 1) -> AsyncIterator[CoinMarketCapHttpAdapter]:
    """The adapter, with a key unless told otherwise."""
    retry = RetryPolicy(attempts=attempts, wait_initial_seconds=0, wait_max_seconds=0, wait_jitter_seconds=0)
    headers = {} if keyless else {KEY_HEADER: KEY}
    async with HttpAdapter(base_url=BASE, headers=headers, timeout_seconds=5, retry=retry, clock=lambda: NOW) as http:
        yield CoinMarketCapHttpAdapter(http=http, clock=lambda: NOW, keyless=keyless)


@respx.mock
async def test_latest_asks_by_id_and_counts_what_it_cost() -> None:
    """The v3 endpoint, with skip_invalid said aloud; credits are CoinMarketCap's own count."""
    route = respx.get(LATEST, params={"id": "1,1027", "convert": "USD", "skip_invalid": "true"})
    route.respond(json=body("v3_quotes_latest"))
    async with source() as adapter:
        data = await adapter.latest([1, 1027])
        assert adapter.credits_used == 1
    assert json.loads(data) == body("v3_quotes_latest")["data"]
    assert route.calls.last.request.headers[KEY_HEADER] == KEY
    assert KEY not in str(route.calls.last.request.url)


@respx.mock
async def test_historical_sends_bounds_in_utc_and_an_explicit_count() -> None:
    """No parameter is left to a default that would cut the answer short."""
    route = respx.get(HISTORICAL).respond(json=body("v3_quotes_latest"))
    async with source() as adapter:
        await adapter.historical(
            [1],
            time_start=datetime(2026, 11, 22, 10, 0, tzinfo=timezone.utc),
            time_end=datetime(2026, 11, 22, 12, 0, tzinfo=timezone.utc),
            count=6,
        )
    assert dict(route.calls.last.request.url.params) == {
        "id": "1",
        "time_start": "2026-11-22T10:00:00Z",
        "time_end": "2026-11-22T12:00:00Z",
        "count": "6",
        "interval": "30m",
        "convert": "USD",
        "skip_invalid": "true",
    }


@respx.mock
async def test_without_a_key_the_public_api_is_asked() -> None:
    """The latest quotes and the map come from the keyless base, and no key header is sent."""
    latest = respx.get(f"{BASE}/public-api/v3/cryptocurrency/quotes/latest").respond(json=body("v3_quotes_latest"))
    coin_map = respx.get(f"{BASE}/public-api/v1/cryptocurrency/map").respond(json=body("map_by_symbol"))
    async with source(keyless=True) as adapter:
        await adapter.latest([1])
        await adapter.coin_map(["BTC", "SOL"])
    assert KEY_HEADER not in latest.calls.last.request.headers
    assert coin_map.calls.last.request.url.params["symbol"] == "BTC,SOL"


@respx.mock
async def test_without_a_key_what_needs_one_is_refused_without_a_call() -> None:
    """Nothing goes out, and the operator learns where the key belongs."""
    async with source(keyless=True) as adapter:
        with pytest.raises(SourceRejected) as info:
            await adapter.key_info()
        with pytest.raises(SourceRejected) as past:
            await adapter.historical([1], time_start=NOW, time_end=NOW, count=1)
    for caught in (info, past):
        assert "CMC_API_KEY in .env" in caught.value.next_step


@respx.mock
async def test_key_info_says_what_is_left() -> None:
    """The plan, the credits left, the minute limit and the reset."""
    respx.get(f"{BASE}/v1/key/info").respond(json=body("key_info"))
    async with source() as adapter:
        assert await adapter.key_info() == KeyInfo(15000, 14480, 50, "In 8 days, 11 hours, 59 minutes")


@respx.mock
async def test_a_daily_limit_below_the_months_counts() -> None:
    """Credits left are what can be spent now; what is not said is None."""
    data = {"plan": {"rate_limit_minute": True}, "usage": {"current_day": {"credits_left": 7}, "current_month": None}}
    respx.get(f"{BASE}/v1/key/info").respond(json={"status": {"error_code": 0}, "data": data})
    async with source() as adapter:
        assert await adapter.key_info() == KeyInfo(None, 7, None, None)


@respx.mock
@pytest.mark.parametrize("data", [None, [], {}, {"plan": {}}, {"plan": [], "usage": {}}])
async def test_key_info_of_another_shape_breaks_the_contract(data: object) -> None:
    """A plan that cannot be read is said so, not guessed."""
    respx.get(f"{BASE}/v1/key/info").respond(json={"status": {"error_code": 0}, "data": data})
    async with source() as adapter:
        with pytest.raises(ContractError):
            await adapter.key_info()


REFUSED = [(401, 1001), (401, 1002), (402, 1003), (402, 1004), (403, 1005), (403, 1006), (403, 1007)]
USED_UP = [(429, 1009), (429, 1010)]


@respx.mock
@pytest.mark.parametrize(("status", "code"), [(400, 400), *REFUSED, *USED_UP, (200, 1005), (400, 4001), (200, 77777)])
@pytest.mark.parametrize("as_text", [False, True])
async def test_a_refusal_is_final_and_explained(status: int, code: int, *, as_text: bool) -> None:
    """400 to 403 and used-up credits are asked once, whether the code is a number or a string, on 200 too."""
    route = respx.get(LATEST).respond(status, json=failed(str(code) if as_text else code))
    async with source(attempts=3) as adapter:
        with pytest.raises(SourceRejected) as caught:
            await adapter.latest([1])
    assert route.call_count == 1
    assert (caught.value.status, caught.value.code) == (status, code)
    assert "words" in caught.value.message
    assert caught.value.next_step


@respx.mock
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (500, 500),
        (502, 502),
        (503, None),
        (504, 0),
        (429, 1008),
        (200, "1008"),
        (429, 1011),
        (429, "1022"),
        (429, 1999),
    ],
)
async def test_what_may_pass_is_tried_again_then_said(status: int, code: object) -> None:
    """Limits by time and failing servers are retried; at the last try the error comes out."""
    answer = httpx.Response(status, json=failed(code), headers={"Retry-After": "0"})
    route = respx.get(LATEST).mock(return_value=answer)
    async with source(attempts=3) as adapter:
        with pytest.raises(SourceUnavailable):
            await adapter.latest([1])
    assert route.call_count == 3


@respx.mock
async def test_a_limit_that_passes_ends_in_the_answer() -> None:
    """After a 1008 the very call is made again, and what it brings is used."""
    respx.get(LATEST).side_effect = [
        httpx.Response(429, json=body("error_1008"), headers={"Retry-After": "0"}),
        httpx.Response(200, json=body("v3_quotes_latest")),
    ]
    async with source(attempts=3) as adapter:
        assert json.loads(await adapter.latest([1])) == body("v3_quotes_latest")["data"]
        assert adapter.credits_used == 1


@pytest.mark.parametrize(
    ("name", "status", "wait"),
    [("error_1008", 429, 39.5), ("keyless_limit_429", 429, 20.0)],
)
def test_limits_say_how_long_to_wait(name: str, status: int, wait: float) -> None:
    """The minute limit waits for the next minute and a second, the anonymous one for a part of a minute."""
    error = error_of(read_envelope(status, body(name)["status"]), now=NOW, keyless=False)
    assert isinstance(error, SourceUnavailable)
    assert error.retry_after_seconds == pytest.approx(wait)


def test_a_shut_out_address_stays_away_for_long() -> None:
    """1011 is a longer wait than any of the policy's own."""
    error = error_of(read_envelope(429, failed(1011)["status"]), now=NOW, keyless=False)
    assert isinstance(error, SourceUnavailable)
    assert error.retry_after_seconds is not None
    assert error.retry_after_seconds > THRICE.wait_max_seconds


@pytest.mark.parametrize(("status", "code"), [(429, "1022"), (500, 500)])
def test_without_a_key_limits_are_remedied_by_a_key(status: int, code: object) -> None:
    """The keyless throttle, also in its disguise as a busy server, says where a key belongs."""
    error = error_of(read_envelope(status, failed(code)["status"]), now=NOW, keyless=True)
    assert error is not None
    assert "CMC_API_KEY" in error.next_step


def test_beyond_the_plans_reach_is_said_so() -> None:
    """The 400 for hours too far back is explained as the plan's reach."""
    text = "Your plan allows 1 months of historical access. Please choose a startDate that is newer than 2026-10-23"
    error = error_of(read_envelope(400, failed(400, text)["status"]), now=NOW, keyless=False)
    assert isinstance(error, SourceRejected)
    assert "beyond the plan's reach" in error.message
    assert "fewer hours" in error.next_step


@respx.mock
@pytest.mark.parametrize("answer", [[], "text", 7, None, {}, {"status": []}, {"status": {}}, failed(None), failed("x")])
async def test_success_without_a_readable_code_breaks_the_contract(answer: object) -> None:
    """A 200 that does not say that it succeeded is not taken for success."""
    respx.get(LATEST).respond(content=json.dumps(answer))
    async with source() as adapter:
        with pytest.raises(ContractError):
            await adapter.latest([1])


@respx.mock
async def test_success_without_data_breaks_the_contract() -> None:
    """Error bodies have no data; a good one must."""
    respx.get(LATEST).respond(json={"status": {"error_code": 0}})
    async with source() as adapter:
        with pytest.raises(ContractError) as caught:
            await adapter.latest([1])
    assert caught.value.json_path == "data"


@respx.mock
@pytest.mark.parametrize(
    ("coins", "value"),
    [
        (b'[{"price": NaN}]', b'[{"price": "NaN"}]'),
        (b'[{"price": -Infinity}]', b'[{"price": "-Infinity"}]'),
        (b'[{"name": "\\ud800"}]', b'[{"name": "?"}]'),
    ],
)
async def test_nonstandard_json_comes_as_standard_json(coins: bytes, value: bytes) -> None:
    """Literals such as NaN, half characters and a byte order mark cost no answer."""
    respx.get(LATEST).respond(content=b'\xef\xbb\xbf{"status": {"error_code": 0}, "data": ' + coins + b"}")
    async with source() as adapter:
        assert await adapter.latest([1]) == value


@respx.mock
@pytest.mark.parametrize(
    "torn", [b'{"status": {"error_code": 0}, "data": [', b"{}}", b'{"data": [1,]}', b"[" * 200_000]
)
async def test_truncated_json_is_retried(torn: bytes) -> None:
    """A body cut short is no verdict."""
    route = respx.get(LATEST).respond(content=torn)
    async with source(attempts=3) as adapter:
        with pytest.raises(SourceUnavailable, match="truncated JSON"):
            await adapter.latest([1])
    assert route.call_count == 3


@respx.mock
async def test_a_page_of_cloudflare_is_not_a_refusal_of_the_key() -> None:
    """403 with HTML may pass; it is none of the codes 1005 to 1007."""
    route = respx.get(LATEST).respond(403, html="<html>Access denied")
    async with source(attempts=3) as adapter:
        with pytest.raises(SourceUnavailable, match="gatekeeper"):
            await adapter.latest([1])
    assert route.call_count == 3


@respx.mock
async def test_an_echoed_key_and_line_breaks_do_not_reach_the_message() -> None:
    """What CoinMarketCap says is passed on as one line, of bearable length, without the key."""
    respx.get(LATEST).respond(401, json=failed(1001, f"key {KEY}\n\x1b[31m is invalid {'!' * 9000}"))
    async with source() as adapter:
        with pytest.raises(SourceRejected) as caught:
            await adapter.latest([1])
    assert KEY not in f"{caught.value!r}{caught.value.message}"
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 1200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=5,
)
STATUS = st.fixed_dictionaries({}, optional={"error_code": JSON, "error_message": JSON, "credit_count": JSON})


@given(st.integers(200, 599), JSON | STATUS)
def test_any_answer_is_good_or_one_of_our_errors(status: int, answer: object) -> None:
    """No status and no body makes the reader stumble; retrying is never asked for on a good answer."""
    envelope = read_envelope(status, answer)
    error = error_of(envelope, now=NOW, keyless=False)
    assert isinstance(error, (RetryableError, SourceRejected, ContractError, type(None)))
    if isinstance(error, EtlError):
        assert error.message.isprintable()
        assert error.next_step
    else:
        assert (status, envelope.code) == (200, 0)
    assert envelope.credits_used >= 0
