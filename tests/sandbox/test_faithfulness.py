"""What the stand-in serves is what the official package expects and what the sample bodies show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from coinmarketcap import CMCError, CoinMarketCap
from coinmarketcap import models as official

from sandbox.market import DEAD_SOL_ID
from tests.support import faults
from tests.support.faulty_source import FaultySource
from tests.support.stepped_clock import SteppedClock

SAMPLES = Path(__file__).parents[1] / "fixtures" / "coinmarketcap"
LATEST = "/v3/cryptocurrency/quotes/latest"
HISTORICAL = "/v3/cryptocurrency/quotes/historical"

MODELS = [
    (f"{LATEST}?id=1,1027,5426,{DEAD_SOL_ID}", official.V3CryptocurrencyQuotesLatestResponseModel),
    (f"{LATEST}?id=777", official.V3CryptocurrencyQuotesLatestResponseModel),
    (f"{HISTORICAL}?id=1,1027,{DEAD_SOL_ID}&interval=30m&time_start=2026-11-22",
     official.CryptocurrencyQuotesHistoricalResponseModel),
    ("/v1/cryptocurrency/map?symbol=BTC,SOL", official.CryptocurrencyMapResponseModel),
    ("/v1/key/info", official.AccountInfoResponseModel),
    (f"{LATEST}?id=x", official.HTTPStatus400ErrorObject),
]  # fmt: skip


@pytest.mark.parametrize(("target", "model"), MODELS)
def test_every_body_parses_with_the_official_model_and_back(client: httpx.Client, target: str, model: Any) -> None:
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
def test_every_refusal_parses_with_the_official_model(
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
def test_bodies_have_the_keys_and_kinds_of_the_samples(client: httpx.Client, target: str, sample: str) -> None:
    """The same keys in the same places, lists where there are lists, text where there is text."""
    expected = json.loads((SAMPLES / sample).read_text())
    assert _shape(client.get(target).json()) == _shape(expected)


@pytest.mark.parametrize(
    ("code", "sample"), [(1001, "error_1001.json"), (1008, "error_1008.json"), (1022, "error_1022_keyless.json")]
)
def test_refusals_have_the_words_of_the_samples(
    stand_in: FaultySource, client: httpx.Client, code: int, sample: str
) -> None:
    """Code (the keyless one as text) and message are those of the sample."""
    expected = json.loads((SAMPLES / sample).read_text())["status"]
    stand_in.faults.push(faults.refused(code))
    served = client.get(f"{LATEST}?id=1").json()["status"]
    assert served["error_code"] == expected["error_code"]
    assert served["error_message"] == expected["error_message"]


def test_the_keyless_limit_is_the_recorded_one(client: httpx.Client) -> None:
    """The recorded body of an exhausted anonymous client: the same keys, code and words."""
    recorded = json.loads((SAMPLES / "keyless_limit_429.json").read_text())["status"]
    target = f"/public-api{LATEST}?id=1"
    for _ in range(50):
        assert client.get(target).status_code == 200
    refused = client.get(target)
    served = refused.json()["status"]
    assert refused.status_code == 429
    assert {**served, "timestamp": recorded["timestamp"]} == recorded


@pytest.fixture
def official_client(stand_in: FaultySource) -> Iterator[CoinMarketCap]:
    """The official client itself, pointed at the stand-in."""
    with CoinMarketCap(stand_in.key, base_url=stand_in.base_url, max_retries=0) as serving:
        yield serving


def test_the_official_client_can_work_with_it(stand_in: FaultySource, official_client: CoinMarketCap) -> None:
    """With its own defaults for every parameter it gets the prices served, the map and the plan."""
    latest = official_client.cryptocurrency.quotes_latest(id="1,1027")
    assert [coin["quote"][0]["price"] for coin in latest.to_dict()["data"]] == [
        stand_in.market.price(coin_id, stand_in.requests[-1].at) for coin_id in (1, 1027)
    ]
    history = official_client.cryptocurrency.quotes_historical(id="1027", interval="30m", time_start="2026-11-22")
    assert len(history.data["1027"].quotes) == 10
    assert len(official_client.cryptocurrency.map(symbol="BTC,SOL").data) == 4
    assert official_client.tools.key_info().data.plan.rate_limit_minute == 50


def test_the_official_client_sees_a_refusal(official_client: CoinMarketCap) -> None:
    """An unknown coin with skip_invalid=false is its bad request."""
    with pytest.raises(CMCError) as caught:
        official_client.cryptocurrency.quotes_latest(id="1,777", skip_invalid="false")
    assert caught.value.status_code == 400


def test_the_status_tells_the_stand_ins_time(stand_in: FaultySource, client: httpx.Client, clock: SteppedClock) -> None:
    """Status and Date header follow the clock that was given, not the machine's."""
    clock.advance(timedelta(hours=1))
    response = client.get("/v1/key/info")
    assert response.json()["status"]["timestamp"] == "2026-11-22T13:07:21.000Z"
    assert response.headers["Date"] == "Sun, 22 Nov 2026 13:07:21 GMT"
    assert stand_in.requests[0].at == clock.now


def _unknown_keys(parsed: Any) -> list[str]:
    """Keys that no attribute of the official model stands for; a map's keys are its own."""
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
    """Keys and kinds: of a list the shapes that occur, of a scalar whether it is text; coin ids as keys are one."""
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
