"""The simulated market is smooth, repeatable and has its troublemakers."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.market import ANOTHER_BTC_ID, DAY_SECONDS, DEAD_SOL_ID, HOUR_SECONDS, QUOTELESS_ID, Market, listed_coins

MARKET = Market(listed_coins(), update_every_seconds=60)
INSTANTS = st.datetimes(
    min_value=datetime(2015, 1, 1), max_value=datetime(2030, 1, 1), timezones=st.just(timezone.utc)  # noqa: DTZ001 - hypothesis adds the zone
)  # fmt: skip


@given(INSTANTS, st.sampled_from([coin for coin in MARKET.coins if coin.base_price is not None]))
def test_a_price_is_positive_and_the_same_in_every_market(instant: datetime, coin: object) -> None:
    """A price depends on the coin and the instant alone, and stays within half and double of its base."""
    listed = next(each for each in MARKET.coins if each is coin)
    price = MARKET.price(listed.id, instant)
    assert price == Market(listed_coins()).price(listed.id, instant)
    assert price is not None
    assert listed.base_price is not None
    assert listed.base_price / 2 < price < listed.base_price * 2


@given(INSTANTS)
def test_a_price_changes_only_at_updates(instant: datetime) -> None:
    """Between two updates the price stands still."""
    update = instant.replace(second=0, microsecond=0)
    assert MARKET.price(1, instant) == MARKET.price(1, update)
    assert MARKET.price(1, update) != MARKET.price(1, update + timedelta(minutes=1))


@given(INSTANTS)
def test_an_hour_moves_a_price_by_little(instant: datetime) -> None:
    """The walk is smooth: within a quarter of an hour no coin moves by more than five per cent."""
    now, later = MARKET.price(5426, instant), MARKET.price(5426, instant + timedelta(minutes=15))
    assert now is not None
    assert later is not None
    assert abs(later / now - 1) < 0.05


@given(INSTANTS)
def test_changes_agree_with_the_prices(instant: datetime) -> None:
    """Percent changes are those of the price function itself, market caps those of the price."""
    seconds = instant.timestamp()
    eth = MARKET.by_id[1027]
    now, day_before = MARKET.price(1027, instant), MARKET.price(1027, instant - timedelta(days=1))
    change = MARKET.percent_change_at(eth, seconds, over_seconds=DAY_SECONDS)
    assert now is not None
    assert day_before is not None
    assert change is not None
    assert math.isclose(day_before * (1 + change / 100), now, rel_tol=1e-12)
    assert MARKET.market_cap_at(eth, seconds) == now * eth.circulating_supply


def test_some_coins_have_no_price() -> None:
    """The dead coin and the one without quotes have neither price nor change nor market cap."""
    for coin_id in (DEAD_SOL_ID, QUOTELESS_ID):
        coin = MARKET.by_id[coin_id]
        assert MARKET.price_at(coin, 0.0) is None
        assert MARKET.market_cap_at(coin, 0.0) is None
        assert MARKET.percent_change_at(coin, 0.0, over_seconds=HOUR_SECONDS) is None


def test_symbols_are_shared_as_in_the_real_market() -> None:
    """Another active BTC, with a higher id and a worse rank, comes before Bitcoin; a dead SOL before Solana."""
    listed = [coin.id for coin in MARKET.coins]
    another, bitcoin = MARKET.by_id[ANOTHER_BTC_ID], MARKET.by_id[1]
    assert another.symbol == bitcoin.symbol == "BTC"
    assert listed.index(another.id) < listed.index(bitcoin.id)
    assert another.rank is not None
    assert bitcoin.rank is not None
    assert another.rank > bitcoin.rank
    assert MARKET.by_id[DEAD_SOL_ID].symbol == MARKET.by_id[5426].symbol
    assert listed.index(DEAD_SOL_ID) < listed.index(5426)


def test_ids_slugs_and_ranks_are_unique() -> None:
    """No two coins share an id, a slug or a rank, the generated ones included."""
    coins = listed_coins(extra_coins=1_500)
    ranks = [coin.rank for coin in coins if coin.rank is not None]
    assert len({coin.id for coin in coins}) == len({coin.slug for coin in coins}) == len(coins)
    assert len(set(ranks)) == len(ranks)


def test_an_unknown_coin_has_no_price() -> None:
    """A coin that is not listed is a mistake of the caller."""
    with pytest.raises(KeyError):
        MARKET.price(999_999, datetime(2026, 1, 1, tzinfo=timezone.utc))
