"""Which calls are made for prices, and what comes of them, at the wire."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import httpx
import respx

from adapters._bases.errors import SourceUnavailable
from extractors.coin_market_cap_extractor import extract_latest
from extractors.coin_market_cap_parser import Coin
from tests.support.http_sources import CMC, coin_market_cap, good, refused

LATEST = f"{CMC}/v3/cryptocurrency/quotes/latest"
NOW = datetime(2026, 11, 22, 12, 30, tzinfo=timezone.utc)


def ids_of(request: httpx.Request) -> list[int]:
    return [int(cmc_id) for cmc_id in request.url.params["id"].split(",")]


def latest_coin(cmc_id: int) -> dict[str, Any]:
    quote = [{"symbol": "USD", "price": float(cmc_id), "last_updated": "2026-11-22T12:29:00.000Z"}]
    return {"id": cmc_id, "name": f"Coin {cmc_id}", "symbol": f"C{cmc_id}", "cmc_rank": cmc_id, "quote": quote}


def coins_of(number: int) -> list[Coin]:
    return [Coin(f"C{cmc_id}", cmc_id) for cmc_id in range(1, number + 1)]


@respx.mock
async def test_latest_goes_in_batches_of_250() -> None:
    route = respx.get(LATEST).mock(side_effect=lambda request: good([latest_coin(i) for i in ids_of(request)]))
    async with coin_market_cap(NOW) as source:
        found, *others = await extract_latest(source, [*coins_of(600), Coin("D1", 1)], clock=lambda: NOW)
    assert sorted(len(ids_of(call.request)) for call in route.calls) == [100, 250, 250]
    prices = {(f"C{i}", float(i)) for i in range(1, 601)} | {("D1", 1.0)}
    assert {(quote.symbol, quote.price) for quote in found.quotes} == prices
    assert {quote.observed_at for quote in found.quotes} == {NOW}
    assert (found.rejects, *others) == ([], [], [])


@respx.mock
async def test_failed_batch_does_not_affect_the_others() -> None:
    """Its coins are not missing; those that an answer left out are, and one that came damaged is a problem."""

    def second_fails(request: httpx.Request) -> httpx.Response:
        return refused(500, 500) if 251 in ids_of(request) else good([latest_coin(1), {**latest_coin(2), "symbol": 5}])

    respx.get(LATEST).mock(side_effect=second_fails)
    async with coin_market_cap(NOW) as source:
        found, missing, failures = await extract_latest(source, coins_of(300), clock=lambda: NOW)
    assert [quote.symbol for quote in found.quotes] == ["C1"]
    assert [reject.symbol for reject in found.rejects] == ["C2"]
    assert missing == coins_of(250)[2:]
    assert [type(error) for error in failures] == [SourceUnavailable]
