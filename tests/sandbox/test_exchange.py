"""The simulated Binance answers as the real one is documented and recorded to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.exchange_server import WEIGHT_HEADER, ExchangeStandIn
from sandbox.market import Market, listed_coins
from tests.support.stepped_clock import SteppedClock

NOW = datetime(2026, 11, 23, 12, 7, 9, tzinfo=timezone.utc)
HALF_HOUR = timedelta(minutes=30)
RECORDED = json.loads((Path(__file__).parents[1] / "fixtures" / "binance" / "klines.json").read_text())
LENGTHS = {"1w": 7 * 86_400_000, "1m": 60_000}
MARKET = Market(listed_coins())


def milliseconds(instant: datetime) -> int:
    """Since 1970 UTC."""
    return int(instant.timestamp() * 1000)


@pytest.fixture
def clock() -> SteppedClock:
    """Stands at `NOW`."""
    return SteppedClock(NOW)


@pytest.fixture
def source(clock: SteppedClock) -> Iterator[ExchangeStandIn]:
    """A Binance that was down for an hour of the day before, and allows few calls a minute."""
    down = NOW - timedelta(days=1)
    with ExchangeStandIn(
        MARKET, clock=clock, weight_a_minute=40, is_down=lambda at: down <= at < down + 2 * HALF_HOUR
    ) as it:
        yield it


@pytest.fixture
def client(source: ExchangeStandIn) -> Iterator[httpx.Client]:
    """Asks it."""
    with httpx.Client(base_url=source.base_url) as made:
        yield made


def rows(client: httpx.Client, **asked: int) -> list[list[Any]]:
    """The candles of a call."""
    named: dict[str, str | int] = {"symbol": "BTCUSDT", "interval": "30m"}
    answer = client.get("/api/v3/klines", params={**named, **asked})
    assert answer.status_code == 200, answer.text
    body: list[list[Any]] = answer.json()
    return body


def shape(row: list[Any], length: int) -> list[object]:
    """What of a row does not depend on the market: kinds, decimals, and how its two times lie."""
    kinds = [len(one.partition(".")[2]) if isinstance(one, str) else type(one) for one in row]
    return [*kinds, row[6] - row[0] == length - 1, row[0] % 60_000]


@pytest.mark.parametrize("interval", RECORDED)
def test_a_row_has_the_form_of_the_recorded_ones(client: httpx.Client, interval: str) -> None:
    """Twelve positions, decimals as texts of eight places, the close time a millisecond before the next candle."""
    served = rows(client, limit=1)[0]
    assert shape(served, 1_800_000) == shape(RECORDED[interval], LENGTHS[interval])


def test_rows_come_oldest_first_whatever_is_asked(client: httpx.Client) -> None:
    """From a start the oldest, up to an end or without both the newest; at most 500 unless more are asked for."""
    start = NOW - timedelta(days=40)
    from_start = rows(client, startTime=milliseconds(start))
    newest = rows(client, endTime=milliseconds(NOW), limit=3)
    assert len(from_start) == 500
    assert len(rows(client, startTime=milliseconds(start), limit=1000)) == 1000
    assert from_start[0][0] == milliseconds(start) // 1_800_000 * 1_800_000 + 1_800_000
    assert [row[0] for row in from_start] == sorted(row[0] for row in from_start)
    assert newest == rows(client, limit=3)
    assert newest[-1][0] == milliseconds(NOW) // 1_800_000 * 1_800_000


def test_the_last_candle_is_open_and_only_its_open_price_stays(client: httpx.Client, clock: SteppedClock) -> None:
    """Its close time lies ahead; ten minutes later its volume has grown, its open is the same."""
    before = rows(client, limit=1)[0]
    clock.advance(timedelta(minutes=10))
    after = rows(client, limit=1)[0]
    assert before[6] > milliseconds(NOW)
    assert (after[0], after[1]) == (before[0], before[1])
    assert float(after[5]) > float(before[5])


def test_an_outage_has_no_candles(client: httpx.Client) -> None:
    """They are left out, not flat."""
    start = NOW - timedelta(days=1, hours=1)
    opened = [row[0] for row in rows(client, startTime=milliseconds(start), limit=4)]
    lengths = [later - earlier for earlier, later in pairwise(opened)]
    assert lengths == [1_800_000, 5_400_000, 1_800_000]


def test_before_the_listing_there_is_nothing(client: httpx.Client) -> None:
    """An empty list for a range before it; a start alone leads to the first candle of all."""
    start = milliseconds(datetime(2017, 1, 1, tzinfo=timezone.utc))
    assert rows(client, startTime=start, endTime=start + 86_400_000) == []
    assert rows(client, startTime=start, limit=1)[0][0] == milliseconds(datetime(2017, 8, 17, 4, tzinfo=timezone.utc))


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("symbol=NOSUCHUSDT&interval=30m", -1121),
        ("symbol=BTCUSDT&interval=31m", -1120),
        ("interval=30m", -1102),
        ("symbol=BTCUSDT", -1102),
        ("symbol=btcusdt&interval=30m", -1100),
        ("symbol=BTCUSDT&interval=30m&startTime=soon", -1100),
        ("symbol=BTCUSDT&interval=30m&startTime=", -1105),
        ("symbol=BTCUSDT&interval=30m&limit=1001", -1130),
    ],
)
def test_a_wrong_question_has_the_documented_code(client: httpx.Client, query: str, code: int) -> None:
    """HTTP 400, and an object of code and message."""
    answer = client.get(f"/api/v3/klines?{query}")
    assert answer.status_code == 400
    assert (answer.json()["code"], set(answer.json())) == (code, {"code", "msg"})


def test_each_answer_says_the_weight_of_the_minute(client: httpx.Client, clock: SteppedClock) -> None:
    """Two for candles, twenty for pairs; beyond the limit 429, for who goes on 418, both with the wait."""
    weights = [client.get(path).headers[WEIGHT_HEADER] for path in ("/api/v3/klines?symbol=BTCUSDT&interval=30m",) * 2]
    told = client.get("/api/v3/exchangeInfo?symbol=XMRUSDT")
    assert [*weights, told.headers[WEIGHT_HEADER]] == ["2", "4", "24"]
    assert told.json()["symbols"][0]["status"] == "BREAK"
    refused = [client.get("/api/v3/exchangeInfo") for _ in range(4)]
    assert [answer.status_code for answer in refused] == [429, 429, 429, 418]
    assert [answer.headers["Retry-After"] for answer in refused] == ["51", "51", "51", "120"]
    assert {answer.json()["code"] for answer in refused} == {-1003}
    clock.advance(timedelta(minutes=1))
    assert client.get("/api/v3/exchangeInfo").status_code == 418
    clock.advance(timedelta(minutes=1))
    assert client.get("/api/v3/exchangeInfo").status_code == 200


def test_its_prices_are_those_of_the_other_stand_in(client: httpx.Client) -> None:
    """A pair costs at a candle's start what the coin costs in dollars, divided by what its quote coin costs."""
    [row] = rows(client, limit=1)
    at = datetime.fromtimestamp(row[0] / 1000, timezone.utc)
    coin, tether = MARKET.price(1, at), MARKET.price(825, at)
    assert coin is not None
    assert tether is not None
    assert float(row[1]) == pytest.approx(coin / tether, rel=1e-9)
