"""Two sources' prices of the same hours: which are compared, in which currency, and how far they are apart."""

from __future__ import annotations

import math
from datetime import datetime, timezone

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from adapters._bases.tehran_time import hour_key, hours_before
from tests.support.two_markets import Candles, Quotes, candles_of, quotes_of, walk
from transformers.comparison import Comparison, Rates, compare_symbol

NOW = datetime(2026, 11, 23, 12, 7, tzinfo=timezone.utc)
HOURS = [hour_key(start) for start in hours_before(NOW, 48)]
PRICES = walk(48)
HOUR_SETS = st.sets(st.sampled_from(HOURS), min_size=1)


def compared(quotes: Quotes, candles: Candles, *, tolerance: float = 1.0, rates: Rates | None = None) -> Comparison:
    """The comparison of one symbol over `HOURS`."""
    return compare_symbol("BTC", quotes, candles, hours=HOURS, rates=rates or {}, tolerance=tolerance)


def test_sources_that_agree_differ_nowhere() -> None:
    """Every hour is compared, and nothing is said of any."""
    found = compared(quotes_of("BTC", HOURS, PRICES), candles_of("BTC", HOURS, PRICES))
    assert (found.both, found.compared, found.only_quoted, found.only_traded) == (48, 48, 0, 0)
    assert not found.differs
    assert found.median == pytest.approx(0.0001, rel=0.01)


@given(quoted=HOUR_SETS, traded=HOUR_SETS)
def test_each_hour_is_in_both_or_in_one(quoted: set[str], traded: set[str]) -> None:
    """Whatever hours each source has: none is counted twice, and none that one lacks is compared."""
    quotes = {hour: one for hour, one in quotes_of("BTC", HOURS, PRICES).items() if hour in quoted}
    candles = {hour: one for hour, one in candles_of("BTC", HOURS, PRICES).items() if hour in traded}
    found = compared(quotes, candles)
    assert (found.both, found.only_quoted, found.only_traded) == (
        len(quoted & traded),
        len(quoted - traded),
        len(traded - quoted),
    )
    assert found.compared == found.both
    assert (found.largest is None) == (found.median is None) == (not quoted & traded)


@given(percent=st.floats(-50, 50), tolerance=st.floats(0.01, 20))
def test_an_hour_is_over_when_it_is_further_off_than_the_tolerance(percent: float, tolerance: float) -> None:
    """The deviation is that of CoinMarketCap's price from Binance's, in percent of the latter, to either side."""
    assume(abs(abs(percent) - tolerance) > 1e-6)  # what is exactly the tolerance is a matter of the last bit
    quotes, candles = quotes_of("BTC", HOURS, PRICES), candles_of("BTC", HOURS, PRICES)
    hour = HOURS[20]
    quotes[hour] = quotes[hour]._replace(price=candles[hour].price * (1 + percent / 100))
    found = compared(quotes, candles, tolerance=tolerance)
    assert [one.hour for one in found.over] == ([hour] if abs(percent) > tolerance else [])
    if abs(percent) > tolerance:
        assert found.largest == found.over[0]
        assert found.over[0].percent == pytest.approx(percent)


def test_a_price_taken_later_may_be_any_of_the_hour() -> None:
    """Half an hour in, it is held against the nearest of what was traded in the hour; at its beginning, the open."""
    prices = [price * 1.02 for price in PRICES]
    candles = candles_of("BTC", HOURS, PRICES, swing=3)
    assert not compared(quotes_of("BTC", HOURS, prices, minute=30), candles).differs
    assert len(compared(quotes_of("BTC", HOURS, prices, minute=4), candles).over) == 48
    far = [price * 1.05 for price in PRICES]
    found = compared(quotes_of("BTC", HOURS, far, minute=30), candles)
    assert [round(one.percent, 2) for one in found.over] == [round((1.05 / 1.03 - 1) * 100, 2)] * 48


