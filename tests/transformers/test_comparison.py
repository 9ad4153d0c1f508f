"""The comparison of two sources' prices: which hours are compared, how far apart they are, and what looks wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timezone
from itertools import pairwise
from statistics import median

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from adapters._bases.tehran_time import hour_key, hours_before
from tests.support.two_markets import Prices, candles_of, quotes_of, walk
from transformers.comparison import Comparison, compare_symbol, mixed_up

NOW = datetime(2026, 11, 23, 12, 7, tzinfo=timezone.utc)
WEEK = [hour_key(start) for start in hours_before(NOW, 168)]
HOURS = WEEK[-48:]
PRICES = walk(48)
SEEDS = st.integers(0, 10_000)


def compared(
    quotes: Prices, candles: Prices, *, tolerance: float = 1.0, rates: dict[str, Prices] | None = None
) -> Comparison:
    return compare_symbol(quotes, candles, hours=HOURS, rates=rates or {}, tolerance=tolerance)


def of_week(quoted: Sequence[float], traded: Sequence[float], *, minute: int = 0, swing: float = 0.0) -> Comparison:
    """The comparison of a week's prices in USD and USDT."""
    quotes, candles = quotes_of("BTC", WEEK, quoted, minute=minute), candles_of("BTC", WEEK, traded, swing=swing)
    return compare_symbol(quotes, candles, hours=WEEK, rates={}, tolerance=1.0)


def kinds(found: Comparison) -> list[str]:
    return [one.looks for one in found.looks]


@given(
    quoted=st.sets(st.sampled_from(HOURS), min_size=1),
    traded=st.sets(st.sampled_from(HOURS), min_size=1),
)
def test_hours_are_counted_once_and_compared_only_if_both_have_them(quoted: set[str], traded: set[str]) -> None:
    quotes = {hour: one for hour, one in quotes_of("BTC", HOURS, PRICES).items() if hour in quoted}
    candles = {hour: one for hour, one in candles_of("BTC", HOURS, PRICES).items() if hour in traded}
    found = compared(quotes, candles)
    assert found.hours_in_both == found.hours_compared == len(quoted & traded)
    assert (found.hours_only_coinmarketcap, found.hours_only_binance) == (len(quoted - traded), len(traded - quoted))
    figures = (found.median_percent, found.bias_percent, found.largest_percent, found.largest_hour)
    assert [one is None for one in figures] == [not quoted & traded] * 4


@given(percent=st.floats(-50, 50), tolerance=st.floats(0.01, 20))
def test_an_hour_is_over_if_it_deviates_by_more_than_the_tolerance(percent: float, tolerance: float) -> None:
    assume(abs(abs(percent) - tolerance) > 1e-6)  # equality depends on the last bit
    quotes, candles = quotes_of("BTC", HOURS, PRICES), candles_of("BTC", HOURS, PRICES)
    hour = HOURS[20]
    quotes[hour] = quotes[hour]._replace(price=candles[hour].price * (1 + percent / 100))
    found = compared(quotes, candles, tolerance=tolerance)
    assert [one.hour for one in found.over] == ([hour] if abs(percent) > tolerance else [])
    assert found.differs == (abs(percent) > tolerance)
    if found.over:
        assert (found.largest_percent, found.largest_hour) == (found.over[0].percent, found.over[0].hour)
        assert found.over[0].percent == pytest.approx(percent)
        assert (found.over[0].coinmarketcap, found.over[0].binance) == (quotes[hour].price, candles[hour].price)


def test_a_deviation_equal_to_the_tolerance_is_not_over() -> None:
    quotes, candles = quotes_of("BTC", HOURS, [100.0] * 48), candles_of("BTC", HOURS, [64.0] * 48)
    quotes = {hour: one._replace(price=80.0) for hour, one in quotes.items()}
    assert compared(quotes, candles, tolerance=25.0).over == []


