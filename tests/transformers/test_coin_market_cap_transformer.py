"""What may be stored, and why the rest may not."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.coin_market_cap_parser import Quote
from transformers.coin_market_cap_transformer import CoinMarketCapTransformer

NOW = datetime(2026, 11, 23, 12, 0, 7, tzinfo=timezone.utc)
HOUR_NOW = "2026-11-23 15:00:00"


def transformer() -> CoinMarketCapTransformer:
    """A transformer of the run at `NOW`."""
    return CoinMarketCapTransformer(now=NOW, run_id="r1", stale_after=timedelta(hours=24))


def quote(**changes: object) -> Quote:
    """A sound latest quote of Bitcoin, with the given fields changed."""
    sound = Quote(
        symbol="BTC",
        source_symbol="BTC",
        cmc_id=1,
        name="Bitcoin",
        price=87654.32109876,
        volume_24h=48123456789.12,
        market_cap=1.7e12,
        percent_change_1h=0.1,
        percent_change_24h=-1.2,
        percent_change_7d=None,
        cmc_rank=1,
        currency="USD",
        endpoint="latest",
        observed_at=NOW,
        source_updated_at=NOW - timedelta(seconds=67),
    )
    return sound._replace(**changes)  # type: ignore[arg-type]  # each test names fields of Quote


def past(minutes: int, price: float | None = 1.0) -> Quote:
    """A historical quote so many minutes before 15:00 in Tehran."""
    moment = NOW.replace(minute=0, second=0) - timedelta(minutes=minutes + 30)
    return quote(endpoint="historical", observed_at=moment, source_updated_at=moment, price=price)


def test_a_sound_quote_becomes_a_row() -> None:
    """Times become Tehran text with their seconds; values stay to the last digit."""
    rows, rejects = transformer().latest([quote()])
    assert rejects == []
    assert rows[0].fetched_at == "2026-11-23 15:30:07"
    assert rows[0].source_updated_at == "2026-11-23 15:29:00"
    assert (rows[0].price, rows[0].run_id, rows[0].endpoint) == (87654.32109876, "r1", "latest")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"price": None}, "no price"),
        ({"price": math.nan}, "not a price: nan"),
        ({"price": math.inf}, "not a price: inf"),
        ({"price": 0.0}, "not a price: 0.0"),
        ({"price": -1.0}, "not a price: -1.0"),
        ({"source_updated_at": NOW + timedelta(minutes=6)}, "from the future"),
        ({"source_updated_at": NOW - timedelta(hours=24, seconds=1)}, "stale"),
        ({"source_symbol": "XBT"}, "calls id 1 'XBT', not 'BTC'"),
    ],
)
def test_a_bad_quote_is_rejected_with_its_reason(changes: dict[str, object], reason: str) -> None:
    """A bad quote is named with symbol, hour and reason, and the good one beside it is stored."""
    rows, rejects = transformer().latest([quote(**changes), quote(symbol="ETH", source_symbol="ETH", cmc_id=1027)])
    assert [row.symbol for row in rows] == ["ETH"]
    assert [(reject.symbol, reject.hour) for reject in rejects] == [("BTC", HOUR_NOW)]
    assert reason in rejects[0].reason


def test_a_ticker_of_mixed_case_is_the_same_coin() -> None:
    """CoinMarketCap writes a few tickers in mixed case; settings and table have them in upper case."""
    rows, rejects = transformer().latest([quote(symbol="USDE", source_symbol="USDe")])
    assert ([row.symbol for row in rows], rejects) == (["USDE"], [])


def test_a_coin_given_twice_is_stored_once() -> None:
    """The first of two quotes for a symbol stays, the other one is a reject."""
    rows, rejects = transformer().latest([quote(price=1.0), quote(price=2.0)])
    assert [row.price for row in rows] == [1.0]
    assert [reject.reason for reject in rejects] == ["the source gave this coin twice"]


def test_a_small_clock_difference_is_no_future() -> None:
    """Up to five minutes ahead is another host's clock, not a wrong one."""
    rows, _ = transformer().latest([quote(source_updated_at=NOW + timedelta(minutes=5))])
    assert len(rows) == 1


@given(st.floats(min_value=1e-12, max_value=1e12))
def test_prices_keep_every_digit(price: float) -> None:
    """Any price from 1e-12 to 1e12 comes through unchanged."""
    rows, _ = transformer().latest([quote(price=price)])
    assert rows[0].price == price


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_column_that_may_be_empty_is_empty_for_no_number(value: float) -> None:
    """Only the price rejects a quote: NaN elsewhere is an empty column."""
    rows, _ = transformer().latest([quote(volume_24h=value, market_cap=value, percent_change_1h=value)])
    assert rows[0][4:7] == (None, None, None)


def test_the_earliest_quote_inside_an_hour_is_taken() -> None:
    """Of 14:05, 14:30 and 14:59 the first counts for 14:00, in whatever order they come."""
    quotes = [past(1, 3.0), past(55, 1.0), past(30, 2.0)]
    rows, rejects = transformer().historical(quotes, frozenset({"2026-11-23 14:00:00"}))
    assert rejects == []
    assert [(row.fetched_at, row.price) for row in rows] == [("2026-11-23 14:05:00", 1.0)]


def test_another_price_for_the_very_same_time_is_rejected() -> None:
    """The first of two quotes of one time stays; the other is named where its price is another, else passed over."""
    quotes = [past(30, 2.0), past(30, 2.0), past(30, 3.0), past(60, 1.0), past(60, 1.5)]
    for served, price in ((quotes[:3], 2.0), (quotes[3:], 1.0)):
        rows, rejects = transformer().historical(served, frozenset({"2026-11-23 14:00:00"}))
        assert [row.price for row in rows] == [price]
        assert [(reject.symbol, reject.hour) for reject in rejects] == [("BTC", "2026-11-23 14:00:00")]
        assert "two prices for the very same time" in rejects[0].reason


def test_a_null_price_gives_way_to_the_next_quote_of_the_hour() -> None:
    """The earliest valid quote counts; the null one is named."""
    rows, rejects = transformer().historical([past(60, None), past(30, 2.0)], frozenset({"2026-11-23 14:00:00"}))
    assert [row.price for row in rows] == [2.0]
    assert [(reject.hour, reject.reason) for reject in rejects] == [("2026-11-23 14:00:00", "no price (null)")]


def test_hours_not_asked_for_are_left_out() -> None:
    """A quote of the present hour or of an hour before the range never becomes a row."""
    rows, rejects = transformer().historical([past(0), past(61), past(120)], frozenset({"2026-11-23 14:00:00"}))
    assert (rows, rejects) == ([], [])


def test_the_hour_that_came_twice_keeps_the_earlier_instant() -> None:
    """On 2022-09-21 only quotes of the first 23:00 count."""
    early, late = (datetime(2022, 9, 21, hour, 40, tzinfo=timezone.utc) for hour in (18, 19))
    quotes = [
        quote(endpoint="historical", observed_at=moment, source_updated_at=moment, price=price)
        for moment, price in ((late, 2.0), (early, 1.0))
    ]
    rows, _ = transformer().historical(quotes, frozenset({"2022-09-21 23:00:00"}))
    assert [row.price for row in rows] == [1.0]
    assert transformer().historical(quotes[:1], frozenset({"2022-09-21 23:00:00"})).rows == []
