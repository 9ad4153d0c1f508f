"""The simulated market: what every coin is worth at any instant, as a pure function.

A price is its coin's base price times a sum of slow and quick waves, each coin with phases of its own: smooth, never
negative, the same in every process, and known for the past and the future alike. Nothing is stored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timezone

from sandbox.coins import ListedCoin

HOUR_SECONDS = 3_600
DAY_SECONDS = 86_400

# Periods share no common multiple, so that no two hours or days look alike: (seconds, swing of the logarithm).
_WAVES = (
    (2_819.0, 0.0013),
    (17_389.0, 0.0047),
    (74_891.0, 0.0121),
    (523_987.0, 0.0390),
    (3_907_121.0, 0.1430),
)
_STABLE_SHARE = 0.002  # the waves of a coin that follows the dollar


class Market:
    """Prices, volumes and changes of all coins.

    Args:
        coins: the coins listed.
        update_every_seconds: values change only at multiples of it since 1970 UTC, as behind the source's own cache;
            below a second a power of two, so that its multiples are exact.
    """

    def __init__(self, coins: Iterable[ListedCoin], *, update_every_seconds: float = 60) -> None:
        self.coins = tuple(coins)
        self.update_every_seconds = update_every_seconds
        self.by_id = {coin.id: coin for coin in self.coins}
        self._phases = {coin.id: _phases(coin.id) for coin in self.coins}

    def price(self, coin_id: int, instant: datetime) -> float | None:
        """The price in USD at an aware instant, as of the last update before it; None for a coin without a price.

        Raises:
            KeyError: no such coin.
        """
        return self.price_at(self.by_id[coin_id], instant.timestamp())

    def updated_at(self, coin: ListedCoin, seconds: float) -> float:
        """The last update at or before `seconds` since 1970 UTC; a dead coin's is its last one for ever."""
        if coin.died_at is not None:
            return coin.died_at.timestamp()
        return seconds // self.update_every_seconds * self.update_every_seconds

    def price_at(self, coin: ListedCoin, seconds: float) -> float | None:
        """As `price`, for an instant in seconds since 1970 UTC."""
        if coin.base_price is None:
            return None
        return coin.base_price * math.exp(self._swing(coin, seconds))

    def volume_24h_at(self, coin: ListedCoin, seconds: float) -> float:
        """What was traded in the 24 hours before, in USD; 0 for a coin without a price."""
        if coin.base_price is None:
            return 0.0
        # Trading swings several times as much as the price, and out of step with it.
        share = 0.03 * math.exp(6.0 * self._swing(coin, seconds - 5 * HOUR_SECONDS))
        return coin.base_price * coin.circulating_supply * share

    def market_cap_at(self, coin: ListedCoin, seconds: float) -> float | None:
        """Price times circulating supply, in USD; None for a coin without a price."""
        price = self.price_at(coin, seconds)
        return None if price is None else price * coin.circulating_supply

    def total_market_cap_at(self, seconds: float) -> float:
        """The market caps of all coins together, in USD."""
        return math.fsum(self.market_cap_at(coin, seconds) or 0.0 for coin in self.coins)

    def percent_change_at(self, coin: ListedCoin, seconds: float, *, over_seconds: int) -> float | None:
        """The change of the price over the time before, where 1.5 means 1.5 %; None for a coin without a price."""
        now, before = self.price_at(coin, seconds), self.price_at(coin, seconds - over_seconds)
        return None if now is None or before is None else (now / before - 1.0) * 100.0

    def _swing(self, coin: ListedCoin, seconds: float) -> float:
        update = seconds // self.update_every_seconds * self.update_every_seconds
        phases = self._phases[coin.id]
        swing = 0.0
        for (period, height), phase in zip(_WAVES, phases, strict=True):
            swing += height * math.sin(math.tau * update / period + phase)
        return swing * _STABLE_SHARE if coin.symbol in ("USDT", "USDC") else swing


def iso(seconds: float) -> str:
    """The source's spelling of an instant: ISO 8601 in UTC, three decimals, ``Z``."""
    instant = datetime.fromtimestamp(seconds, timezone.utc)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _phases(coin_id: int) -> tuple[float, ...]:
    """One phase a wave, in radians, scattered by the coin's id."""
    return tuple(math.tau * scattered(coin_id, wave) / 2**32 for wave in range(len(_WAVES)))


def scattered(*numbers: int) -> int:
    """A number of 32 bits that looks random and is the same in every process (unlike `hash` of text)."""
    mixed = 0x9E3779B9
    for number in numbers:
        mixed = ((mixed ^ number) * 0x85EBCA6B) & 0xFFFFFFFF
        mixed ^= mixed >> 13
        mixed = (mixed * 0xC2B2AE35) & 0xFFFFFFFF
        mixed ^= mixed >> 16
    return mixed
