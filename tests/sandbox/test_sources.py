"""The simulated sources answer with the bodies of the real ones."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from coinmarketcap import models as official

from sandbox.binance import ExchangeStandIn
from sandbox.coin_market_cap import KEY_HEADER
from sandbox.market import Market
from tests.support import faults
from tests.support.faulty_source import Fault, FaultySource

FIXTURES = Path(__file__).parents[1] / "fixtures"
LATEST = "/v3/cryptocurrency/quotes/latest"
HISTORICAL = "/v3/cryptocurrency/quotes/historical"
NOW = datetime(2026, 11, 22, 12, 7, 21, tzinfo=timezone.utc)


def answer(target: str, fault: Fault | None = None) -> Any:
    """The document with which CoinMarketCap answers, spoilt by a fault."""
    source = FaultySource(clock=lambda: NOW)
    if fault:
        source.faults.push(fault)
    with source:
        return source.answer(target, {KEY_HEADER.lower(): source.key}).document


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
        (500, official.HTTPStatus500ErrorObject),
    ],
)
def test_refusal_parses_with_official_model(code: int, model: Any) -> None:
    body = answer(f"{LATEST}?id=1", faults.refused(code))
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
def test_body_has_the_places_and_types_of_the_sample(target: str, sample: str) -> None:
    recorded = json.loads((FIXTURES / "coinmarketcap" / sample).read_text())
    assert fields(answer(target)).items() <= fields(recorded).items()


@pytest.mark.parametrize(("interval", "length"), [("1w", 7 * 86_400_000), ("1m", 60_000)])
def test_candle_has_the_form_of_recorded_ones(interval: str, length: int) -> None:
    """Twelve positions, decimals as texts of eight places, the close time a millisecond before the next candle."""
    recorded = json.loads((FIXTURES / "binance" / "klines.json").read_text())[interval]
    opens = int((NOW - timedelta(hours=2)).timestamp()) // 1800 * 1_800_000
    with ExchangeStandIn(Market(), clock=lambda: NOW) as exchange:
        served = exchange.candle("BTCUSDT", opens, now=NOW)
    assert served is not None
    assert form(served, 1_800_000) == form(recorded, length)


def form(row: list[Any], length: int) -> list[object]:
    """Types, decimals, and the relation of the two times."""
    kinds = [len(one.partition(".")[2]) if isinstance(one, str) else type(one) for one in row]
    return [*kinds, row[6] - row[0] == length - 1, row[0] % 60_000]
