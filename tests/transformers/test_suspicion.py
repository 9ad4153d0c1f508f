"""What prices that differ surely look like, and where nothing is sure."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._bases.tehran_time import hour_key, hours_before
from tests.support.two_markets import candles_of, quotes_of, walk
from transformers.comparison import Comparison, compare_symbol, with_swaps

NOW = datetime(2026, 11, 23, 12, 7, tzinfo=timezone.utc)
HOURS = [hour_key(start) for start in hours_before(NOW, 168)]
SEEDS = st.integers(0, 10_000)
MINUTES = st.sampled_from([0, 2, 30, 59])


def compared(
    quoted: list[float],
    traded: list[float],
    *,
    symbol: str = "BTC",
    tolerance: float = 1.0,
    minute: int = 0,
    swing: float = 0.0,
) -> Comparison:
    """The comparison of one symbol's prices, both in the order of `HOURS`."""
    quotes, candles = quotes_of(symbol, HOURS, quoted, minute=minute), candles_of(symbol, HOURS, traded, swing=swing)
    return compare_symbol(symbol, quotes, candles, hours=HOURS, rates={}, tolerance=tolerance)


def looks(found: Comparison) -> list[str]:
    """What it looks like, each in one word."""
    return [one.looks for one in found.suspicions]


def test_a_frozen_price_of_coinmarketcap_looks_stale() -> None:
    """The hours over the tolerance are explained by it, from the first repetition on."""
    prices = walk(168, percent=3)
    quoted = [*prices[:100], *[prices[100]] * 20, *prices[120:]]
    found = compared(quoted, prices)
    (stale,) = found.suspicions
    assert stale.looks == "stale"
    assert f"from {HOURS[100][:16]} to {HOURS[119][:16]}" in stale.detail
    assert stale.detail.startswith("CoinMarketCap")
    assert list(stale.hours) == [one.hour for one in found.over]
    assert len(stale.hours) > 10


def test_a_frozen_price_of_binance_looks_stale() -> None:
    """Either source may stand still."""
    prices = walk(168, percent=3)
    (stale,) = compared(prices, [*prices[:100], *[prices[100]] * 20, *prices[120:]]).suspicions
    assert (stale.looks, stale.detail.split()[0]) == ("stale", "Binance")


def test_two_hours_of_one_price_are_not_sure() -> None:
    """They are over the tolerance, and not explained."""
    prices = walk(168, percent=3)
    quoted = [*prices[:100], prices[99] * 1.1, prices[99] * 1.1, *prices[102:]]
    found = compared(quoted, prices)
    assert (len(found.over), looks(found)) == (2, [])


def test_a_market_that_stands_still_in_both_is_not_stale() -> None:
    """Two steady prices apart may be two truths."""
    assert looks(compared([103.0] * 168, [100.0] * 168)) == []


@pytest.mark.parametrize(("lag", "word"), [(-1, "earlier"), (1, "later")])
@pytest.mark.parametrize("percent", [0.4, 3.0])
def test_prices_shifted_by_an_hour_are_found(lag: int, word: str, percent: float) -> None:
    """In a quiet market too, in which no hour is over the tolerance."""
    prices = walk(170, percent=percent)
    found = compared(prices[1 + lag : 169 + lag], prices[1:169])
    assert found.differs
    assert bool(found.over) == (percent > 1)
    (shifted,) = found.suspicions
    assert shifted.looks == "shifted"
    assert f"an hour {word}, all along" in shifted.detail
    assert list(shifted.hours) == [one.hour for one in found.over]


def test_a_shift_shows_through_a_steady_difference_and_a_few_wrong_hours() -> None:
    """Such as that of a dollar coin, and one price that is absurd."""
    prices = walk(169)
    quoted = [price * 1.003 for price in prices[:168]]
    quoted[50] *= 10
    assert looks(compared(quoted, prices[1:])) == ["shifted"]


def test_a_shifted_day_of_a_week_is_found() -> None:
    """By its hours over the tolerance, which all fit the hour beside them."""
    prices = walk(168, percent=4)
    quoted = [*prices[:60], *prices[59:83], *prices[84:]]
    found = compared(quoted, prices)
    assert looks(found) == ["shifted"]
    assert len(found.over) >= 3
    assert set(found.suspicions[0].hours) == {one.hour for one in found.over}


def test_two_hours_that_fit_those_beside_them_are_not_sure() -> None:
    """Two may do so by chance."""
    prices = walk(168, percent=0.2)
    traded = [*prices[:60], prices[60] * 1.1, prices[60] * 1.2, *prices[62:]]
    quoted = [*traded[:61], traded[60], traded[61], *traded[63:]]
    found = compared(quoted, traded)
    assert (len(found.over), looks(found)) == (2, [])


