"""HTTP, against respx at the wire and against real sockets where the fault needs one."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import strategies as st

from adapters._bases.errors import (
    ClockError,
    ConfigurationError,
    EtlError,
    SourceRejected,
    SourceUnavailable,
)
from adapters._bases.http_adapter import (
    CLOCK_TOLERANCE,
    Answer,
    HttpAdapter,
    json_answer,
    minute_limiter,
    read_json,
    retry_after_seconds,
)
from adapters._bases.retry import RetryPolicy
from tests.support.odd_ports import ALERT, answering, hanging_up, plain, port_of, with_tls

pytestmark = pytest.mark.usefixtures("quick_retries")

BASE = "https://prices.test"
PRICE = f"{BASE}/v1/price"
SECRET = "s3cret-0123456789abcdef"
NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=timezone.utc)
ONCE = RetryPolicy(attempts=1)
THRICE = RetryPolicy(attempts=3)


def opened(base_url: str = BASE, *, retry: RetryPolicy = ONCE, **more: Any) -> HttpAdapter:
    return HttpAdapter(
        base_url=base_url, headers={"X-Key": SECRET}, timeout_seconds=10, retry=retry, clock=lambda: NOW, **more
    )


def answer_with(headers: dict[str, str], asked_at: datetime = NOW) -> Answer:
    return Answer("it", 200, b"", headers, asked_at)


async def ask(adapter: HttpAdapter) -> object:
    async with adapter:
        return await adapter.get("/v1/price", {"id": "1,2", "q": "query value"}, json_answer)


@respx.mock
async def test_good_answer_is_the_json_value() -> None:
    """The key travels in its header, JSON and gzip are requested, and lists keep their commas."""
    packed = gzip.compress(b'{"price": 0.12345678901234568}')
    route = respx.get(PRICE).respond(content=packed, headers={"content-encoding": "gzip"})
    assert await ask(opened()) == {"price": 0.12345678901234568}
    request = route.calls.last.request
    assert (request.headers["x-key"], request.headers["accept"]) == (SECRET, "application/json")
    assert request.url.raw_path == b"/v1/price?id=1,2&q=query+value"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 1.5 ", 1.5),
        ("-3", 0.0),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 11:59:30 GMT", 0.0),
        ("Sun, 22 Nov 2026 12:00:30 -0000", 30.0),
        *((value, None) for value in ("", "nan", "inf", "soon")),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(value: str, seconds: float | None) -> None:
    """The past is no wait, nonsense counts as no header; a date counts from the answer's own clock."""
    assert retry_after_seconds(answer_with({"retry-after": value})) == seconds
    own = {"retry-after": value, "date": "Sun, 22 Nov 2026 12:00:00 GMT"}
    assert retry_after_seconds(answer_with(own, NOW + timedelta(hours=1))) == seconds


@given(st.text(max_size=60), st.text(max_size=60))
def test_unreadable_headers_never_raise(value: str, date: str) -> None:
    assert (retry_after_seconds(answer_with({"retry-after": value, "date": date})) or 0) >= 0


@given(st.timedeltas(-timedelta(days=900), timedelta(days=900)) | st.sampled_from([CLOCK_TOLERANCE, -CLOCK_TOLERANCE]))
def test_clocks_may_differ_by_the_tolerance(difference: timedelta) -> None:
    """Ahead or behind alike; a source that gives no time is not compared."""
    adapter, answer = opened(), answer_with({})
    assert not adapter.is_old(answer, None)
    if abs(difference) <= CLOCK_TOLERANCE:
        assert not adapter.is_old(answer, NOW - difference)
        return
    with pytest.raises(ClockError):
        adapter.is_old(answer, NOW - difference)


