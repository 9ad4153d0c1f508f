"""Binance at the wire: what is asked, what each refusal means, and how limits are heeded."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import datetime, timezone

import httpx
import pytest
import respx

from adapters._bases.errors import ClockError, EtlError, SourceRejected, SourceUnavailable
from adapters._bases.retry import RetryPolicy
from adapters.http.binance_http_adapter import UNKNOWN_PAIR, klines
from tests.support.http_sources import BINANCE, binance

START = datetime(2026, 11, 23, 11, 30, tzinfo=timezone.utc)
NOW = datetime(2026, 11, 23, 12, 7, 9, tzinfo=timezone.utc)
DATE = {"Date": "Mon, 23 Nov 2026 12:07:09 GMT"}
QUICK = RetryPolicy(attempts=3, total_seconds=5)
WEIGHT = "X-MBX-USED-WEIGHT-1M"

pytestmark = [pytest.mark.respx(base_url=BINANCE), pytest.mark.usefixtures("quick_retries")]


async def refused(respx_mock: respx.MockRouter, *answers: httpx.Response) -> EtlError:
    respx_mock.get("/api/v3/klines").mock(side_effect=[*answers])
    async with binance(NOW, retry=QUICK) as http:
        with pytest.raises(EtlError) as caught:
            await klines(http, "BTCUSDT", start=START, limit=1000)
    return caught.value


async def test_candles_are_requested_by_half_hours(respx_mock: respx.MockRouter) -> None:
    """Times in milliseconds, the end a millisecond later than the last candle opens; no key, no zone."""
    asked = respx_mock.get("/api/v3/klines").respond(json=[], headers=DATE)
    async with binance(NOW, retry=QUICK) as http:
        body, as_of = await klines(http, "BTCUSDT", start=START, end=START, limit=1000)
    times = {"startTime": "1795433400000", "endTime": "1795433400001"}
    assert dict(asked.calls.last.request.url.params) == {
        "symbol": "BTCUSDT",
        "interval": "30m",
        **times,
        "limit": "1000",
    }
    assert "x-mbx-apikey" not in asked.calls.last.request.headers
    assert (body, as_of) == ([], NOW)


async def test_answer_is_certain_up_to_the_earlier_clock(respx_mock: respx.MockRouter) -> None:
    """A wrong one is refused, a cached answer is old."""
    headers = [{"Date": f"Mon, 23 Nov 2026 {time} GMT"} for time in ("11:00:00", "12:05:00", "11:47:09")]
    headers[2]["Age"] = "1200"
    respx_mock.get("/api/v3/klines").side_effect = [httpx.Response(200, json=[], headers=one) for one in headers]
    async with binance(NOW, retry=QUICK) as http:
        with pytest.raises(ClockError):
            await klines(http, "BTCUSDT", start=START, limit=1)
        certain = [(await klines(http, "BTCUSDT", start=START, limit=1))[1] for _ in headers[1:]]
    assert certain == [NOW.replace(minute=5, second=0), NOW.replace(hour=11, minute=47)]


@pytest.mark.parametrize("status", [200, 500, 504])
async def test_failing_server_is_retried(respx_mock: respx.MockRouter, status: int) -> None:
    """Whether the status says so or an error object, a text or an empty body."""
    body = {"code": -1008, "msg": "Server is currently overloaded"}
    error = await refused(
        respx_mock, httpx.Response(status, json=body), httpx.Response(status, text="oops"), httpx.Response(202)
    )
    assert isinstance(error, SourceUnavailable)
    assert respx_mock.calls.call_count == 3


@pytest.mark.parametrize(
    ("code", "text", "words"),
    [
        (UNKNOWN_PAIR, "Invalid symbol.", "no such pair"),
        *((code, "Bad.\nx", f"code {code}): Bad. x") for code in (-1100, -1130)),
        (0, "Service unavailable from a restricted location according to 'b. Eligibility'", "country"),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 403])
async def test_refused_request_is_not_retried(
    respx_mock: respx.MockRouter, status: int, code: int, text: str, words: str
) -> None:
    """An error object is an error, regardless of the status."""
    error = await refused(respx_mock, httpx.Response(status, json={"code": code, "msg": text}, headers=DATE))
    assert isinstance(error, SourceRejected)
    assert words in error.message or (status == 400 and code == 0)
    assert respx_mock.calls.call_count == 1


@pytest.mark.parametrize(("weight", "calls"), [("4799", 2), ("4800", 1)])
async def test_calls_pause_near_the_weight_limit(respx_mock: respx.MockRouter, weight: str, calls: int) -> None:
    asked = respx_mock.get("/api/v3/klines").respond(json=[], headers={**DATE, WEIGHT: weight})
    async with binance(NOW, retry=QUICK) as http:
        await klines(http, "BTCUSDT", start=START, limit=1)
        with pytest.raises(SourceUnavailable) if calls == 1 else nullcontext() as caught:
            await klines(http, "BTCUSDT", start=START, limit=1)
    assert caught is None or 50 < (caught.value.retry_after_seconds or 0) <= 60
    assert asked.call_count == calls
