"""Candles to rows: which are made, of what, and what is rejected."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._bases.tehran_time import HOUR
from adapters.clickhouse.binance_clickhouse_adapter import PairRow
from adapters.files.choices import KnownPair
from extractors.candles import Answered, Candle, CandleCall
from transformers.candles import candle_batch, last_over, pair_row
from transformers.coverage import Batch, Remark, hours_by_key

HOUR_START = datetime(2026, 11, 23, 11, 30, tzinfo=timezone.utc)
"""2026-11-23 15:00 in Tehran."""
LONG_AFTER = HOUR_START + timedelta(days=1)
PAIR = KnownPair("BTCUSDT", "USDT", datetime(2017, 8, 17, 4, tzinfo=timezone.utc))
FIRST = Candle(HOUR_START, "100.0", "120.0", "90.0", "110.0", "1.5", "150.0", 10)
SECOND = Candle(HOUR_START + HOUR / 2, "110.5", "130.0", "100.0", "105.0", "2.25", "240.0", 20)


def hours_of(*candles: Candle, as_of: datetime = LONG_AFTER, before: int = 0) -> Batch:
    """What becomes of candles in the hour, and in some before it."""
    call = CandleCall("BTC", hours_by_key(HOUR_START - HOUR * back for back in range(before, -1, -1)))
    return candle_batch(
        call, Answered(list(candles), as_of), partial(pair_row, "BTC", PAIR, "r1"), name="BTC (BTCUSDT)"
    )


def remark(reason: str) -> Remark:
    return Remark("BTC", reason, "2026-11-23 15:00:00", "BTC (BTCUSDT)")


def made(*candles: Candle, as_of: datetime = LONG_AFTER) -> list[Any]:
    batch = hours_of(*candles, as_of=as_of)
    assert batch.rejects == []
    return [*batch.rows]


def test_hour_combines_its_two_candles() -> None:
    assert made(SECOND, FIRST) == [
        PairRow(
            symbol="BTC",
            pair="BTCUSDT",
            price=100.0,
            high=130.0,
            low=90.0,
            close=105.0,
            volume_base=3.75,
            volume_quote=390.0,
            trades=30,
            currency="USDT",
            candles=2,
            endpoint="klines",
            run_id="r1",
            source_updated_at="2026-11-23 16:00:00",
            fetched_at="2026-11-23 15:00:00",
        )
    ]


@given(st.integers(min_value=0, max_value=3609))
def test_open_hour_has_its_first_price_only(seconds: int) -> None:
    """At any moment of it, and in the seconds in which an answer may be that old."""
    [row] = made(FIRST, SECOND, as_of=HOUR_START + timedelta(seconds=seconds))
    assert row.price == 100.0
    assert {row.high, row.low, row.close, row.volume_base, row.volume_quote, row.trades} == {None}
    assert (row.candles, row.source_updated_at) == (1, None)


def test_hour_is_complete_once_it_is_settled() -> None:
    assert made(FIRST, SECOND, as_of=HOUR_START + HOUR + timedelta(seconds=10))[0].close == 105.0
    assert last_over(HOUR_START + HOUR + timedelta(seconds=10)) == HOUR_START
    assert last_over(HOUR_START + HOUR + timedelta(seconds=9)) == HOUR_START - HOUR


def test_one_candle_gives_the_whole_hour() -> None:
    [row] = made(SECOND)
    assert (row.price, row.high, row.low, row.close, row.candles) == (110.5, 130.0, 100.0, 105.0, 1)
    assert (row.fetched_at, row.source_updated_at) == ("2026-11-23 15:30:00", "2026-11-23 16:00:00")
    [row] = made(FIRST)
    assert (row.close, row.candles, row.source_updated_at) == (110.0, 1, "2026-11-23 15:30:00")


def test_hour_without_a_candle_has_no_row() -> None:
    before, after = FIRST._replace(opens=HOUR_START - HOUR / 2), FIRST._replace(opens=HOUR_START + HOUR)
    assert made(before, after) == []
    assert len(made(FIRST, after)) == 1


@given(st.floats(min_value=1e-12, max_value=1e12))
def test_prices_and_volumes_keep_every_digit(number: float) -> None:
    text = repr(number)
    [row] = made(Candle(HOUR_START, text, text, text, text, text, text, 10))
    assert {row.price, row.high, row.low, row.close, row.volume_base, row.volume_quote} == {number}


def test_half_hour_without_a_trade_adds_nothing() -> None:
    quiet = SECOND._replace(high="110.5", low="110.5", close="110.5", volume="0", quote_volume="0.0", trades=0)
    [row] = made(FIRST, quiet)
    assert (row.volume_base, row.volume_quote, row.trades) == (1.5, 150.0, 10)


@pytest.mark.parametrize("price", ["0.0", "-1", "NaN", "inf", "soon", "None"])
def test_hour_without_a_sound_open_is_rejected(price: str) -> None:
    batch = hours_of(FIRST._replace(open=price), SECOND)
    assert (batch.rows, batch.rejects) == ([], [remark(f"not a price: {price!r}")])


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"high": "0"}, "high"),
        ({"high": "99.0"}, "high"),
        ({"high": "109.0"}, "high"),
        ({"low": "None"}, "low"),
        ({"low": "101.0"}, "low"),
        ({"volume": "-0.1"}, "volume_base"),
        ({"volume": "inf"}, "volume_base"),
        ({"quote_volume": "nan"}, "volume_quote"),
        ({"trades": -1}, "trades"),
        ({"trades": 10**400}, "trades"),
        ({"close": "soon"}, None),
    ],
)
def test_impossible_number_loses_that_number_only(change: dict[str, object], column: str | None) -> None:
    """The close of the first candle is not stored in any case."""
    batch = hours_of(FIRST._replace(**change), SECOND)  # type: ignore[arg-type]  # any field, by its name
    [(name, value)] = change.items()
    [sound] = made(FIRST, SECOND)
    lacking: dict[str, Any] = {column: None} if column else {}
    assert (batch.rows, batch.rejects) == ([sound._replace(**lacking)], [])
    assert batch.flaws == [remark(f"the {name} {value!r} of a candle is impossible, and left empty")]


def test_candle_off_the_grid_gives_no_price_and_is_named() -> None:
    late = FIRST._replace(opens=HOUR_START - timedelta(milliseconds=105_211))
    batch = hours_of(late, SECOND, SECOND, FIRST, before=1)
    assert (batch.rows, batch.rejects) == (made(FIRST, SECOND), [])
    [flaw] = batch.flaws
    assert (flaw.hour, "2026-11-23 14:58:14" in flaw.reason) == ("2026-11-23 14:00:00", True)