@pytest.mark.parametrize(
    ("minutes", "headers", "previous", "old"),
    [
        (20, {"age": "1200"}, None, True),
        (60, {"age": "3500"}, None, True),
        (20, {}, 0, True),
        (60, {"age": "1200"}, None, None),
        (20, {"age": "9" * 30}, None, None),
        (-20, {"age": "1200"}, 0, None),
        (20, {}, 30, None),
    ],
)
def test_old_answer_of_a_cache_is_not_a_wrong_clock(
    minutes: int, headers: dict[str, str], previous: int | None, *, old: bool | None
) -> None:
    """Its age says so, or an answer before it that was newer and not wrong itself. None: a wrong clock."""
    adapter = opened()
    if previous is not None:
        with nullcontext() if previous == 0 else pytest.raises(ClockError):
            adapter.is_old(answer_with({}), NOW - timedelta(minutes=previous))
    with pytest.raises(ClockError) if old is None else nullcontext():
        assert adapter.is_old(answer_with(headers), NOW - timedelta(minutes=minutes)) == old


BANNED = f"Way too much request weight used; IP banned until {int(NOW.timestamp() * 1000) + 600_000}."


@respx.mock
@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (httpx.Response(429, json={}, headers={"Retry-After": "120"}), 120),
        (httpx.Response(418, json={"msg": BANNED}), 600),
        (httpx.Response(429, json={"msg": BANNED}, headers={"Retry-After": "5"}), 600),
        (httpx.Response(429, html="<html><title>Just a moment...</title>"), 60),
        (httpx.Response(418), 60),
    ],
)
async def test_limit_holds_back_every_call(answer: httpx.Response, seconds: float) -> None:
    """As long as the answer says, in a header or in its text; for a minute if it does not."""
    route = respx.get(PRICE).mock(side_effect=[answer])
    async with opened() as adapter:
        found = await asyncio.gather(
            *(adapter.get("/v1/price", {}, read_json) for _ in range(3)), return_exceptions=True
        )
    for error in found:
        assert isinstance(error, SourceUnavailable)
        assert seconds - 5 <= (error.retry_after_seconds or 0) <= seconds
    assert route.call_count == 1


@given(st.integers(2, 100_000))
def test_minute_never_has_more_calls_than_the_limit(limit: int) -> None:
    """What may go at once, and what drains in the 60 seconds after it, are together the limit at most."""
    bucket = minute_limiter(limit)
    assert bucket.max_rate >= 1
    assert bucket.max_rate + 60 * bucket.max_rate / bucket.time_period <= limit * (1 + 1e-9)


BLOCKED = "<h1>Error 1009</h1> The owner has banned the country or region your IP address is in (IR)"


@respx.mock
@pytest.mark.parametrize(
    ("status", "page", "country"),
    [
        (451, "", True),
        (451, '{"msg": "no"}', True),
        (403, BLOCKED, True),
        (403, '{"msg": "Not available in Iran."}', True),
        (403, '<div role="region">Access denied</div>', False),
    ],
)
async def test_refused_country_is_final_and_explained(status: int, page: str, *, country: bool) -> None:
    """A gatekeeper's page without a reason is asked once more, after a minute."""
    respx.get(PRICE).respond(status, text=page)
    async with opened(setting="PRICE_BASE_URL", retry=RetryPolicy()) as adapter:
        with pytest.raises(SourceRejected if country else SourceUnavailable, match=f"HTTP {status}") as caught:
            await adapter.get("/v1/price", {}, read_json)
        assert (adapter.calls_made, "country" in caught.value.message) == (1 if country else 2, country)
    assert all(name in caught.value.next_step for name in ("PRICE_BASE_URL", "HTTPS_PROXY", "ALL_PROXY"))


