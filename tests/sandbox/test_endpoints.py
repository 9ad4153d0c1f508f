"""What the endpoints serve over real HTTP: prices, history, parameters, the map."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import httpx
import pytest

from sandbox.market import ANOTHER_BTC_ID, ANOTHER_SOL_ID, DEAD_SOL_ID, QUOTELESS_ID
from sandbox.server import KEY_HEADER
from tests.support.faulty_source import FaultySource
from tests.support.stepped_clock import SteppedClock

LATEST = "/v3/cryptocurrency/quotes/latest"
HISTORICAL = "/v3/cryptocurrency/quotes/historical"
MAP = "/v1/cryptocurrency/map"
KEY_INFO = "/v1/key/info"


def _error(response: httpx.Response) -> tuple[int, Any, str]:
    status = response.json()["status"]
    return response.status_code, status["error_code"], status["error_message"]


def _history(client: httpx.Client, **asked: str) -> list[dict[str, Any]]:
    body = client.get(
        HISTORICAL, params={"id": "1", "interval": "30m", "time_start": "2026-11-22T10:30:00Z", **asked}
    ).json()
    quotes: list[dict[str, Any]] = body["data"]["1"]["quotes"]
    return quotes


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def test_latest_serves_the_market_s_prices(stand_in: FaultySource, client: httpx.Client, clock: SteppedClock) -> None:
    """Each price is the market's at the time of the call, to the last digit."""
    coins = client.get(LATEST, params={"id": "5426,1,1027"}).json()["data"]
    assert [coin["id"] for coin in coins] == [5426, 1, 1027]
    for coin in coins:
        assert coin["quote"][0]["price"] == stand_in.market.price(coin["id"], clock.now)
        assert coin["quote"][0]["last_updated"] == "2026-11-22T12:07:00.000Z"


def test_a_symbol_brings_every_active_coin_that_shares_it(client: httpx.Client) -> None:
    """In the map the lesser coin comes before the one that is meant, and the dead one not at all."""
    coins = client.get(MAP, params={"symbol": "BTC,SOL"}).json()["data"]
    assert [(coin["id"], coin["is_active"]) for coin in coins] == [
        (ANOTHER_BTC_ID, 1), (1, 1), (5426, 1), (ANOTHER_SOL_ID, 1),
    ]  # fmt: skip


def test_a_dead_coin_stands_still(client: httpx.Client) -> None:
    """It has no price and no rank, and was last updated when it died."""
    (dead,) = client.get(LATEST, params={"id": str(DEAD_SOL_ID)}).json()["data"]
    assert (dead["is_active"], dead["cmc_rank"], dead["quote"][0]["price"]) == (0, None, None)
    assert dead["last_updated"] == dead["quote"][0]["last_updated"] == "2024-03-14T08:05:00.000Z"


def test_history_serves_the_market_s_prices_at_its_stamps(stand_in: FaultySource, client: httpx.Client) -> None:
    """Every historical price is the market's at the quote's own time, exact or some seconds late."""
    quotes = _history(client, time_start="2026-11-10T00:00:00Z")
    assert len(quotes) == 12 * 48 + 24 - 2
    for quote in quotes:
        assert quote["quote"]["USD"]["price"] == stand_in.market.price(1, _at(quote["timestamp"]))
        assert stand_in.market.price(1, _at(quote["timestamp"]).replace(second=0)) == quote["quote"]["USD"]["price"]
    assert any(_at(quote["timestamp"]).second for quote in quotes)
    assert any(quote["timestamp"] != quote["quote"]["USD"]["timestamp"] for quote in quotes)


def test_time_start_is_exclusive_and_time_end_inclusive(client: httpx.Client) -> None:
    """From 10:30 to 12:00 by half hours gives 11:00, 11:30 and 12:00."""
    quotes = _history(client, time_start="2026-11-22T10:30:00Z", time_end="2026-11-22T12:00:00Z")
    assert [quote["timestamp"][11:16] for quote in quotes] == ["11:00", "11:30", "12:00"]


def test_holes_hold_for_their_coin_alone(client: httpx.Client) -> None:
    """The hour without quotes is skipped for Bitcoin and served for Ether."""
    asked = {"interval": "30m", "time_start": "2026-11-22T08:00:00Z", "time_end": "2026-11-22T09:30:00Z"}
    data = client.get(HISTORICAL, params={"id": "1,1027", **asked}).json()["data"]
    served = {key: [quote["timestamp"][11:16] for quote in coin["quotes"]] for key, coin in data.items()}
    assert served == {"1": ["09:30"], "1027": ["08:30", "09:00", "09:30"]}


@pytest.mark.parametrize("coin_id", [DEAD_SOL_ID, QUOTELESS_ID])
def test_a_coin_without_a_price_has_no_history(client: httpx.Client, coin_id: int) -> None:
    """It is in the data, with an empty list of quotes."""
    body = client.get(HISTORICAL, params={"id": str(coin_id), "time_start": "2026-11-22"}).json()
    assert body["data"][str(coin_id)]["quotes"] == []
    assert body["status"]["credit_count"] == 1


