"""The adapters of both sources over a mocked wire, and CoinMarketCap's answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import httpx

from adapters._bases.http_adapter import HttpAdapter
from adapters._bases.retry import RetryPolicy
from adapters.http.coin_market_cap_http_adapter import KEY_HEADER, CoinMarketCapHttpAdapter

CMC = "https://cmc.test"
BINANCE = "https://binance.test"
KEY = "0f9e8d7c-aaaa-bbbb-cccc-0123456789ab"
ONCE = RetryPolicy(attempts=1)


@asynccontextmanager
async def coin_market_cap(now: datetime, *, retry: RetryPolicy = ONCE) -> AsyncIterator[CoinMarketCapHttpAdapter]:
    """CoinMarketCap's adapter at a time, with a key."""
    headers = {KEY_HEADER: KEY}
    async with HttpAdapter(base_url=CMC, headers=headers, timeout_seconds=5, retry=retry, clock=lambda: now) as http:
        yield CoinMarketCapHttpAdapter(http=http, clock=lambda: now, keyless=False)


def binance(now: datetime, *, retry: RetryPolicy = ONCE) -> HttpAdapter:
    return HttpAdapter(base_url=BINANCE, headers={}, timeout_seconds=5, retry=retry, clock=lambda: now)


def good(data: object) -> httpx.Response:
    return httpx.Response(200, json={"status": {"error_code": "0", "credit_count": 1}, "data": data})


def refused(status: int, code: object, text: object = "words") -> httpx.Response:
    return httpx.Response(status, json={"status": {"error_code": code, "error_message": text, "credit_count": 0}})
