"""The door to HTTP, against respx at the wire and against real sockets where the fault needs one."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import ssl
import subprocess
import sys
from datetime import datetime, timezone

import httpx
import pytest
import respx
import stamina
from pytest_httpserver import HTTPServer

from adapters._bases.errors import (
    ConfigurationError,
    ContractError,
    EtlError,
    SourceRejected,
    SourceUnavailable,
)
from adapters._bases.http_adapter import WORDS, Answer, HttpAdapter, json_answer, translated
from adapters._bases.retry import RetryPolicy
from configurations.config import PROJECT_ROOT
from tests.support.raw_server import raw_server

BASE = "https://prices.test"
SECRET = "s3cret-0123456789abcdef"
NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=timezone.utc)
ONCE = RetryPolicy(attempts=1)
THRICE = RetryPolicy(attempts=3, wait_initial_seconds=0, wait_max_seconds=0, wait_jitter_seconds=0)


def door(base_url: str = BASE, *, retry: RetryPolicy = ONCE, timeout: float = 10, **more: int) -> HttpAdapter:
    """A door that sends a secret."""
    return HttpAdapter(
        base_url=base_url, headers={"X-Key": SECRET}, timeout_seconds=timeout, retry=retry, clock=lambda: NOW, **more
    )


async def ask(adapter: HttpAdapter, path: str = "/v1/price") -> object:
    """One question with a query, then the door is closed."""
    async with adapter:
        return await adapter.get(path, {"id": "1,2", "q": "query value"}, json_answer)


@respx.mock
async def test_a_good_answer_is_the_json_value() -> None:
    """The key travels in its header, JSON is asked for, and lists keep their commas."""
    route = respx.get(f"{BASE}/v1/price").respond(json={"price": 0.12345678901234568})
    assert await ask(door()) == {"price": 0.12345678901234568}
    request = route.calls.last.request
    assert request.headers["x-key"] == SECRET
    assert request.headers["accept"] == "application/json"
    assert request.url.raw_path == b"/v1/price?id=1,2&q=query+value"


@respx.mock
async def test_a_path_in_the_base_url_stays_before_the_path_asked_for() -> None:
    """The base may end in a path, with or without a slash."""
    route = respx.get(f"{BASE}/public-api/v1/price").respond(json=[])
    await ask(door(f"{BASE}/public-api"))
    await ask(door(f"{BASE}/public-api/"))
    assert route.call_count == 2


@respx.mock
async def test_a_compressed_answer_is_unpacked() -> None:
    """Gzip is asked for and understood."""
    packed = gzip.compress(b'{"price": 1}')
    respx.get(f"{BASE}/v1/price").respond(content=packed, headers={"content-encoding": "gzip"})
    assert await ask(door()) == {"price": 1}


@respx.mock
async def test_what_may_pass_is_tried_again() -> None:
    """A reset, then a 502 page, then the answer: the caller sees the answer alone."""
    route = respx.get(f"{BASE}/v1/price")
    route.side_effect = [httpx.ReadError("reset"), httpx.Response(502, html="<html>"), httpx.Response(200, json=1)]
    assert await ask(door(retry=THRICE)) == 1
    assert route.call_count == 3


@respx.mock
async def test_the_reader_decides_what_is_tried_again() -> None:
    """The service's own verdict runs inside the retry, for each answer anew."""
    route = respx.get(f"{BASE}/v1/price").respond(json={})
    seen: list[int] = []

    def twice_no(answer: Answer) -> str:
        seen.append(answer.status)
        if len(seen) < 3:
            raise SourceUnavailable("not yet")
        return answer.content.decode()

    async with door(retry=THRICE) as adapter:
        assert await adapter.get("/v1/price", {}, twice_no) == "{}"
        assert adapter.calls_made == 3
    assert (route.call_count, seen) == (3, [200, 200, 200])


@respx.mock
async def test_a_final_verdict_is_not_tried_again() -> None:
    """An error that is not for retrying comes out after one call."""
    route = respx.get(f"{BASE}/v1/price").respond(401, json={})

    def no(_answer: Answer) -> None:
        raise SourceRejected("no")

    async with door(retry=THRICE) as adapter:
        with pytest.raises(SourceRejected):
            await adapter.get("/v1/price", {}, no)
    assert route.call_count == 1


@respx.mock
@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "0.01"}, 0.01),
        ({"Retry-After": "Sun, 22 Nov 2026 12:00:00 GMT"}, 0.0),
        ({}, 0.002),
    ],
)
async def test_retry_after_is_the_wait_before_the_next_try(headers: dict[str, str], wait: float) -> None:
    """The header, in seconds or as a date, takes the place of the wait that the service's code stands for."""
    respx.get(f"{BASE}/v1/price").side_effect = [
        httpx.Response(429, json={}, headers=headers),
        httpx.Response(200, json={}),
    ]
    waits: list[float] = []

    def note(details: stamina.instrumentation.RetryDetails) -> None:
        waits.append(details.wait_for)

    def busy(answer: Answer) -> None:
        if answer.status == 429:
            raise SourceUnavailable("busy", retry_after_seconds=0.002)

    hooks = stamina.instrumentation.get_on_retry_hooks()
    stamina.instrumentation.set_on_retry_hooks([note])
    try:
        async with door(retry=THRICE) as adapter:
            await adapter.get("/v1/price", {}, busy)
    finally:
        stamina.instrumentation.set_on_retry_hooks(hooks)
    assert waits == [pytest.approx(wait)]