def test_an_hour_that_goes_on_has_its_open_alone() -> None:
    """Without a highest and a lowest trade a late price too is held against the first one."""
    candles = {
        hour: one._replace(low=None, high=None) for hour, one in candles_of("BTC", HOURS, PRICES, swing=3).items()
    }
    prices = [price * 1.02 for price in PRICES]
    assert len(compared(quotes_of("BTC", HOURS, prices, minute=30), candles).over) == 48


def test_dollar_coins_are_taken_for_dollars_and_counted() -> None:
    """Without a price of the coin's own, its hours are compared one for one."""
    found = compared(quotes_of("BTC", HOURS, PRICES), candles_of("BTC", HOURS, PRICES, currency="USDC"))
    assert (found.compared, found.converted, found.taken_for_dollar) == (48, 0, {"USDC": 48})


def test_a_stored_price_of_the_coin_converts() -> None:
    """A coin that has lost its dollar differs only in the hours for which its own price is not known."""
    rates = {"USDT": dict.fromkeys(HOURS[:47], 0.9)}
    candles = candles_of("BTC", HOURS, [price / 0.9 for price in PRICES])
    found = compared(quotes_of("BTC", HOURS, PRICES), candles, rates=rates)
    assert (found.converted, found.taken_for_dollar) == (47, {"USDT": 1})
    assert [one.hour for one in found.over] == [HOURS[47]]


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf])
def test_a_price_of_the_coin_that_is_none_converts_nothing(rate: float) -> None:
    """It is as if it were not stored."""
    rates = {"USDT": dict.fromkeys(HOURS, rate)}
    found = compared(quotes_of("BTC", HOURS, PRICES), candles_of("BTC", HOURS, PRICES), rates=rates)
    assert (found.converted, found.taken_for_dollar) == (0, {"USDT": 48})
    assert not found.differs


@pytest.mark.parametrize("currency", ["EUR", "BTC", "TRY"])
def test_other_currencies_are_named_and_not_compared(currency: str) -> None:
    """Not even where a coin of that name has a price."""
    rates = {currency: dict.fromkeys(HOURS, 1.0)}
    found = compared(quotes_of("BTC", HOURS, PRICES), candles_of("BTC", HOURS, PRICES, currency=currency), rates=rates)
    assert (found.both, found.compared, found.refused) == (48, 0, {f"{currency} with USD": 48})
    assert (found.median, found.largest, found.differs) == (None, None, False)


def test_a_dollar_coin_is_no_euro() -> None:
    """Prices in it are compared with dollars alone."""
    found = compared(quotes_of("BTC", HOURS, PRICES, currency="EUR"), candles_of("BTC", HOURS, PRICES))
    assert (found.compared, found.refused) == (0, {"USDT with EUR": 48})


def test_the_same_currency_needs_no_note() -> None:
    """Whatever it is."""
    quotes = quotes_of("BTC", HOURS, PRICES, currency="EUR")
    found = compared(quotes, candles_of("BTC", HOURS, PRICES, currency="EUR"))
    assert (found.compared, found.converted, found.taken_for_dollar, found.refused) == (48, 0, {}, {})


@pytest.mark.parametrize("price", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("side", ["quote", "candle"])
def test_what_is_no_price_is_counted_and_not_compared(price: float, side: str) -> None:
    """`verify` names it; a comparison with it would say nothing."""
    quotes, candles = quotes_of("BTC", HOURS, PRICES), candles_of("BTC", HOURS, PRICES)
    if side == "quote":
        quotes[HOURS[3]] = quotes[HOURS[3]]._replace(price=price)
    else:
        candles[HOURS[3]] = candles[HOURS[3]]._replace(price=price)
    found = compared(quotes, candles)
    assert (found.both, found.compared, found.unreadable, found.differs) == (48, 47, 1, False)


@given(prices=st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=48, max_size=48))
def test_whatever_doubles_stand_there_every_figure_is_finite(prices: list[float]) -> None:
    """So that JSON can carry them."""
    found = compared(quotes_of("BTC", HOURS, prices), candles_of("BTC", HOURS, PRICES))
    assert found.compared + found.unreadable == 48
    assert all(math.isfinite(figure) for one in found.over for figure in (one.quoted, one.traded, one.percent))
