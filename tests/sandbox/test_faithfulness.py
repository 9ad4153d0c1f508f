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

MODELS = [
    (f"{LATEST}?id=1,1027,5426", official.V3CryptocurrencyQuotesLatestResponseModel),
    (f"{LATEST}?id=777", official.V3CryptocurrencyQuotesLatestResponseModel),
    (f"{HISTORICAL}?id=1,1027&interval=30m&time_start=2026-11-22",
     official.CryptocurrencyQuotesHistoricalResponseModel),
    ("/v1/cryptocurrency/map?symbol=BTC,SOL", official.CryptocurrencyMapResponseModel),
    ("/v1/key/info", official.AccountInfoResponseModel),
    ("/v1/cryptocurrency/map?symbol=NOTACOIN", official.HTTPStatus400ErrorObject),
]  # fmt: skip


@pytest.mark.parametrize(("target", "model"), MODELS)
def test_body_parses_with_official_model_and_back(client: httpx.Client, target: str, model: Any) -> None:
    """The official model reads the body, knows each of its keys, and writes the same body again."""
    body = client.get(target).json()
    parsed = model.from_dict(body)
    assert parsed.to_dict() == body
    assert not _unknown_keys(parsed)


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
        (f"{HISTORICAL}?id=1&interval=12h&time_start=2026-11-01", "v3_quotes_historical_daily_btc.json"),
        ("/v1/cryptocurrency/map?symbol=BTC,SOL", "map_by_symbol.json"),
        ("/v1/key/info", "key_info.json"),
        ("/v1/cryptocurrency/map?symbol=NOTACOIN,NOTACOIN2", "error_400_invalid_symbols.json"),
    ],
)
def test_body_has_keys_and_types_of_sample(client: httpx.Client, target: str, sample: str) -> None:
    """The same keys in the same places, lists where there are lists, text where there is text."""
    expected = json.loads((SAMPLES / sample).read_text())
    assert _shape(client.get(target).json()) == _shape(expected)


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


def _unknown_keys(parsed: Any) -> list[str]:
    """Keys without an attribute in the official model, except in maps."""
    found: list[str] = []
    for name, value in vars(parsed).items() if hasattr(parsed, "__dict__") else _slots(parsed):
        if name == "additional_properties" and value and not type(parsed).__name__.endswith("Map"):
            found += value
        children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        for child in children:
            if hasattr(child, "to_dict"):
                found += _unknown_keys(child)
    return found


def _slots(parsed: Any) -> list[tuple[str, Any]]:
    return [(field.name, getattr(parsed, field.name)) for field in type(parsed).__attrs_attrs__]


def _shape(value: Any) -> Any:
    """Keys and types: the shapes that occur in a list, and whether a scalar is text; coin ids as keys count as one."""
    if isinstance(value, dict):
        if value and all(key.isdigit() for key in value):
            return ["by id", _shapes(value.values())]
        return {key: _shape(part) for key, part in value.items()}
    if isinstance(value, list):
        return _shapes(value)
    return "text" if isinstance(value, str) else "number, truth or null"


def _shapes(values: Any) -> list[str]:
    loose = ("platform", "tags", "cmc_rank")  # null or filled, coin by coin
    shapes = set()
    for value in values:
        shape = _shape(value)
        if isinstance(shape, dict):
            shape = {key: "any" if key in loose else part for key, part in shape.items()}
        shapes.add(json.dumps(shape, sort_keys=True))
    return sorted(shapes)
