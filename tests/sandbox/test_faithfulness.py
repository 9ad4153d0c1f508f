"""The simulated CoinMarketCap serves what the official package's models and the recorded samples have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from coinmarketcap import models as official

from tests.support import faults
from tests.support.faulty_source import FaultySource

SAMPLES = Path(__file__).parents[1] / "fixtures" / "coinmarketcap"
LATEST = "/v3/cryptocurrency/quotes/latest"
HISTORICAL = "/v3/cryptocurrency/quotes/historical"


@pytest.mark.parametrize(
    ("code", "model"),
    [
        (1001, official.HTTPStatus401ErrorObject),
        (1002, official.HTTPStatus401ErrorObject),
        (1005, official.HTTPStatus403ErrorObject),
        (1006, official.HTTPStatus403ErrorObject),
        (1007, official.HTTPStatus403ErrorObject),
        (1008, official.HTTPStatus429ErrorObject),
        (1009, official.HTTPStatus429ErrorObject),
        (1010, official.HTTPStatus429ErrorObject),
        (1011, official.HTTPStatus429ErrorObject),
        (500, official.HTTPStatus500ErrorObject),
    ],
)
def test_refusal_parses_with_official_model(
    stand_in: FaultySource, client: httpx.Client, code: int, model: Any
) -> None:
    """A refusal has the documented HTTP status, its code, no credits, and no data."""
    stand_in.faults.push(faults.refused(code))
    response = client.get(f"{LATEST}?id=1")
    body = response.json()
    assert str(response.status_code) in model.__name__
    assert model.from_dict(body).to_dict() == body
    assert body["status"]["error_code"] == code
    assert body["status"]["credit_count"] == 0
    assert set(body) == {"status"}


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
    served, recorded = _fields(client.get(target).json()), _fields(json.loads((SAMPLES / sample).read_text()))
    assert served.items() <= recorded.items()


@pytest.mark.parametrize(("code", "sample"), [(1001, "error_1001.json"), (1008, "error_1008.json")])
def test_refusal_has_the_message_of_the_sample(
    stand_in: FaultySource, client: httpx.Client, code: int, sample: str
) -> None:
    """Code and message are those of the sample."""
    expected = json.loads((SAMPLES / sample).read_text())["status"]
    stand_in.faults.push(faults.refused(code))
    served = client.get(f"{LATEST}?id=1").json()["status"]
    assert served["error_code"] == expected["error_code"]
    assert served["error_message"] == expected["error_message"]


def test_keyless_limit_is_the_recorded_one(stand_in: FaultySource, client: httpx.Client) -> None:
    """The recorded body of an exhausted anonymous client: the same keys, code and message."""
    recorded = json.loads((SAMPLES / "keyless_limit_429.json").read_text())["status"]
    stand_in.faults.push(faults.keyless_limit())
    refused = client.get(f"{LATEST}?id=1")
    assert refused.status_code == 429
    assert {**refused.json()["status"], "timestamp": recorded["timestamp"]} == recorded


def _fields(body: Any, place: str = "") -> dict[str, bool]:
    """The place of each value, and whether it is text; positions and coin ids as keys count as one."""
    if not isinstance(body, dict | list):
        return {} if body is None else {place: isinstance(body, str)}
    parts = body.items() if isinstance(body, dict) else (("0", part) for part in body)
    found: dict[str, bool] = {}
    for key, part in parts:
        found |= _fields(part, f"{place}.{'0' if key.isdigit() else key}")
    return found
