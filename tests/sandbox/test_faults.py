"""Each fault spoils one answer in the way its name says, and the next answer is honest again."""

from __future__ import annotations

import gzip
import json
import math
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from sandbox.server import KEY_HEADER
from tests.support import faults
from tests.support.faulty_source import Fault, FaultySource
from tests.support.patience import PATIENCE_SECONDS
from tests.support.stepped_clock import SteppedClock

LATEST = "/v3/cryptocurrency/quotes/latest?id=1,1027"
HISTORICAL = "/v3/cryptocurrency/quotes/historical?id=1,1027&interval=30m&count=4&time_start=2026-11-22"
BOTH = pytest.mark.parametrize("target", [LATEST, HISTORICAL])


def _coins(response: httpx.Response) -> list[dict[str, Any]]:
    data = response.json()["data"]
    return data if isinstance(data, list) else list(data.values())


def _prices(coin: dict[str, Any]) -> Iterator[Any]:
    for quote in coin.get("quote", ()):
        yield quote["price"]
    for row in coin.get("quotes", ()):
        yield row["quote"]["USD"]["price"]


def _spoilt(stand_in: FaultySource, client: httpx.Client, fault: Fault, target: str = LATEST) -> httpx.Response:
    """The spoilt answer, once the next one has been seen to be honest."""
    stand_in.faults.push(fault)
    response = client.get(target)
    assert client.get(target).json()["status"]["error_code"] in (0, "0")
    assert stand_in.faults.left == 0
    return response


def test_faults_wait_for_their_path(stand_in: FaultySource, client: httpx.Client) -> None:
    """A fault meant for one endpoint passes the others by, and spoils as many requests as it is told to."""
    stand_in.faults.push(faults.refused(500), path="/quotes/historical", times=2)
    statuses = [client.get(target).status_code for target in (LATEST, HISTORICAL, HISTORICAL, HISTORICAL)]
    assert statuses == [200, 500, 500, 200]


def test_faults_can_be_forgotten(stand_in: FaultySource, client: httpx.Client) -> None:
    """After `clear` the answers are honest."""
    stand_in.faults.push(faults.refused(500), times=9)
    stand_in.faults.clear()
    assert client.get(LATEST).status_code == 200


def test_a_refusal_may_name_the_wait(stand_in: FaultySource, client: httpx.Client) -> None:
    """Retry-After comes with the refusal only if asked for; no credit is charged."""
    stand_in.faults.push(faults.refused(1008, retry_after_seconds=7))
    stand_in.faults.push(faults.refused(1008))
    first, second = client.get(LATEST), client.get(LATEST)
    assert (first.status_code, first.headers["Retry-After"]) == (429, "7")
    assert (second.status_code, "Retry-After" in second.headers) == (429, False)
    assert stand_in.credits_used == 0


def test_a_refusal_may_hide_in_a_200(stand_in: FaultySource, client: httpx.Client) -> None:
    """Status 200, error code in the body, as text if asked."""
    response = _spoilt(stand_in, client, faults.refused(1005, status=200, as_text=True))
    assert response.status_code == 200
    assert response.json()["status"]["error_code"] == "1005"
    assert "data" not in response.json()


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (faults.refused(1003), 402, 1003),
        (faults.refused(1022), 429, "1022"),
        (faults.busy_keyless(), 500, 500),
    ],
)
def test_other_refusals(
    stand_in: FaultySource, client: httpx.Client, fault: Fault, status: int, code: int | str
) -> None:
    """Codes without a model of their own in the official package."""
    response = _spoilt(stand_in, client, fault)
    assert (response.status_code, response.json()["status"]["error_code"]) == (status, code)