@given(percents=st.lists(st.floats(-5, 5), min_size=48, max_size=48))
def test_the_median_ignores_the_sign_and_the_bias_keeps_it(percents: list[float]) -> None:
    quotes = quotes_of("BTC", HOURS, [price * (1 + one / 100) for price, one in zip(PRICES, percents, strict=False)])
    found = compared(quotes, candles_of("BTC", HOURS, PRICES))
    assert found.median_percent == pytest.approx(median(map(abs, percents)), abs=0.001)
    assert found.bias_percent == pytest.approx(median(percents), abs=0.001)


@pytest.mark.parametrize(("minute", "over"), [(0, 48), (4, 48), (5, 0), (30, 0)])
def test_a_late_price_is_compared_with_the_range_of_the_hour(minute: int, over: int) -> None:
    """From five minutes on, the nearest traded price counts; before, the hour's first one."""
    quotes = quotes_of("BTC", HOURS, [price * 1.02 for price in PRICES], minute=minute)
    candles = candles_of("BTC", HOURS, PRICES, swing=3)
    assert len(compared(quotes, candles).over) == over
    unfinished = {hour: one._replace(low=None, high=None) for hour, one in candles.items()}
    assert len(compared(quotes, unfinished).over) == 48


def test_a_dollar_coin_is_converted_by_its_own_price() -> None:
    """Hours without that price take the coin for a dollar, and are counted."""
    rates = {"USDT": quotes_of("USDT", HOURS[:47], [0.9] * 47)}
    candles = candles_of("BTC", HOURS, [price / 0.9 for price in PRICES])
    found = compared(quotes_of("BTC", HOURS, PRICES), candles, rates=rates)
    assert (found.hours_converted, found.hours_taken_for_dollar) == (47, {"USDT": 1})
    assert [one.hour for one in found.over] == [HOURS[47]]
    assert found.over[0].binance == candles[HOURS[47]].price


@pytest.mark.parametrize(("factor", "percent"), [(1.02, 0.0), (1.05, 2 / 1.03), (0.95, -2 / 0.97)])
def test_a_late_price_is_compared_with_the_converted_range(factor: float, percent: float) -> None:
    rates = {"USDT": quotes_of("USDT", HOURS, [0.9] * 48)}
    quotes = quotes_of("BTC", HOURS, [price * 0.9 * factor for price in PRICES], minute=30)
    found = compared(quotes, candles_of("BTC", HOURS, PRICES, swing=3), rates=rates)
    assert found.bias_percent == pytest.approx(percent, abs=0.001)


@pytest.mark.parametrize(("quoted", "traded"), [("USD", "EUR"), ("USD", "BTC"), ("EUR", "USDT")])
def test_other_currencies_are_not_compared(quoted: str, traded: str) -> None:
    rates = {traded: quotes_of(traded, HOURS, [1.0] * 48)}
    quotes = quotes_of("BTC", HOURS, PRICES, currency=quoted)
    found = compared(quotes, candles_of("BTC", HOURS, PRICES, currency=traded), rates=rates)
    assert (found.hours_in_both, found.hours_compared, found.hours_without_number) == (48, 0, 0)
    assert found.hours_of_other_currencies == {f"{traded} with {quoted}": 48}
    assert (found.median_percent, found.largest_percent, found.differs) == (None, None, False)


@pytest.mark.parametrize("price", [0.0, -1.0, math.nan, math.inf])
def test_an_invalid_price_is_counted_and_not_compared(price: float) -> None:
    quotes, candles = quotes_of("BTC", HOURS, PRICES), candles_of("BTC", HOURS, PRICES)
    quotes[HOURS[3]] = quotes[HOURS[3]]._replace(price=price)
    candles[HOURS[5]] = candles[HOURS[5]]._replace(price=price)
    found = compared(quotes, candles)
    assert (found.hours_in_both, found.hours_compared, found.hours_without_number, found.differs) == (48, 46, 2, False)
    assert found.hours_taken_for_dollar == {"USDT": 46}


@pytest.mark.parametrize("price", [0.0, math.nan, math.inf])
def test_an_invalid_range_is_ignored(price: float) -> None:
    quotes = quotes_of("BTC", HOURS, [price * 1.02 for price in PRICES], minute=30)
    candles = candles_of("BTC", HOURS, PRICES, swing=3)
    candles[HOURS[3]] = candles[HOURS[3]]._replace(low=price)
    candles[HOURS[4]] = candles[HOURS[4]]._replace(high=price)
    assert [one.hour for one in compared(quotes, candles).over] == HOURS[3:5]


