"""The simulated market: coins, and the price of each at any instant, as a pure function.

Ids and names are real, supplies rounded. A price is the coin's base price times a sum of slow and fast waves, each coin
with its own phases: smooth, positive, and the same in every process.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import NamedTuple

ANOTHER_BTC_ID = 990101
"""A coin that shares the symbol BTC, with a lower rank than Bitcoin and listed before it."""
HOUR_SECONDS = 3_600
DAY_SECONDS = 86_400

# (period in seconds, amplitude of the logarithm); the periods share no multiple, so that no two days look alike.
_WAVES = ((2_819.0, 0.0013), (17_389.0, 0.0047), (74_891.0, 0.0121), (523_987.0, 0.0390), (3_907_121.0, 0.1430))
_STABLE_SHARE = 0.002  # the amplitude of a coin that follows the dollar


class ListedCoin(NamedTuple):
    """A coin: CoinMarketCap's id, rank (1 is the largest), base price in USD, supply in coins."""

    id: int
    name: str
    symbol: str
    rank: int
    base_price: float
    supply: float


# Not ordered by rank, as at the real source.
COINS = (
    ListedCoin(ANOTHER_BTC_ID, "Another Bitcoin", "BTC", 4_821, 0.0031415, 21_000_000_000),
    ListedCoin(1, "Bitcoin", "BTC", 1, 87_654.32, 19_964_512),
    ListedCoin(1027, "Ethereum", "ETH", 2, 2_834.57, 120_692_311.4),
    ListedCoin(825, "Tether USDt", "USDT", 3, 1.0002, 184_000_000_000),
    ListedCoin(52, "XRP", "XRP", 4, 2.0481, 60_100_000_000),
    ListedCoin(1839, "BNB", "BNB", 5, 842.19, 137_700_000),
    ListedCoin(5426, "Solana", "SOL", 6, 131.2468, 556_789_012.34),
    ListedCoin(3408, "USDC", "USDC", 7, 0.9998, 74_000_000_000),
    ListedCoin(74, "Dogecoin", "DOGE", 8, 0.14426, 151_900_000_000),
    ListedCoin(1958, "TRON", "TRX", 9, 0.27435, 94_600_000_000),
    ListedCoin(2010, "Cardano", "ADA", 10, 0.40512, 35_900_000_000),
    ListedCoin(1831, "Bitcoin Cash", "BCH", 12, 541.77, 19_960_000),
    ListedCoin(1975, "Chainlink", "LINK", 13, 12.3456, 696_800_000),
    ListedCoin(512, "Stellar", "XLM", 15, 0.23889, 32_200_000_000),
    ListedCoin(328, "Monero", "XMR", 16, 388.05, 18_446_744),
    ListedCoin(2, "Litecoin", "LTC", 18, 84.11, 76_600_000),
    ListedCoin(5994, "Shiba Inu", "SHIB", 25, 0.0000078911, 589_000_000_000_000),
    ListedCoin(990144, "Another SOL", "SOL", 7_311, 0.00027182, 5_000_000_000),
)


def generated_coins(number: int) -> list[ListedCoin]:
    """More coins: C0001 with the id 800001, and so on."""
    return [
        ListedCoin(800_000 + one, f"Coin {one}", f"C{one:04d}", 1_000 + one, 1_000 / one, 1e6)
        for one in range(1, number + 1)
    ]


class Market:
    """Prices and volumes of all coins in USD, which change at multiples of an interval since 1970 UTC only."""

    def __init__(self, coins: Iterable[ListedCoin] = COINS, *, update_every_seconds: float = 60) -> None:
        self.coins = tuple(coins)
        self.by_id = {coin.id: coin for coin in self.coins}
        self._update_every = update_every_seconds
        chances = {coin.id: random.Random(coin.id) for coin in self.coins}  # noqa: S311 - prices, not secrets
        self._phases = {one: [chance.uniform(0, math.tau) for _ in _WAVES] for one, chance in chances.items()}

    def price(self, coin_id: int, instant: datetime) -> float:
        """The price at an aware instant, as of the last update before it."""
        return self.price_at(self.by_id[coin_id], instant.timestamp())

    def updated_at(self, seconds: float) -> float:
        """The last update at or before `seconds` since 1970 UTC."""
        return seconds // self._update_every * self._update_every

    def price_at(self, coin: ListedCoin, seconds: float) -> float:
        """The price at `seconds` since 1970 UTC."""
        update = self.updated_at(seconds)
        waves = zip(_WAVES, self._phases[coin.id], strict=True)
        swing = sum(height * math.sin(math.tau * update / period + phase) for (period, height), phase in waves)
        return coin.base_price * math.exp(swing * _STABLE_SHARE if coin.symbol in ("USDT", "USDC") else swing)

    def volume_24h_at(self, coin: ListedCoin, seconds: float) -> float:
        # Volume swings several times as much as the price, and five hours later.
        swing = self.price_at(coin, seconds - 5 * HOUR_SECONDS) / coin.base_price
        return coin.base_price * coin.supply * 0.03 * swing**6


def iso(seconds: float) -> str:
    """An instant as the source writes it: ISO 8601 in UTC, three decimals, ``Z``."""
    instant = datetime.fromtimestamp(seconds, timezone.utc)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
