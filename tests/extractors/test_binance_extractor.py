"""Binance's JSON as candles, and the calls that bring hours."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._bases.errors import ContractError
from adapters._bases.tehran_time import HOUR
from adapters.files.choices import KnownPair
from extractors.binance_extractor import CandleCall, first_hour, plan_calls, read_candles

ROW: list[Any] = [
    1795433400000,
    "86123.45000000",
    "86200.00000000",
    "86001.10000000",
    "86150.75000000",
    "12.50000000",
    1795435199999,
    "1076884.37500000",
    4321,
    "6.00000000",
    "516904.50000000",
    "0",
]
START = datetime(2026, 11, 23, 11, 30, tzinfo=timezone.utc)
LISTED = datetime(2017, 8, 17, 4, tzinfo=timezone.utc)
PAIR = KnownPair("BTCUSDT", "USDT", LISTED)


def changed(position: int, value: object) -> list[list[Any]]:
    """A body of one row, another value at one position."""
    return [[*ROW[:position], value, *ROW[position + 1 :]]]


def test_row_is_read_by_its_positions() -> None:
    """Decimals stay texts."""
    [candle] = read_candles([ROW])
    assert candle == (
        START,
        "86123.45000000",
        "86200.00000000",
        "86001.10000000",
        "86150.75000000",
        "12.50000000",
        "1076884.37500000",
        4321,
    )
    assert read_candles([]) == []


@pytest.mark.parametrize("interval", ["1m", "1w"])
def test_candles_of_other_lengths_are_refused(interval: str) -> None:
    """Recorded rows of the documented form, which only their times give away."""
    recorded = json.loads((Path(__file__).parents[1] / "fixtures" / "binance" / "klines.json").read_text())
    with pytest.raises(ContractError, match="not half hours"):
        read_candles([recorded[interval]])


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"code": 0, "msg": "ok"},
        [ROW[:11]],
        changed(0, "1795433400000"),
        changed(1, 86123.45),
        changed(8, "4321"),
        changed(0, 1795433400000 * 1000),
        changed(0, 1795433400001),
        changed(6, 1795433400000 + 3_599_999),
        [ROW, ROW],
        [ROW, *changed(0, 1795433400000 - 1_800_000)],
    ],
)
def test_undocumented_form_is_refused(body: object) -> None:
    """An object, a position too few, another type, microseconds, an hour's candle, a candle twice, the wrong order."""
    with pytest.raises(ContractError):
        read_candles(body)


@given(st.sets(st.integers(min_value=-800, max_value=3000), max_size=40))
def test_each_wanted_hour_since_listing_is_in_one_call(offsets: set[int]) -> None:
    """No call is longer than a thousand candles, and the earliest comes first."""
    pair = KnownPair("BTCUSDT", "USDT", START)
    calls = plan_calls({"BTC": [START + offset * HOUR for offset in offsets]}, {"BTC": pair})
    assert [hour for call in calls for hour in call.hours] == [START + n * HOUR for n in sorted(offsets) if n >= 0]
    assert all(call.hours[-1] - call.hours[0] < 500 * HOUR for call in calls)


def test_span_is_cut_into_calls_of_a_thousand_candles() -> None:
    """Eighteen to a year of hours of each pair, by time."""
    hours = [START + HOUR * number for number in range(365 * 24)]
    calls = plan_calls(dict.fromkeys(["BTC", "ETH"], hours), dict.fromkeys(["BTC", "ETH"], PAIR))
    assert [(call.symbol, len(call.hours)) for call in calls] == [
        (symbol, size) for size in [500] * 17 + [260] for symbol in ("BTC", "ETH")
    ]


def test_pair_begins_with_the_hour_of_its_first_candle() -> None:
    """On Tehran's clock, which then was four and a half hours ahead: 08:30 lies in the hour of 08:00."""
    first = first_hour(PAIR)
    assert first == LISTED - timedelta(minutes=30)
    hours = [first - HOUR, first, first + HOUR]
    assert plan_calls({"BTC": hours}, {"BTC": PAIR}) == [CandleCall("BTC", PAIR, (first, first + HOUR))]
    assert plan_calls({"BTC": hours[:1]}, {"BTC": PAIR}) == []
