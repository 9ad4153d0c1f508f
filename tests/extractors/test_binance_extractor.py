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
from adapters.files.pair_choices import KnownPair
from extractors.binance_extractor import CandleCall, first_hour, plan_calls, plan_span, read_candles

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


def test_a_row_is_read_by_its_positions() -> None:
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
def test_recorded_rows_of_other_lengths_are_refused(interval: str) -> None:
    """They have the documented form, and would be taken for half hours if only that were looked at."""
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
def test_another_form_is_refused(body: object) -> None:
    """An object, a position too few, another type, microseconds, an hour's candle, a candle twice, the wrong order."""
    with pytest.raises(ContractError):
        read_candles(body)


@given(st.sets(st.integers(min_value=0, max_value=3000), max_size=40))
def test_calls_bring_each_wanted_hour_once(offsets: set[int]) -> None:
    """Of the wanted hours each is in one call, no call is longer than a thousand candles, the earliest comes first."""
    wanted = [START + offset * HOUR for offset in offsets]
    calls = plan_calls({"BTC": wanted}, {"BTC": PAIR})
    assert [sum(call.start <= hour < call.end for call in calls) for hour in wanted] == [1] * len(wanted)
    assert all(HOUR <= call.end - call.start <= 500 * HOUR for call in calls)
    assert [call.start for call in calls] == sorted(call.start for call in calls)


def test_a_span_is_cut_into_calls_of_a_thousand_candles() -> None:
    """Eighteen to a year of hours, without a gap or an overlap."""
    calls = plan_span("BTC", PAIR, START, START + timedelta(days=365))
    assert len(calls) == 18
    assert [call.end for call in calls[:-1]] == [call.start for call in calls[1:]]
    assert (calls[0].start, calls[-1].end) == (START, START + timedelta(days=365))


def test_a_span_begins_with_the_hour_of_the_first_candle() -> None:
    """On Tehran's clock, which then was four and a half hours ahead: 08:30 lies in the hour of 08:00."""
    first = first_hour(PAIR)
    assert first == LISTED - timedelta(minutes=30)
    assert plan_span("BTC", PAIR, LISTED - timedelta(days=30), LISTED + 2 * HOUR) == [
        CandleCall("BTC", PAIR, first, LISTED + 2 * HOUR)
    ]
    assert plan_span("BTC", PAIR, LISTED - timedelta(days=30), first) == []
