"""Which calls are made for prices, and what comes of them, at the wire."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
import respx

from adapters._bases.errors import EtlError, SourceRejected, SourceUnavailable
from adapters._bases.tehran_time import HOUR
from extractors.coin_market_cap_extractor import extract_historical, extract_latest
from extractors.coin_market_cap_parser import Coin
from extractors.coin_market_cap_plan import HistoricalCall
from extractors.concurrently import concurrently
from tests.support.http_sources import CMC, coin_market_cap, good, refused

LATEST = f"{CMC}/v3/cryptocurrency/quotes/latest"
HISTORICAL = f"{CMC}/v3/cryptocurrency/quotes/historical"
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
        found = await extract_latest(source, [*coins_of(600), Coin("D1", 1)], clock=lambda: NOW)
    assert sorted(len(ids_of(call.request)) for call in route.calls) == [100, 250, 250]
    prices = {(f"C{i}", float(i)) for i in range(1, 601)} | {("D1", 1.0)}
    assert {(quote.symbol, quote.price) for quote in found.quotes} == prices
    assert {quote.observed_at for quote in found.quotes} == {NOW}
    assert found[1:] == ([], [], [])


@respx.mock
async def test_failed_batch_does_not_affect_the_others() -> None:
    """Its coins are not missing; those that an answer left out are, and one that came damaged is a problem."""

    def second_fails(request: httpx.Request) -> httpx.Response:
        return refused(500, 500) if 251 in ids_of(request) else good([latest_coin(1), {**latest_coin(2), "symbol": 5}])

    respx.get(LATEST).mock(side_effect=second_fails)
    async with coin_market_cap(NOW) as source:
        found = await extract_latest(source, coins_of(300), clock=lambda: NOW)
    assert [quote.symbol for quote in found.quotes] == ["C1"]
    assert [problem.symbol for problem in found.problems] == ["C2"]
    assert found.missing == coins_of(250)[2:]
    assert [type(error) for error in found.failures] == [SourceUnavailable]


def past(request: httpx.Request) -> httpx.Response:
    """Every half hour after time_start up to time_end, the price its id."""
    start, end = (datetime.fromisoformat(request.url.params[key][:-1]) for key in ("time_start", "time_end"))
    steps = int((end - start) / timedelta(minutes=30))
    stamps = [f"{(start + timedelta(minutes=30 * step)).isoformat()}.000Z" for step in range(1, steps + 1)]
    return good({str(i): _past_coin(i, stamps) for i in ids_of(request)})


def _past_coin(cmc_id: int, stamps: list[str]) -> dict[str, Any]:
    quotes = [{"timestamp": stamp, "quote": {"USD": {"price": float(cmc_id), "timestamp": stamp}}} for stamp in stamps]
    return {"id": cmc_id, "name": f"Coin {cmc_id}", "symbol": f"C{cmc_id}", "quotes": quotes}


def calls_of(number: int) -> list[HistoricalCall]:
    return [HistoricalCall((coin.cmc_id,), NOW - HOUR, NOW) for coin in coins_of(number)]


@pytest.mark.parametrize(("bad", "calls"), [({3}, 20), ({0}, 20), (set(range(8)), 8), (set(range(20)), 8)])
async def test_call_that_fails_affects_no_other_unless_many_fail_in_a_row(bad: set[int], calls: int) -> None:
    made: list[int] = []

    async def ask(number: int) -> list[int]:
        made.append(number)
        if number in bad:
            raise SourceUnavailable("down")
        return [number]

    failed: list[tuple[int, EtlError]] = []
    with pytest.raises(SourceUnavailable) if calls == 8 else nullcontext():
        found = concurrently(range(20), ask, tolerate=lambda _call, _error: False, failed=failed)
        assert [part async for part in found] == [number for number in range(20) if number not in bad]
    assert (len(made), {call for call, _ in failed}) == (calls, bad & set(range(8)))


@respx.mock
async def test_paid_answers_are_yielded_before_a_failure() -> None:
    """The second of many calls fails: those under way still come, no other is made, then the error is raised."""
    made: list[int] = []

    def second_refused(request: httpx.Request) -> httpx.Response:
        made.append(len(made))
        return refused(402, 1003) if len(made) == 2 else past(request)

    respx.get(HISTORICAL).mock(side_effect=second_refused)
    calls = calls_of(20)
    async with coin_market_cap(NOW) as source:
        answers = extract_historical(source, calls, coins_of(20), settled=NOW, failed=[])
        assert [(await anext(answers))[0] for _ in range(4)] == [calls[0], *calls[2:5]]
        with pytest.raises(SourceRejected):
            await anext(answers)
    assert len(made) == 5


@respx.mock
async def test_answer_does_not_wait_for_that_of_an_earlier_call() -> None:
    """The second of five calls hangs: the others' answers come; leaving early cancels what is under way."""
    made: list[int] = []
    ended = asyncio.Event()

    async def second_hangs(request: httpx.Request) -> httpx.Response:
        made.append(len(made))
        if len(made) == 2:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()
        return past(request)

    respx.get(HISTORICAL).mock(side_effect=second_hangs)
    calls = calls_of(5)
    async with coin_market_cap(NOW) as source:
        answers = extract_historical(source, calls, coins_of(5), settled=NOW, failed=[])
        parts = [(await anext(answers))[0] for _ in calls[1:]]
        await answers.aclose()
    assert sorted(parts) == sorted([calls[0], *calls[2:]])
    assert ended.is_set()