@respx.mock
async def test_a_wait_beyond_all_patience_is_not_begun() -> None:
    """A Retry-After longer than the policy's whole time ends the call, saying the wait."""
    route = respx.get(f"{BASE}/v1/price").respond(503, text="busy", headers={"Retry-After": "86400"})
    with pytest.raises(SourceUnavailable) as caught:
        await ask(door(retry=THRICE))
    assert (route.call_count, caught.value.retry_after_seconds) == (1, 86400)


async def test_a_redirect_is_refused_and_the_key_goes_nowhere(httpserver: HTTPServer) -> None:
    """The other address is never asked."""
    httpserver.expect_request("/v1/price").respond_with_data("", 302, {"Location": "/elsewhere"})
    httpserver.expect_request("/elsewhere").respond_with_json({})
    with pytest.raises(SourceRejected, match="redirect"):
        await ask(door(httpserver.url_for("").rstrip("/"), retry=THRICE))
    assert [request.path for request, _ in httpserver.log] == ["/v1/price"]


async def test_a_slow_drip_ends_at_the_deadline() -> None:
    """A body that never stops coming, byte by byte, is cut off by the time limit of one try."""

    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0)

    async with raw_server(drip) as url:
        with pytest.raises(SourceUnavailable, match=r"no complete answer within 0\.2 seconds"):
            await ask(door(url, timeout=0.2, max_body_bytes=1 << 40))


async def test_a_silent_server_ends_at_the_deadline() -> None:
    """A server that takes the question and says nothing does not hang the run."""
    forever = asyncio.Event()

    async def silence(_writer: asyncio.StreamWriter) -> None:
        await forever.wait()

    async with raw_server(silence) as url:
        with pytest.raises(SourceUnavailable, match="no complete answer"):
            await ask(door(url, timeout=0.1))
        forever.set()


async def test_a_reset_in_mid_body_is_unavailable() -> None:
    """A body shorter than it was announced is no answer."""

    async def torn(writer: asyncio.StreamWriter) -> None:
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"data":')
        await writer.drain()
        writer.transport.abort()

    async with raw_server(torn) as url:
        with pytest.raises(SourceUnavailable, match="broke off"):
            await ask(door(url))


