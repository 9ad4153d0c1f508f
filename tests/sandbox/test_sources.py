"""The simulated sources serve one smooth market, by the rules of the real ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.binance import ExchangeStandIn
from sandbox.market import ANOTHER_BTC_ID, Market, listed_coins
from tests.support.faulty_source import FaultySource
from tests.support.stepped_clock import SteppedClock

HISTORICAL = "/v3/cryptocurrency/quotes/historical"
RECORDED = json.loads((Path(__file__).parents[1] / "fixtures" / "binance" / "klines.json").read_text())
LENGTHS = {"1w": 7 * 86_400_000, "1m": 60_000}
HALF_HOUR = 1_800_000
MARKET = Market(listed_coins())
DOWN = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)


@pytest.fixture
def binance(clock: SteppedClock) -> Iterator[httpx.Client]:
    """Asks a Binance that was down for an hour of the day before."""
    with (
        ExchangeStandIn(MARKET, clock=clock, is_down=lambda at: DOWN <= at < DOWN + timedelta(hours=1)) as exchange,
        httpx.Client(base_url=exchange.base_url) as client,
    ):
        yield client


def milliseconds(instant: datetime) -> int:
    """Since 1970 UTC."""
    return int(instant.timestamp() * 1000)


def candles(client: httpx.Client, start: datetime, limit: int) -> list[list[Any]]:
    """The candles of Bitcoin from a time on."""
    asked = {"symbol": "BTCUSDT", "interval": "30m", "startTime": str(milliseconds(start)), "limit": str(limit)}
    rows: list[list[Any]] = client.get("/api/v3/klines", params=asked).raise_for_status().json()
    return rows


@given(st.datetimes(datetime(2015, 1, 1), datetime(2030, 1, 1), timezones=st.just(timezone.utc)))  # noqa: DTZ001 - above
def test_price_is_smooth_and_repeatable(instant: datetime) -> None:
    """It depends on coin and instant alone, changes at updates only, and by less than 5 % in 15 minutes."""
    price = MARKET.price(5426, instant)
    assert price == Market(listed_coins()).price(5426, instant.replace(second=0, microsecond=0))
    assert abs(MARKET.price(5426, instant + timedelta(minutes=15)) / price - 1) < 0.05


def test_map_lists_all_coins_of_a_symbol(client: httpx.Client) -> None:
    """The lesser coin comes first, as at the real source."""
    rows = client.get("/v1/cryptocurrency/map", params={"symbol": "BTC"}).json()["data"]
    assert [row["id"] for row in rows] == [ANOTHER_BTC_ID, 1]


def test_history_excludes_start_and_holes(stand_in: FaultySource, client: httpx.Client) -> None:
    """The end is inclusive, each price is the market's at its time stamp, and a hole is missing for its coin alone."""
    asked = {"interval": "30m", "time_start": "2026-11-22T08:00:00Z", "time_end": "2026-11-22T10:00:00Z"}
    data = client.get(HISTORICAL, params={"id": "1,1027", **asked}).json()["data"]
    served = {key: [quote["timestamp"][11:16] for quote in coin["quotes"]] for key, coin in data.items()}
    assert served == {"1": ["09:30", "10:00"], "1027": ["08:30", "09:00", "09:30", "10:00"]}
    for quote in data["1027"]["quotes"]:
        at = datetime.fromisoformat(quote["timestamp"].replace("Z", "+00:00"))
        assert quote["quote"]["USD"]["price"] == stand_in.market.price(1027, at)


def test_some_historical_stamps_are_seconds_late(client: httpx.Client) -> None:
    """As at the real source."""
    data = client.get(HISTORICAL, params={"id": "1", "interval": "30m", "time_start": "2026-11-20"}).json()["data"]
    late = [quote for quote in data["1"]["quotes"] if not quote["timestamp"].endswith(":00.000Z")]
    assert 0 < len(late) < len(data["1"]["quotes"]) / 5


def test_candle_has_the_form_of_recorded_ones(binance: httpx.Client, clock: SteppedClock) -> None:
    """Twelve positions, decimals as texts of eight places, the close time a millisecond before the next candle."""
    [served] = candles(binance, clock.now - timedelta(hours=2), 1)
    for interval, length in LENGTHS.items():
        assert form(served, HALF_HOUR) == form(RECORDED[interval], length)


def form(row: list[Any], length: int) -> list[object]:
    """Types, decimals, and the relation of the two times."""
    kinds = [len(one.partition(".")[2]) if isinstance(one, str) else type(one) for one in row]
    return [*kinds, row[6] - row[0] == length - 1, row[0] % 60_000]


def test_last_candle_is_open(binance: httpx.Client, clock: SteppedClock) -> None:
    """Ten minutes later its volume has grown, and its open price is the same."""
    start = clock.now - timedelta(minutes=30)
    [before] = candles(binance, start, 5)
    clock.advance(timedelta(minutes=10))
    [after] = candles(binance, start, 5)
    assert before[6] > milliseconds(clock.now)
    assert (after[0], after[1]) == (before[0], before[1])
    assert float(after[5]) > float(before[5])


def test_outage_has_no_candles(binance: httpx.Client) -> None:
    """They are left out, not flat."""
    opened = [row[0] for row in candles(binance, DOWN - timedelta(hours=1), 4)]
    assert [later - earlier for earlier, later in pairwise(opened)] == [HALF_HOUR, 3 * HALF_HOUR, HALF_HOUR]


def test_candle_price_is_the_price_in_the_quote_coin(binance: httpx.Client) -> None:
    """That of Bitcoin in dollars divided by that of Tether."""
    [row] = candles(binance, DOWN + timedelta(hours=2), 1)
    at = datetime.fromtimestamp(row[0] / 1000, timezone.utc)
    assert float(row[1]) == pytest.approx(MARKET.price(1, at) / MARKET.price(825, at), rel=1e-9)


def test_unknown_pair_has_the_documented_code(binance: httpx.Client) -> None:
    """HTTP 400, and an object of code and message."""
    answer = binance.get("/api/v3/klines?symbol=NOSUCHUSDT&interval=30m&startTime=0")
    assert (answer.status_code, answer.json()["code"]) == (400, -1121)
