"""The simulated sources serve one smooth market, with the bodies and by the rules of the real ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest
from coinmarketcap import models as official

from sandbox.binance import ExchangeStandIn
from sandbox.coin_market_cap import KEY_HEADER
from sandbox.market import Market, listed_coins
from tests.support import faults
from tests.support.faulty_source import FaultySource
from tests.support.stepped_clock import SteppedClock

FIXTURES = Path(__file__).parents[1] / "fixtures"
LATEST = "/v3/cryptocurrency/quotes/latest"
HISTORICAL = "/v3/cryptocurrency/quotes/historical"
RECORDED = json.loads((FIXTURES / "binance" / "klines.json").read_text())
LENGTHS = {"1w": 7 * 86_400_000, "1m": 60_000}
HALF_HOUR = 1_800_000
MARKET = Market(listed_coins())


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(datetime(2026, 11, 22, 12, 7, 21, tzinfo=timezone.utc))


@pytest.fixture
def stand_in(clock: SteppedClock) -> Iterator[FaultySource]:
    """CoinMarketCap."""
    with FaultySource(clock=clock) as serving:
        yield serving


@pytest.fixture
def client(stand_in: FaultySource) -> Iterator[httpx.Client]:
    """Sends the source's key."""
    with httpx.Client(base_url=stand_in.base_url, headers={KEY_HEADER: stand_in.key}, timeout=10) as plain:
        yield plain


@pytest.fixture
def binance(clock: SteppedClock) -> Iterator[httpx.Client]:
    """Asks Binance."""
    with ExchangeStandIn(MARKET, clock=clock) as exchange, httpx.Client(base_url=exchange.base_url) as client:
        yield client


def candles(client: httpx.Client, start: datetime, limit: int) -> list[list[Any]]:
    """The candles of Bitcoin from a time on."""
    milliseconds = int(start.timestamp() * 1000)
    asked = {"symbol": "BTCUSDT", "interval": "30m", "startTime": str(milliseconds), "limit": str(limit)}
    rows: list[list[Any]] = client.get("/api/v3/klines", params=asked).raise_for_status().json()
    return rows


def fields(body: Any, place: str = "") -> dict[str, bool]:
    """The place of each value, and whether it is text; positions and coin ids as keys count as one."""
    if not isinstance(body, dict | list):
        return {} if body is None else {place: isinstance(body, str)}
    parts = body.items() if isinstance(body, dict) else (("0", part) for part in body)
    found: dict[str, bool] = {}
    for key, part in parts:
        found |= fields(part, f"{place}.{'0' if key.isdigit() else key}")
    return found


@pytest.mark.parametrize(
    ("code", "model"),
    [
        (1001, official.HTTPStatus401ErrorObject),
        (1008, official.HTTPStatus429ErrorObject),
        (1010, official.HTTPStatus429ErrorObject),
        (500, official.HTTPStatus500ErrorObject),
    ],
)
def test_refusal_parses_with_official_model(
    stand_in: FaultySource, client: httpx.Client, code: int, model: Any
) -> None:
    stand_in.faults.push(faults.refused(code))
    response = client.get(f"{LATEST}?id=1")
    body = response.json()
    assert str(response.status_code) in model.__name__
    assert model.from_dict(body).to_dict() == body
    assert (body["status"]["error_code"], body["status"]["credit_count"], set(body)) == (code, 0, {"status"})


@pytest.mark.parametrize(
    ("target", "sample"),
    [
        (f"{LATEST}?id=1,1027,5426", "v3_quotes_latest.json"),
        (f"{LATEST}?id=777", "v3_quotes_latest_unknown_symbol.json"),
        (f"{HISTORICAL}?id=1,1027&interval=1h&count=3&time_start=2026-11-22", "v2_quotes_historical_by_ids.json"),
        ("/v1/cryptocurrency/map?symbol=BTC,SOL", "map_by_symbol.json"),
        ("/v1/key/info", "key_info.json"),
        ("/v1/cryptocurrency/map?symbol=NOTACOIN,NOTACOIN2", "error_400_invalid_symbols.json"),
    ],
)
def test_body_has_the_places_and_types_of_the_sample(client: httpx.Client, target: str, sample: str) -> None:
    recorded = json.loads((FIXTURES / "coinmarketcap" / sample).read_text())
    assert fields(client.get(target).json()).items() <= fields(recorded).items()


def test_candle_has_the_form_of_recorded_ones(binance: httpx.Client, clock: SteppedClock) -> None:
    """Twelve positions, decimals as texts of eight places, the close time a millisecond before the next candle."""
    [served] = candles(binance, clock.now - timedelta(hours=2), 1)
    for interval, length in LENGTHS.items():
        assert form(served, HALF_HOUR) == form(RECORDED[interval], length)


def form(row: list[Any], length: int) -> list[object]:
    """Types, decimals, and the relation of the two times."""
    kinds = [len(one.partition(".")[2]) if isinstance(one, str) else type(one) for one in row]
    return [*kinds, row[6] - row[0] == length - 1, row[0] % 60_000]