@pytest.mark.parametrize("status", [200, 403, 502])
def test_html_comes_with_any_status(stand_in: FaultySource, client: httpx.Client, status: int) -> None:
    """A page where JSON was due."""
    response = _spoilt(stand_in, client, faults.html_page(status))
    assert (response.status_code, response.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert response.text.startswith("<!DOCTYPE html>")


def test_a_gateway_error_has_no_body(stand_in: FaultySource, client: httpx.Client) -> None:
    """Nothing but the status."""
    response = _spoilt(stand_in, client, faults.gateway_error(504))
    assert (response.status_code, response.content) == (504, b"")


@BOTH
def test_success_without_data(stand_in: FaultySource, client: httpx.Client, target: str) -> None:
    """Empty or missing data with a status that says all is well."""
    empty = _spoilt(stand_in, client, faults.empty_data(), target).json()
    missing = _spoilt(stand_in, client, faults.no_data(), target).json()
    assert empty["data"] == ([] if target == LATEST else {})
    assert int(empty["status"]["error_code"]) == int(missing["status"]["error_code"]) == 0
    assert "data" not in missing


def test_error_codes_as_text(stand_in: FaultySource, client: httpx.Client) -> None:
    """The code that says "no error" comes as text where it is a number otherwise."""
    assert _spoilt(stand_in, client, faults.text_code(), HISTORICAL).json()["status"]["error_code"] == "0"


def test_truncated_json_is_a_complete_answer(stand_in: FaultySource, client: httpx.Client) -> None:
    """HTTP is in order, the JSON is not."""
    response = _spoilt(stand_in, client, faults.truncated_json())
    assert response.text.startswith('{"status"')
    with pytest.raises(json.JSONDecodeError):
        response.json()


def test_any_body_can_be_served(stand_in: FaultySource, client: httpx.Client) -> None:
    """Bytes, documents, and well-formed JSON of wrong types."""
    assert _spoilt(stand_in, client, faults.plain_body(b"\xff\x00")).content == b"\xff\x00"
    assert _spoilt(stand_in, client, faults.json_body({"a": 1}, status=201)).json() == {"a": 1}
    assert isinstance(_spoilt(stand_in, client, faults.wrong_types()).json()["status"], str)


@BOTH
@pytest.mark.parametrize("price", [None, 0.0, -1.5, 1e-12, 1e12, "12.5", float("inf")])
def test_any_price_of_one_coin(stand_in: FaultySource, client: httpx.Client, target: str, price: object) -> None:
    """Bitcoin has the odd price in each quote, Ether its own."""
    bitcoin, ether = _coins(_spoilt(stand_in, client, faults.odd_price(1, price), target))
    assert set(_prices(bitcoin)) == {price}
    assert price not in set(_prices(ether))


def test_null_and_nan_prices_have_names(stand_in: FaultySource, client: httpx.Client) -> None:
    """The two that matter most."""
    assert list(_prices(_coins(_spoilt(stand_in, client, faults.null_price(1)))[0])) == [None]
    assert all(math.isnan(price) for price in _prices(_coins(_spoilt(stand_in, client, faults.nan_price(1)))[0]))


@BOTH
def test_a_coin_left_out_renamed_or_doubled(stand_in: FaultySource, client: httpx.Client, target: str) -> None:
    """One coin missing; one with another's symbol under its id; one there twice with two prices."""
    assert [coin["id"] for coin in _coins(_spoilt(stand_in, client, faults.left_out(1), target))] == [1027]
    renamed = _coins(_spoilt(stand_in, client, faults.renamed(1, "XBT"), target))[0]
    assert (renamed["id"], renamed["symbol"]) == (1, "XBT")
    coins = _coins(_spoilt(stand_in, client, faults.duplicated(1), target))
    prices = [price for coin in coins if coin["id"] == 1 for price in _prices(coin)]
    half = len(prices) // 2
    assert prices[half:] == [price * 1.01 for price in prices[:half]]


@BOTH
@pytest.mark.parametrize("days", [-3, 3])
def test_a_quote_frozen_or_from_the_future(
    stand_in: FaultySource, client: httpx.Client, clock: SteppedClock, target: str, days: int
) -> None:
    """Every time of the coin is the one given."""
    instant = clock.now + timedelta(days=days)
    coin = _coins(_spoilt(stand_in, client, faults.frozen_quote(1, instant), target))[0]
    stamp = instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if target == LATEST:
        assert coin["last_updated"] == coin["quote"][0]["last_updated"] == stamp
    else:
        assert {row["timestamp"] for row in coin["quotes"]} == {stamp}


def test_faults_of_coins_leave_refusals_alone(stand_in: FaultySource, client: httpx.Client) -> None:
    """An answer without coins stays as it is."""
    stand_in.faults.push(faults.null_price(1))
    assert client.get("/v3/cryptocurrency/quotes/latest").status_code == 400


@pytest.mark.parametrize("fault", [faults.reset_before_answer(), faults.reset_in_body()], ids=lambda fault: fault.name)
def test_resets_break_the_connection(stand_in: FaultySource, client: httpx.Client, fault: Fault) -> None:
    """The client sees a broken connection; the next request gets a new one."""
    stand_in.faults.push(fault)
    with pytest.raises(httpx.TransportError):
        client.get(LATEST)
    assert client.get(LATEST).status_code == 200


def test_a_hang_lasts_until_released(stand_in: FaultySource, client: httpx.Client) -> None:
    """A client with a time limit gives up; one that waits is answered once the fault is released."""
    stand_in.faults.push(faults.hang())
    with pytest.raises(httpx.ReadTimeout):
        client.get(LATEST, timeout=0.1)
    fault = stand_in.faults.push(faults.hang())
    statuses: list[int] = []
    waiting = threading.Thread(target=lambda: statuses.append(client.get(LATEST).status_code))
    waiting.start()
    assert fault.reached.wait(PATIENCE_SECONDS)
    assert statuses == []
    fault.release()
    waiting.join(10)
    assert statuses == [200]


def test_a_drip_never_trips_a_read_time_limit(stand_in: FaultySource, client: httpx.Client) -> None:
    """Bytes come one by one, each in time; once released the whole honest body is there."""
    fault = stand_in.faults.push(faults.slow_drip(pause_seconds=0.001))
    with client.stream("GET", LATEST, timeout=5, headers={"Accept-Encoding": "identity"}) as response:
        pieces = response.iter_raw()
        first = next(pieces)
        assert fault.reached.wait(PATIENCE_SECONDS)  # told once the byte is out, so perhaps a moment after it came
        fault.release()
        body = first + b"".join(pieces)
    assert len(first) < len(body)
    assert json.loads(body)["data"][0]["id"] == 1


@pytest.mark.parametrize("declared", [True, False])
def test_a_huge_body_is_streamed(stand_in: FaultySource, client: httpx.Client, *, declared: bool) -> None:
    """As large as asked, its length told beforehand or not; a client may stop reading at any point."""
    stand_in.faults.push(faults.huge_body(megabytes=3, declared=declared))
    response = client.get(LATEST)
    assert len(response.content) == 3_000_011
    assert ("Content-Length" in response.headers) == declared
    stand_in.faults.push(faults.huge_body(megabytes=100, declared=declared))
    with client.stream("GET", LATEST) as stream:
        assert len(next(stream.iter_bytes())) > 0
    assert client.get(LATEST).status_code == 200


def test_a_gzip_bomb_is_small_on_the_wire(stand_in: FaultySource, client: httpx.Client) -> None:
    """A thousand times as large once unpacked, even for a client that did not ask for gzip."""
    stand_in.faults.push(faults.gzip_bomb(megabytes=4))
    with client.stream("GET", LATEST, headers={"Accept-Encoding": "identity"}) as response:
        packed = b"".join(response.iter_raw())
    assert len(packed) < 10_000
    assert len(gzip.decompress(packed)) == 4_000_011


def test_a_redirect_shows_whether_the_key_follows(stand_in: FaultySource, clock: SteppedClock) -> None:
    """The other host records what came with the request: a careless client brings its key along."""
    with FaultySource(clock=clock) as other, httpx.Client(headers={KEY_HEADER: stand_in.key}) as careless:
        stand_in.faults.push(faults.redirect(other.base_url + LATEST))
        first = careless.get(stand_in.base_url + LATEST)
        assert (first.status_code, first.is_redirect, other.requests) == (302, True, [])
        careless.get(first.headers["Location"])
        assert [request.sent_key for request in other.requests] == [True]


def test_leaving_lets_hung_requests_go(clock: SteppedClock) -> None:
    """The stand-in ends at once, whatever still hangs in it."""
    started = time.monotonic()
    with FaultySource(clock=clock) as short, httpx.Client(base_url=short.base_url) as client:
        for fault in (faults.hang(), faults.slow_drip(pause_seconds=60)):
            short.faults.push(fault)
            with pytest.raises(httpx.ReadTimeout):
                client.get("/public-api/v1/cryptocurrency/map?symbol=BTC", timeout=0.1)
    assert time.monotonic() - started < 10