@given(prices=st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=48, max_size=48))
def test_every_figure_is_finite(prices: list[float]) -> None:
    found = compared(quotes_of("BTC", HOURS, prices), candles_of("BTC", HOURS, PRICES))
    assert found.hours_compared + found.hours_without_number == 48
    assert all(math.isfinite(figure) for one in found.over for figure in (one.coinmarketcap, one.binance, one.percent))


@pytest.mark.parametrize("source", ["CoinMarketCap", "Binance"])
def test_a_repeated_price_is_stale_while_the_other_source_moves(source: str) -> None:
    """It explains the hours over the tolerance from the first repetition on."""
    prices = walk(168, percent=3)
    frozen = [*prices[:100], *[prices[100]] * 20, *prices[120:]]
    found = of_week(frozen, prices) if source == "CoinMarketCap" else of_week(prices, frozen)
    (stale,) = found.looks
    assert (stale.looks, stale.detail.split()[0]) == ("stale", source)
    assert f" from {WEEK[100][:16]} to {WEEK[119][:16]} while " in stale.detail
    assert list(stale.hours) == [one.hour for one in found.over]
    assert len(stale.hours) > 10


def test_a_source_that_never_moves_is_stale() -> None:
    found = of_week([100.0] * 168, walk(168, percent=3))
    assert (kinds(found), list(found.looks[0].hours)) == (["stale"], [one.hour for one in found.over])


@pytest.mark.parametrize(("repeated", "expected"), [(2, []), (3, ["stale"])])
def test_a_price_is_stale_from_three_hours_on(repeated: int, expected: list[str]) -> None:
    prices = walk(168, percent=3)
    quoted = [*prices[:100], *[prices[99] * 1.1] * repeated, *prices[100 + repeated :]]
    found = of_week(quoted, prices)
    assert len(found.over) >= 2
    assert kinds(found) == expected


@pytest.mark.parametrize(("moved", "expected"), [(1.29e-7, []), (1.31e-7, ["stale"])])
def test_price_that_cannot_follow_because_of_a_coarse_tick_is_not_stale(moved: float, expected: list[str]) -> None:
    """A pair quoted in steps of 0.00000001 repeats 0.00000012 until the price has moved by a step, 8 % here."""
    quoted = [1.2e-7, 1.22e-7, 1.25e-7, moved, *[1.62e-7, 1.68e-7] * 82]
    found = of_week(quoted, [*[1.2e-7] * 4, *[1.6e-7, 1.7e-7] * 82])
    assert len(found.over) > 2
    assert kinds(found) == expected


@pytest.mark.parametrize(("lag", "when"), [(-1, "earlier"), (1, "later")])
@pytest.mark.parametrize("percent", [0.4, 3.0])
def test_a_shift_of_the_whole_span_is_found(lag: int, when: str, percent: float) -> None:
    prices = walk(170, percent=percent)
    found = of_week(prices[1 + lag : 169 + lag], prices[1:169])
    assert found.differs
    assert bool(found.over) == (percent > 1)
    (shifted,) = found.looks
    assert shifted.looks == "shifted"
    assert f"an hour {when}, throughout" in shifted.detail
    assert list(shifted.hours) == [one.hour for one in found.over]


@pytest.mark.parametrize(("hours", "expected"), [(24, []), (25, ["shifted"])])
def test_a_quiet_shift_needs_a_day_of_pairs(hours: int, expected: list[str]) -> None:
    """Of N hours, N - 1 have a neighbor."""
    prices, span = walk(hours, percent=0.3), WEEK[:hours]
    quotes, candles = quotes_of("BTC", span, prices), candles_of("BTC", span, prices[1:])
    assert kinds(compare_symbol(quotes, candles, hours=span, rates={}, tolerance=1.0)) == expected


def test_a_shift_shows_through_a_bias_and_an_absurd_price() -> None:
    prices = walk(169)
    quoted = [price * 1.003 for price in prices[:168]]
    quoted[50] *= 10
    assert kinds(of_week(quoted, prices[1:])) == ["shifted"]