@pytest.mark.parametrize(
    ("serve", "scheme", "words"),
    [
        (plain, "https", "does not speak TLS"),
        (answering(ALERT), "http", "requires https"),
        (with_tls, "https", "certificate is not trusted"),
        (hanging_up, "http", None),
    ],
    ids=["TLS to a plain port", "an alert", "certificate", "hangs up"],
)
async def test_wrong_port_or_certificate_is_not_retried(
    serve: Callable[[socket.socket], None], scheme: str, words: str | None
) -> None:
    """The base URL is what to correct; what only hangs up may be starting, and is retried."""
    with port_of(serve) as port:
        async with opened(f"{scheme}://127.0.0.1:{port}", retry=THRICE) as adapter:
            with pytest.raises(SourceRejected if words else SourceUnavailable, match=words) as caught:
                await adapter.get("/v1/price", {}, read_json)
            assert adapter.calls_made == (1 if words else 3)
    assert "base URL" in caught.value.next_step or words is None


async def test_refused_connection_and_unknown_host_are_named() -> None:
    """The system's own words are passed on; an unknown name is tried twice at most."""
    with pytest.raises(SourceUnavailable, match="cannot be reached"):
        await ask(opened("http://127.0.0.1:1"))
    async with opened("http://no-such-host.invalid", retry=THRICE) as adapter:
        with pytest.raises(SourceUnavailable, match="unknown host name"):
            await adapter.get("/", {}, read_json)
        assert adapter.calls_made == 2


def every_httpx_exception() -> list[type[Exception]]:
    members = (getattr(httpx, name) for name in httpx.__all__)
    return [kind for kind in members if isinstance(kind, type) and issubclass(kind, Exception)]


@respx.mock
@pytest.mark.parametrize("kind", every_httpx_exception(), ids=lambda kind: kind.__name__)
async def test_every_httpx_exception_is_translated(kind: type[Exception]) -> None:
    error = kind.__new__(kind)
    Exception.__init__(error, f"quotes {SECRET}")
    if isinstance(error, httpx.HTTPError):
        error.request = httpx.Request("GET", BASE)
    respx.get(PRICE).side_effect = error
    with pytest.raises(EtlError) as caught:
        await ask(opened())
    assert caught.value.__cause__ is error
    assert caught.value.message.startswith("prices.test/v1/price")
    assert SECRET not in caught.value.message


@pytest.mark.parametrize("base_url", ["http://prices.test:port", "ftp://prices.test", "prices.test"])
async def test_unusable_address_is_a_wrong_setting(base_url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await ask(opened(base_url))
    assert "base URL" in caught.value.next_step


@respx.mock
@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, html="<html>"),
        httpx.Response(301, headers={"Location": f"https://evil.test/{SECRET}"}),
        httpx.Response(404, text="?"),
        httpx.Response(200, content=b"x", headers={"content-encoding": "br"}),
        httpx.ConnectError("refused"),
    ],
)
async def test_message_shows_no_header_and_no_query(answer: httpx.Response | Exception) -> None:
    """Messages name host and path only; what a service echoes is masked by `redact`."""
    respx.get(PRICE).mock(side_effect=[answer])
    adapter = opened()
    with pytest.raises(EtlError) as caught:
        await ask(adapter)
    text = f"{caught.value!r} {caught.value.message} {caught.value.next_step}"
    assert not any(secret in text for secret in (SECRET, "query value", "query+value"))
    assert adapter.redact(f"key {SECRET} is wrong") == "key *** is wrong"


@respx.mock
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, SourceUnavailable) for status in (202, 204, 408, 425, 500, 503, 599)),
        *((status, SourceRejected) for status in (400, 401, 403, 404, 499)),
    ],
)
async def test_answer_is_judged_by_its_status(status: int, kind: type[EtlError]) -> None:
    respx.get(PRICE).respond(status, json={"message": "words"})
    async with opened(retry=THRICE) as adapter:
        with pytest.raises(kind, match=rf"prices\.test/v1/price .* \(HTTP {status}\)"):
            await adapter.get("/v1/price", {}, read_json)
        assert adapter.calls_made == (3 if kind is SourceUnavailable else 1)
        respx.get(PRICE).respond(json=[1.5])
        assert await adapter.get("/v1/price", {}, read_json) == [1.5]
