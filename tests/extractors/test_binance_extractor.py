"""Binance's JSON as candles, and the calls that bring hours."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from adapters._bases.errors import ContractError, SourceRejected
from adapters._bases.tehran_time import HOUR
from adapters.files.choices import KnownPair, pair_choices
from adapters.http.binance_http_adapter import UNKNOWN_PAIR
from extractors.binance_extractor import other_base, pair_state, read_candles, resolve_pairs
from extractors.candles import LONGEST, plan_calls
from tests.support.http_sources import BINANCE, binance
from transformers.coverage import hours_by_key

PRICES = ["86123.45000000", "86200.00000000", "86001.10000000", "86150.75000000", "12.50000000"]
ROW: list[Any] = [1795433400000, *PRICES, 1795435199999, "1076884.37500000", 4321, "6.00000000", "516904.50000000", "0"]
START = datetime(2026, 11, 23, 11, 30, tzinfo=timezone.utc)
LISTED = datetime(2017, 8, 17, 4, tzinfo=timezone.utc)
PAIR = KnownPair("BTCUSDT", "USDT", LISTED)
pytestmark = pytest.mark.respx(base_url=BINANCE, assert_all_called=False)


def changed(position: int, value: object) -> list[list[Any]]:
    return [[*ROW[:position], value, *ROW[position + 1 :]]]


def test_row_is_read_by_its_positions() -> None:
    assert read_candles([ROW]) == [(START, *PRICES, "1076884.37500000", 4321)]
    assert read_candles([]) == []


@pytest.mark.parametrize("minutes", [1, 60, 7 * 24 * 60])
def test_candles_of_other_lengths_are_refused(minutes: int) -> None:
    length = minutes * 60_000
    rows = [[ROW[0] + number * length, *PRICES, ROW[0] + (number + 1) * length - 1, *ROW[7:]] for number in range(4)]
    with pytest.raises(ContractError, match=f"not half hours, but {minutes} minutes long"):
        read_candles(rows)


@pytest.mark.parametrize(
    "body", [{}, {"code": 0, "msg": "ok"}, [ROW[:8]], [5], changed(0, "x"), changed(0, ROW[0] * 1000)]
)
def test_undocumented_form_is_refused(body: object) -> None:
    """An object, too few positions, another type, times that are none, microseconds."""
    with pytest.raises(ContractError):
        read_candles(body)


@pytest.mark.parametrize("row", [None, [], "candle", ROW[:5], changed(0, None)[0], changed(0, 10**30)[0]])
def test_row_that_cannot_be_read_costs_only_itself(row: object) -> None:
    with capture_logs() as logs:
        assert read_candles([ROW, row, ROW]) == read_candles([ROW, ROW])
    assert [line["event"] for line in logs] == ["candle that cannot be read"]


@pytest.mark.parametrize(
    "row",
    [
        [*ROW, "0"],
        [str(ROW[0]), *map(float, PRICES), None, float(ROW[7]), "4321"],
        *(changed(6, ROW[6] + odd)[0] for odd in (-105_211, 1, -999, -3_600_000)),
    ],
    ids=["a position more", "numbers and texts exchanged", "cut short", "late", "a whole second", "before it opens"],
)
def test_odd_row_keeps_its_numbers(row: list[Any]) -> None:
    [candle] = read_candles([row])
    numbers = [float(text) for text in candle[1:7]]
    assert (candle.opens, numbers, candle.trades) == (START, [*map(float, PRICES), float(ROW[7])], 4321)


@given(st.sets(st.integers(0, 3800), max_size=40))
def test_each_wanted_hour_is_in_one_call(offsets: set[int]) -> None:
    wanted = hours_by_key(START + offset * HOUR for offset in sorted(offsets))
    calls = plan_calls({"BTC": wanted})
    assert [hour for call in calls for hour in call.hours.items()] == list(wanted.items())
    assert all(call.end - call.start < LONGEST for call in calls)


def wire(router: respx.MockRouter, *, status: str = "TRADING") -> respx.Route:
    """Binance with BTCUSDT, of this status, alone; any other pair is unknown. Returns the route of its candles."""
    unknown = httpx.Response(400, json={"code": UNKNOWN_PAIR, "msg": "Invalid symbol."})
    info = {"symbols": [{"symbol": name, "status": status, "quoteAsset": "USDT"} for name in ("ETHUSDT", "BTCUSDT")]}
    known = {"symbol": "BTCUSDT"}
    router.get("/api/v3/exchangeInfo", params__contains=known).respond(json=info)
    candles = router.get("/api/v3/klines", params__contains=known).respond(json=[ROW])
    router.route(path__startswith="/api/v3").mock(return_value=unknown)
    return candles


async def test_pairs_are_looked_up_once_and_kept(tmp_path: Path, respx_mock: respx.MockRouter) -> None:
    candles = wire(respx_mock)
    choices, pair = pair_choices(tmp_path), KnownPair("BTCUSDT", "USDT", START)
    choices.save({"ETH": PAIR, "BTC": KnownPair("BTCUSDC", "USDC", LISTED)})
    async with binance(START) as source:
        wanted = {"NOPE": "NOPEUSDT", "BTC": "BTCUSDT", "ETH": "BTCUSDT"}
        known, errors, notes = await resolve_pairs(source, choices, wanted)
        assert known == {"BTC": pair, "ETH": PAIR}
        assert [symbol for symbol, error in errors.items() if isinstance(error, SourceRejected)] == ["NOPE"]
        assert [note.split()[:4] for note in notes] == [["BTC", "now", "means", "BTCUSDT,"]]
        assert choices.load() == known
        assert (await resolve_pairs(source, choices, {"BTC": "BTCUSDT"}))[0] == {"BTC": pair}
    assert [call.request.url.params["limit"] for call in candles.calls] == ["1"]


async def test_pair_without_candles_is_a_complaint(tmp_path: Path, respx_mock: respx.MockRouter) -> None:
    """One that was announced, or a maintenance before the first look-up; one with candles is kept and noted."""
    candles = wire(respx_mock, status="BREAK").respond(json=[])
    choices = pair_choices(tmp_path)
    async with binance(START) as source:
        known, errors, notes = await resolve_pairs(source, choices, {"BTC": "BTCUSDT"})
        assert (known, list(errors), notes) == ({}, ["BTC"], [])
        candles.respond(json=[ROW])
        known, none, notes = await resolve_pairs(source, choices, {"BTC": "BTCUSDT"})
        assert (list(known), none, len(notes)) == (["BTC"], {}, 1)
        for line in (errors["BTC"].message, *notes, (await pair_state(source, "BTC", "BTCUSDT"))[0]):
            assert "BTCUSDT is not trading now, its status at Binance is BREAK" in line
        assert "no such pair" in (await pair_state(source, "NOPE", "NOPEUSDT"))[0]


@pytest.mark.parametrize(
    ("symbol", "base", "prices_of"),
    [
        ("SATS", "1000SATS", "of 1,000 SATS"),
        ("MOG", "1000000MOG", "of 1,000,000 MOG"),
        ("BABYDOGE", "1MBABYDOGE", "of 1MBABYDOGE"),
        ("BTC", "ETH", "of ETH"),
        ("BTC", "BTC", ""),
        ("BTC", "", ""),
    ],
)
def test_pair_of_another_coin_is_named(symbol: str, base: str, prices_of: str) -> None:
    line = other_base(symbol, f"{base}USDT", base)
    assert (prices_of in line) if prices_of else line == ""


async def test_refusal_of_the_network_is_not_blamed_on_a_pair(tmp_path: Path, respx_mock: respx.MockRouter) -> None:
    respx_mock.route().respond(451)
    async with binance(START) as source:
        with pytest.raises(SourceRejected):
            await resolve_pairs(source, pair_choices(tmp_path), {"BTC": "BTCUSDT"})
        with pytest.raises(SourceRejected):
            await pair_state(source, "BTC", "BTCUSDT")
