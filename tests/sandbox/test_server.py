"""The stand-in over real HTTP: keys, limits, credits, connections, records."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.server import KEY_HEADER
from tests.support.faulty_source import FaultySource
from tests.support.patience import PATIENCE_SECONDS
from tests.support.stepped_clock import SteppedClock

LATEST = "/v3/cryptocurrency/quotes/latest"
HISTORICAL = "/v3/cryptocurrency/quotes/historical"
MAP = "/v1/cryptocurrency/map"
KEY_INFO = "/v1/key/info"
SRC = Path(__file__).parents[2] / "src"


def _error(response: httpx.Response) -> tuple[int, Any, str]:
    status = response.json()["status"]
    return response.status_code, status["error_code"], status["error_message"]


def _client_of(stand_in: FaultySource) -> httpx.Client:
    return httpx.Client(base_url=stand_in.base_url, headers={KEY_HEADER: stand_in.key})


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, (401, 1002, "API key missing.")),
        ({KEY_HEADER: "not-the-key"}, (401, 1001, "This API Key is invalid.")),
    ],
)
def test_the_key_is_checked(stand_in: FaultySource, headers: dict[str, str], expected: tuple[int, int, str]) -> None:
    """Without the right key nothing is served, whatever else is wrong."""
    with httpx.Client(base_url=stand_in.base_url) as stranger:
        assert _error(stranger.get(f"{LATEST}?nonsense=1", headers=headers)) == expected


def test_the_keyless_prefix_serves_latest_and_map_only(stand_in: FaultySource) -> None:
    """Without a key there is no history and no key info, and nothing is charged."""
    with httpx.Client(base_url=f"{stand_in.base_url}/public-api") as anonymous:
        latest = anonymous.get(LATEST, params={"id": "1"})
        assert latest.json()["status"]["error_code"] == "0"
        assert anonymous.get(MAP, params={"symbol": "BTC"}).status_code == 200
        assert anonymous.get(HISTORICAL, params={"id": "1", "time_start": "2026-11-20"}).status_code == 404
        assert anonymous.get(KEY_INFO).status_code == 404
        assert anonymous.get("/v9/nothing").status_code == 404
    assert stand_in.credits_used == 0


def test_the_minute_s_limit_holds_until_the_next_minute(client: httpx.Client, clock: SteppedClock) -> None:
    """Request 51 of a minute is 1008; in the next minute the source answers again."""
    for _ in range(50):
        assert client.get(KEY_INFO).status_code == 200
    status, code, _ = _error(client.get(KEY_INFO))
    assert (status, code) == (429, 1008)
    clock.advance(timedelta(seconds=39))
    usage = client.get(KEY_INFO).json()["data"]["usage"]
    assert usage["current_minute"] == {"requests_made": 1, "requests_left": 49}


def test_credits_are_counted_as_documented(clock: SteppedClock) -> None:
    """One for 250 latest coins, one for 100 points of all coins of a call, none for map, key info and refusals."""
    past = {"time_start": "2026-11-20"}
    with FaultySource(clock=clock, extra_coins=251) as large, _client_of(large) as client:
        ids = [str(800_000 + number) for number in range(1, 252)]
        counts = [
            client.get(LATEST, params={"id": ",".join(ids[:250])}).json()["status"]["credit_count"],
            client.get(LATEST, params={"id": ",".join(ids)}).json()["status"]["credit_count"],
            client.get(HISTORICAL, params={"id": "1,2", "count": "50", **past}).json()["status"]["credit_count"],
            client.get(HISTORICAL, params={"id": "1,2", "count": "51", **past}).json()["status"]["credit_count"],
            client.get(MAP, params={"symbol": "BTC"}).json()["status"]["credit_count"],
            client.get(LATEST, params={"id": "x"}).json()["status"]["credit_count"],
        ]
        info = client.get(KEY_INFO).json()
    assert counts == [1, 2, 1, 2, 0, 0]
    assert large.credits_used == 6
    assert info["data"]["usage"]["current_month"] == {"credits_used": 6, "credits_left": 14_994}
    assert info["data"]["plan"]["credit_limit_monthly_reset_timestamp"] == "2026-12-01T00:00:00.000Z"
    assert info["data"]["plan"]["credit_limit_monthly_reset"] == "In 8 days, 11 hours, 52 minutes"


def test_a_plan_without_credits_left_serves_only_what_is_free(clock: SteppedClock) -> None:
    """A call that costs more than is left is 1010 and costs nothing; key info still answers."""
    with FaultySource(clock=clock, credits_monthly=1) as poor, _client_of(poor) as client:
        dear = client.get(HISTORICAL, params={"id": "1", "count": "101", "time_start": "2026-11-20"})
        assert _error(dear)[:2] == (429, 1010)
        assert client.get(LATEST, params={"id": "1"}).status_code == 200
        assert _error(client.get(LATEST, params={"id": "1"}))[:2] == (429, 1010)
        assert client.get(KEY_INFO).status_code == 200
    assert poor.credits_used == 1


def test_ten_thousand_points_are_quick_to_make(clock: SteppedClock) -> None:
    """A load test can ask for the largest answers: a quarter of a second each, five on a slow, traced machine."""
    with FaultySource(clock=clock) as quick:
        started = time.process_time()
        answer = quick.answer(
            f"{HISTORICAL}?id=1,1027&count=5000&time_start=2026-10-25", {KEY_HEADER.lower(): quick.key}, clock.now
        )
        assert time.process_time() - started < 5
    assert answer.credits == 100


def test_bodies_are_compressed_only_for_those_who_ask(client: httpx.Client) -> None:
    """Gzip if the client accepts it, plain JSON if not, the same content."""
    zipped = client.get(KEY_INFO)
    plain = client.get(KEY_INFO, headers={"Accept-Encoding": "identity"})
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert set(zipped.json()) == set(json.loads(plain.content))


def test_requests_are_recorded_without_the_key(stand_in: FaultySource, client: httpx.Client) -> None:
    """Path, parameters and headers are kept for counting; of the key only that it was sent."""
    client.get(LATEST, params={"id": "1,2", "convert": "USD"}, headers={"X-Trace": "7"})
    (request,) = stand_in.requests
    assert (request.path, request.parameters) == (LATEST, {"id": "1,2", "convert": "USD"})
    assert request.headers["x-trace"] == "7"
    assert request.sent_key
    assert stand_in.key not in repr(request)


def test_leaving_ends_idle_connections(clock: SteppedClock) -> None:
    """A client that keeps its connection open does not keep the stand-in from ending."""
    with httpx.Client() as client:
        with FaultySource(clock=clock) as short:
            target = f"{short.base_url}/public-api{MAP}?symbol=BTC"
            assert client.get(target).status_code == 200
        with pytest.raises(httpx.TransportError):
            client.get(target)


def test_a_client_that_resets_an_idle_connection_is_no_trouble(
    clock: SteppedClock, capfd: pytest.CaptureFixture[str]
) -> None:
    """The stand-in says nothing about it, and goes on."""
    with FaultySource(clock=clock) as patient:
        port = int(patient.base_url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as rude:
            rude.sendall(f"GET /public-api{MAP}?symbol=BTC HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert rude.recv(12) == b"HTTP/1.1 200"
            rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert httpx.get(f"{patient.base_url}/public-api{MAP}?symbol=BTC").status_code == 200
    assert capfd.readouterr().err == ""


def test_the_command_line_serves_until_it_is_stopped() -> None:
    """`python -m sandbox` prints its address and key, answers on the real clock, and ends 0 on SIGTERM."""
    command = [sys.executable, "-m", "sandbox", "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as serving:
        assert serving.stdout is not None
        base_url = serving.stdout.readline().strip().removeprefix("CMC_BASE_URL=")
        key = serving.stdout.readline().strip().removeprefix("CMC_API_KEY=")
        response = httpx.get(f"{base_url}{KEY_INFO}", headers={KEY_HEADER: key})
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(timeout=PATIENCE_SECONDS) == 0
    served_at = _at(response.json()["status"]["timestamp"])
    assert abs(datetime.now(timezone.utc) - served_at) < timedelta(minutes=1)