def test_no_history_is_from_before_the_listing_nor_from_the_future(stand_in: FaultySource) -> None:
    """A generous plan still serves nothing older than the coin, and nothing newer than now."""
    long_ago = lambda: datetime(2022, 1, 1, 1, tzinfo=timezone.utc)  # noqa: E731 - a clock that stands still
    with FaultySource(clock=long_ago) as young:
        headers = {KEY_HEADER: young.key}
        asked = f"{HISTORICAL}?id={ANOTHER_BTC_ID}&interval=5m&time_start=2021-12-31T23:00&time_end=2022-01-01T09:00"
        quotes = httpx.get(young.base_url + asked, headers=headers).json()["data"][str(ANOTHER_BTC_ID)]["quotes"]
    assert quotes[0]["timestamp"].startswith("2022-01-01T00:05:")
    assert quotes[-1]["timestamp"] <= "2022-01-01T01:00:00.000Z"
    assert len(quotes) in (11, 12)
    assert stand_in.requests == []


def test_history_beyond_the_plan_is_refused(client: httpx.Client) -> None:
    """One month of history: 400 beyond."""
    old = {"id": "1", "time_start": "2026-10-22T12:00:00Z", "time_end": "2026-10-23T00:00:00Z"}
    status, code, message = _error(client.get(HISTORICAL, params={**old, "interval": "30m"}))
    assert (status, code) == (400, 400)
    assert message.startswith("Your plan allows 1 month of historical access")
    assert client.get(HISTORICAL, params={**old, "time_start": "2026-10-22T12:08:00Z"}).status_code == 200


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (f"{LATEST}", '"id" is required'),
        (f"{LATEST}?id=1,", '"id" with value "1," fails to match'),
        (f"{LATEST}?id=", '"id" is not allowed to be empty'),
        (f"{LATEST}?id=1&id=2", '"id" must be a string'),
        (f"{MAP}?symbol=DEFI%2B%2B", '"symbol" with value "DEFI++" fails'),
        (f"{LATEST}?id=1&start=0", '"start" is not allowed'),
        (f"{LATEST}?id=1&convert=EUR", '"convert" must be one of [USD]'),
        (f"{HISTORICAL}?id=1&aux=price", '"aux" must be one of'),
        (f"{LATEST}?id=1,777&skip_invalid=false", 'Invalid value for "id": "777"'),
        (f"{MAP}?symbol=AAA,BTC,BBB", 'Invalid values for "symbol": "AAA,BBB"'),
        (f"{HISTORICAL}?interval=5m", '"id" is required'),
        (f"{HISTORICAL}?id=1", '"time_start" is required'),
        (f"{HISTORICAL}?slug=bitcoin", '"slug" is not allowed'),
        (f"{HISTORICAL}?id=1&count=0", '"count" must be larger than or equal to 1'),
        (f"{HISTORICAL}?id=1&count=10001", '"count" must be less than or equal to 10000'),
        (f"{HISTORICAL}?id=1&count=some", '"count" must be an integer'),
        (f"{HISTORICAL}?id=1&interval=7m", '"interval" must be one of'),
        (f"{HISTORICAL}?id=1&time_start=yesterday", '"time_start" must be a valid ISO 8601 timestamp'),
        (f"{HISTORICAL}?id=1&time_start=99999999999999", '"time_start" must be a valid ISO 8601 timestamp'),
        (f"{HISTORICAL}?id=1&time_start=2026-11-22T11:00&time_end=2026-11-22T10:00", "must be older"),
        (f"{MAP}", '"symbol" is required'),
        (f"{MAP}?symbol=NOTACOIN", 'Invalid value for "symbol": "NOTACOIN"'),
        (f"{KEY_INFO}?id=1", '"id" is not allowed'),
    ],
)
def test_wrong_parameters_are_refused(stand_in: FaultySource, client: httpx.Client, target: str, message: str) -> None:
    """HTTP 400 with code 400 and a text that names the parameter; nothing is charged."""
    status, code, text = _error(client.get(target))
    assert (status, code) == (400, 400)
    assert message in text
    assert stand_in.credits_used == 0


@pytest.mark.parametrize("path", [LATEST, HISTORICAL])
def test_unknown_coins_are_silently_left_out(client: httpx.Client, path: str) -> None:
    """With skip_invalid=true the answer holds the known coins, and a 200."""
    asked = {"id": "777,1", "skip_invalid": "true"} | ({"time_start": "2026-11-22"} if path == HISTORICAL else {})
    data = client.get(path, params=asked).json()["data"]
    assert [coin["id"] for coin in (data if isinstance(data, list) else data.values())] == [1]