@pytest.mark.parametrize("percent", [0.5, 5.0])
def test_a_price_of_the_hours_end_is_not_shifted(percent: float) -> None:
    """Though it is the next hour's first one, and nothing was traded in between at an exchange that is hardly used."""
    prices = walk(168, percent=percent)
    assert looks(compared(prices[1:], prices[:168], minute=59)) == []


def test_a_price_between_two_hours_is_not_sure() -> None:
    """Though it is nearer to that of the hour beside it."""
    prices = walk(168, percent=3)
    quoted = [0.3 * price + 0.7 * after for price, after in pairwise(prices)]
    found = compared(quoted, prices[:168])
    assert len(found.over) > 3
    assert looks(found) == []


def test_a_shift_beside_a_stale_price_is_found() -> None:
    """The hours that the one explains do not count against the other."""
    prices = walk(168, percent=4)
    quoted = [*prices[:60], *prices[59:83], *prices[84:100], *[prices[100]] * 12, *prices[112:]]
    found = compared(quoted, prices)
    assert looks(found) == ["stale", "shifted"]
    explained = {hour for one in found.suspicions for hour in one.hours}
    assert explained == {one.hour for one in found.over}


@given(seed=SEEDS, minute=MINUTES, percent=st.sampled_from([0.01, 0.5, 5.0]))
def test_right_prices_are_never_suspected(seed: int, minute: int, percent: float) -> None:
    """However the market moves and whenever in its hour a price is taken, as a host in another zone takes it."""
    opens = walk(168, seed=seed, percent=percent)
    share = minute / 60
    quoted = [opened + (closed - opened) * share for opened, closed in pairwise(opens)]
    found = compared(quoted, opens, minute=minute, swing=percent)
    assert not found.differs


@given(seed=SEEDS, noise=st.floats(0.001, 3))
def test_noise_is_never_suspected(seed: int, noise: float) -> None:
    """Sources that differ at random, more than the market moves, are over the tolerance at most."""
    traded = walk(168, seed=seed, percent=0.05)
    quoted = [price * other / 100 for price, other in zip(traded, walk(168, seed=seed + 1, percent=noise), strict=True)]
    assert looks(compared(quoted, traded)) == []


@given(seed=SEEDS)
def test_swapped_prices_are_found_in_both_symbols(seed: int) -> None:
    """Whatever the prices are: each symbol names the other, for the hours in which they were swapped."""
    bitcoin, ether = walk(168, start=90_000, seed=seed), walk(168, start=3_000, seed=seed + 1)
    solana = walk(168, start=2_950, seed=seed + 2)
    swapped_bitcoin = [*bitcoin[:40], *ether[40:43], *bitcoin[43:]]
    swapped_ether = [*ether[:40], *bitcoin[40:43], *ether[43:]]
    found = with_swaps(
        [
            compared(swapped_bitcoin, bitcoin, symbol="BTC"),
            compared(swapped_ether, ether, symbol="ETH"),
            compared(solana, solana, symbol="SOL"),
        ]
    )
    assert [looks(one) for one in found] == [["swapped"], ["swapped"], []]
    assert "BTC and ETH" in found[0].suspicions[0].detail
    assert "ETH and BTC" in found[1].suspicions[0].detail
    assert [list(one.suspicions[0].hours) for one in found[:2]] == [HOURS[40:43]] * 2


def test_one_sided_likeness_is_no_swap() -> None:
    """A symbol that has another's price while that one has its own is over the tolerance, and no more is sure."""
    bitcoin, ether = walk(168, start=90_000), walk(168, start=3_000, seed=2)
    quoted = [*bitcoin[:40], ether[40], *bitcoin[41:]]
    found = with_swaps([compared(quoted, bitcoin, symbol="BTC"), compared(ether, ether, symbol="ETH")])
    assert [looks(one) for one in found] == [[], []]
    assert [len(one.over) for one in found] == [1, 0]


def test_a_chain_is_no_swap() -> None:
    """A symbol with the price of another that has that of a third, which has its own."""
    bitcoin, ether, solana = walk(168, start=90_000), walk(168, start=3_000, seed=2), walk(168, start=150, seed=3)
    found = with_swaps(
        [
            compared([*bitcoin[:40], ether[40], *bitcoin[41:]], bitcoin, symbol="BTC"),
            compared([*ether[:40], solana[40], *ether[41:]], ether, symbol="ETH"),
            compared(solana, solana, symbol="SOL"),
        ]
    )
    assert [looks(one) for one in found] == [[], [], []]
    assert [len(one.over) for one in found] == [1, 1, 0]


def test_symbols_that_are_both_off_are_no_swap() -> None:
    """Each is over, and neither fits the other."""
    bitcoin, ether = walk(168, start=90_000), walk(168, start=3_000, seed=2)
    found = with_swaps(
        [
            compared([price * 1.1 for price in bitcoin], bitcoin, symbol="BTC"),
            compared([price * 0.9 for price in ether], ether, symbol="ETH"),
        ]
    )
    assert [looks(one) for one in found] == [[], []]