@pytest.mark.parametrize(("hours", "expected"), [(2, []), (3, ["shifted"])])
def test_a_shift_needs_three_matching_hours(hours: int, expected: list[str]) -> None:
    traded = walk(168, percent=0.01)
    traded[60 : 60 + hours] = [100 * 1.1**number for number in range(1, 1 + hours)]
    quoted = [*traded[:61], *traded[60 : 60 + hours], *traded[61 + hours :]]
    found = of_week(quoted, traded)
    assert (len(found.over), kinds(found)) == (hours, expected)


def test_a_shifted_day_is_found_beside_a_stale_price() -> None:
    """Hours that one explains do not count against the other."""
    prices = walk(168, percent=4)
    found = of_week([*prices[:60], *prices[59:83], *prices[84:100], *[prices[100]] * 12, *prices[112:]], prices)
    assert kinds(found) == ["stale", "shifted"]
    assert f"of {len(found.looks[1].hours)} h match" in found.looks[1].detail
    explained = [hour for one in found.looks for hour in one.hours]
    assert sorted(explained) == [one.hour for one in found.over]


@pytest.mark.parametrize(("factor", "who"), [(1e-3, "Binance"), (1e-6, "Binance"), (1e7, "CoinMarketCap")])
def test_a_constant_factor_is_found(factor: float, who: str) -> None:
    """Of a pair of 1,000 coins, or of a source that is wrong; at any minute of the hour."""
    prices = walk(168)
    for minute in (0, 30):
        found = of_week([price * factor for price in prices], prices, minute=minute, swing=2)
        (scaled,) = found.looks
        assert scaled.looks == "scaled"
        assert scaled.detail.startswith(f"{who}'s prices are {max(factor, 1 / factor):,.0f} times ")
        assert list(scaled.hours) == [one.hour for one in found.over]
    assert "scaled" not in kinds(of_week([*prices[:100], prices[100] * factor, *prices[101:]], prices))
    assert kinds(of_week([price * 3 for price in prices], prices)) == []


@given(seed=SEEDS, minute=st.sampled_from([0, 2, 30, 59]), percent=st.sampled_from([0.01, 0.5, 5.0]))
def test_correct_prices_are_never_suspected(seed: int, minute: int, percent: float) -> None:
    """However the market moves, and at whichever minute of the hour a price is taken."""
    opens = walk(168, seed=seed, percent=percent)
    quoted = [opened + (closed - opened) * minute / 60 for opened, closed in pairwise(opens)]
    assert not of_week(quoted, opens, minute=minute, swing=percent).differs


@given(seed=SEEDS, noise=st.floats(0.001, 3))
def test_noise_is_never_suspected(seed: int, noise: float) -> None:
    traded = walk(168, seed=seed, percent=0.05)
    quoted = [price * other / 100 for price, other in zip(traded, walk(168, seed=seed + 1, percent=noise), strict=True)]
    assert kinds(of_week(quoted, traded)) == []


@pytest.mark.parametrize(("same", "expected"), [(48, ["mixed up"]), (40, [])])
def test_prices_are_another_coins_only_if_every_hour_is(same: int, expected: list[str]) -> None:
    other = walk(48, seed=2, start=30.0)
    quotes = quotes_of("BTC", HOURS, [*other[:same], *(price * 2 for price in other[same:])])
    candles = candles_of("BTC", HOURS, PRICES)
    known = {"BTC": candles, "ETH": candles_of("ETH", HOURS, other)}
    found = mixed_up(compared(quotes, candles), {"BTC": quotes}, known, rates={}, tolerance=1.0)
    assert (found.differs_throughout, [one for one in kinds(found) if one == "mixed up"]) == (True, expected)


def test_late_prices_are_not_shifted_although_the_next_hour_matches() -> None:
    prices = walk(169, percent=3)
    assert "shifted" in kinds(of_week(prices[1:], prices[:-1]))
    assert "shifted" not in kinds(of_week(prices[1:], prices[:-1], minute=55))