async def test_what_is_no_http_is_unavailable() -> None:
    """Bytes that are no HTTP are an error of ours, not a parser's."""

    async def chatter(writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test ESMTP\r\n\r\n")

    async with raw_server(chatter) as url:
        with pytest.raises(SourceUnavailable, match="did not speak HTTP"):
            await ask(door(url))


async def test_a_refused_connection_is_unavailable_and_says_why() -> None:
    """The system's own word for it is passed on."""
    async with raw_server(lambda _writer: asyncio.sleep(0)) as url:
        pass
    with pytest.raises(SourceUnavailable, match="cannot be reached"):
        await ask(door(url))


async def test_an_endless_body_stops_at_the_limit() -> None:
    """A body past the limit is refused while it still comes."""

    async def flood(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 65536)
            await writer.drain()

    async with raw_server(flood) as url:
        with pytest.raises(ContractError, match="larger than 100000 bytes"):
            await ask(door(url, max_body_bytes=100_000))


def every_httpx_exception() -> list[type[Exception]]:
    """Every exception class that httpx exports."""
    members = (getattr(httpx, name) for name in httpx.__all__)
    return [kind for kind in members if isinstance(kind, type) and issubclass(kind, Exception)]


@respx.mock
@pytest.mark.parametrize("kind", every_httpx_exception(), ids=lambda kind: kind.__name__)
async def test_no_exception_of_httpx_gets_out(kind: type[Exception]) -> None:
    """Whatever httpx can raise comes out as one of ours, with the original as its cause and none of its text."""
    error = kind.__new__(kind)
    Exception.__init__(error, f"quotes {SECRET}")
    if isinstance(error, httpx.HTTPError):
        error.request = httpx.Request("GET", BASE)
    respx.get(f"{BASE}/v1/price").side_effect = error
    with pytest.raises(EtlError) as caught:
        await ask(door())
    assert caught.value.__cause__ is error
    assert caught.value.message.startswith("prices.test/v1/price")
    assert SECRET not in caught.value.message


def test_an_untrusted_certificate_stops_and_is_named() -> None:
    """A certificate that is not trusted is for a person to look at, not for trying again."""
    error = httpx.ConnectError("failed")
    error.__cause__ = ssl.SSLCertVerificationError("self-signed certificate")
    told = translated(error, "prices.test/v1")
    assert isinstance(told, SourceRejected)
    assert "certificate is not trusted" in told.message


@pytest.mark.parametrize("value", ["key\n", " key", "ключ", "a\r\nHost: evil"])
def test_a_key_that_cannot_be_sent_is_refused_unseen(value: str) -> None:
    """The header is named, its value is not, in the message or in what led to it."""
    with pytest.raises(ConfigurationError, match="X-Key") as caught:
        HttpAdapter(base_url=BASE, headers={"X-Key": value}, timeout_seconds=1, retry=ONCE, clock=lambda: NOW)
    assert value.strip() not in caught.value.message
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("base_url", ["http://prices.test:port", "ftp://prices.test", "prices.test"])
async def test_an_address_that_cannot_be_asked_is_a_wrong_setting(base_url: str) -> None:
    """The base URL is named as what to check."""
    with pytest.raises(ConfigurationError) as caught:
        await ask(door(base_url))
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
async def test_no_header_and_no_query_value_is_in_a_message(answer: httpx.Response | Exception) -> None:
    """Messages name host and path, nothing of what was sent."""
    route = respx.get(f"{BASE}/v1/price")
    if isinstance(answer, Exception):
        route.side_effect = answer
    else:
        route.return_value = answer
    with pytest.raises(EtlError) as caught:
        await ask(door())
    shown = f"{caught.value!r} {caught.value.message} {caught.value.next_step}"
    assert SECRET not in shown
    assert "query value" not in shown
    assert "query+value" not in shown


@respx.mock
async def test_an_echoed_secret_can_be_taken_out() -> None:
    """What a service echoes of the headers is masked by `redact`."""
    async with door() as adapter:
        assert adapter.redact(f"key {SECRET} is wrong") == "key *** is wrong"


@respx.mock
@pytest.mark.parametrize(
    ("status", "kind", "calls"),
    [
        (408, SourceUnavailable, 3),
        (429, SourceUnavailable, 3),
        (500, SourceUnavailable, 3),
        (503, SourceUnavailable, 3),
        (400, SourceRejected, 1),
        (401, SourceRejected, 1),
        (403, SourceRejected, 1),
        (404, SourceRejected, 1),
        (204, SourceRejected, 1),
    ],
)
async def test_a_plain_service_is_judged_by_its_status(status: int, kind: type[EtlError], calls: int) -> None:
    """Limits and failing servers are tried again, refusals are not; each try is counted."""
    respx.get(f"{BASE}/v1/price").respond(status, json={"message": f"quotes {SECRET}"})
    async with door(retry=THRICE) as adapter:
        with pytest.raises(kind, match=rf"prices\.test/v1/price: HTTP {status}") as caught:
            await adapter.get_json("/v1/price", {})
        assert adapter.calls_made == calls
    assert caught.value.next_step
    assert SECRET not in caught.value.message


@respx.mock
async def test_a_plain_service_answers_with_a_json_value() -> None:
    """A 200 with JSON is the value; a page of HTML with 200 is no answer."""
    respx.get(f"{BASE}/v1/price").side_effect = [httpx.Response(200, html="<html>"), httpx.Response(200, json=[1.5])]
    async with door(retry=THRICE) as adapter:
        assert await adapter.get_json("/v1/price", {}) == [1.5]
        assert adapter.calls_made == 2


def test_the_words_are_for_exceptions_that_httpx_has() -> None:
    """The table names its classes as texts, so that httpx need not be loaded for it."""
    assert set(WORDS) <= {kind.__name__ for kind in every_httpx_exception()}


def test_httpx_is_loaded_with_the_first_adapter_only() -> None:
    """Commands that import the adapters, the extractors or the jobs and ask nothing do not wait for it."""
    program = (
        "import sys, datetime, crons.jobs.cmc_hourly_prices, extractors.coin_market_cap_extractor\n"
        "from adapters._bases.http_adapter import HttpAdapter\n"
        "from adapters._bases.retry import RetryPolicy\n"
        "before = 'httpx' in sys.modules\n"
        "HttpAdapter(base_url='https://a.test', headers={}, timeout_seconds=1, retry=RetryPolicy(),"
        " clock=datetime.datetime.now)\n"
        "print(before, 'httpx' in sys.modules)"
    )
    environment = {"PYTHONPATH": str(PROJECT_ROOT / "src"), "PATH": os.environ["PATH"]}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("False True\n", "")


@respx.mock
async def test_the_gate_is_open_during_a_try_only() -> None:
    """The gate is passed once for each try and left before the wait that follows."""
    respx.get(f"{BASE}/v1/price").side_effect = [httpx.ReadError("x"), httpx.Response(200, content=json.dumps(1))]
    steps: list[str] = []

    class Gate:
        async def __aenter__(self) -> None:
            steps.append("in")

        async def __aexit__(self, *_: object) -> None:
            steps.append("out")

    async with door(retry=THRICE) as adapter:
        await adapter.get("/v1/price", {}, json_answer, gate=Gate)
    assert steps == ["in", "out", "in", "out"]
