"""The simulated market: its coins, and what each is worth at any instant, as a pure function.

Ids and names are real, supplies rounded, a few coins made-up troublemakers. A price is its coin's base price times a
sum of slow and quick waves, each coin with phases of its own: smooth, positive, and the same in every process.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import NamedTuple

ANOTHER_BTC_ID = 990101
"""An active coin that shares the symbol BTC, of a worse rank than Bitcoin and listed before it."""
DEAD_SOL_ID = 990143
"""An inactive coin that shares the symbol SOL: no rank, no price, listed before Solana."""
ANOTHER_SOL_ID = 990144
"""An active coin that shares the symbol SOL, of a worse rank than Solana."""
QUOTELESS_ID = 990150
"""An active coin, symbol NOQUOTE, whose price is null."""
FIRST_EXTRA_ID = 800001
"""The generated coin C0001; C0002 is the next id, and so on."""

HOUR_SECONDS = 3_600
DAY_SECONDS = 86_400

# Periods share no common multiple, so that no two hours or days look alike: (seconds, swing of the logarithm).
_WAVES = ((2_819.0, 0.0013), (17_389.0, 0.0047), (74_891.0, 0.0121), (523_987.0, 0.0390), (3_907_121.0, 0.1430))
_STABLE_SHARE = 0.002  # the waves of a coin that follows the dollar
_DIED_AT = datetime(2024, 3, 14, 8, 5, tzinfo=timezone.utc)
_FIRST_LISTED_AT = datetime(2015, 1, 1, tzinfo=timezone.utc)
_MADE_UP_LISTED_AT = datetime(2022, 1, 1, 0, 5, tzinfo=timezone.utc)


class ListedCoin(NamedTuple):
    """One coin of the simulated market.

    Attributes:
        id: CoinMarketCap's id; above 800,000 for the made-up ones.
        symbol: several coins may share one.
        rank: 1 is the largest; None for an unranked coin.
        base_price: in USD, what the simulated price swings around; None for a coin without a price.
        circulating_supply: in coins, constant.
        max_supply: in coins; None without a limit.
        died_at: the last update of a coin that is not traded any more; None for an active one.
        is_token: whether it lives on another coin's platform (Ethereum here).
    """

    id: int
    name: str
    symbol: str
    slug: str
    rank: int | None
    base_price: float | None
    circulating_supply: float
    max_supply: float | None = None
    listed_at: datetime = _FIRST_LISTED_AT
    died_at: datetime | None = None
    is_token: bool = False


_WELL_KNOWN = (
    ListedCoin(1, "Bitcoin", "BTC", "bitcoin", 1, 87_654.32, 19_964_512, 21_000_000),
    ListedCoin(1027, "Ethereum", "ETH", "ethereum", 2, 2_834.57, 120_692_311.4),
    ListedCoin(825, "Tether USDt", "USDT", "tether", 3, 1.0002, 184_000_000_000, is_token=True),
    ListedCoin(52, "XRP", "XRP", "xrp", 4, 2.0481, 60_100_000_000, 100_000_000_000),
    ListedCoin(1839, "BNB", "BNB", "bnb", 5, 842.19, 137_700_000),
    ListedCoin(5426, "Solana", "SOL", "solana", 6, 131.2468, 556_789_012.34),
    ListedCoin(3408, "USDC", "USDC", "usd-coin", 7, 0.9998, 74_000_000_000, is_token=True),
    ListedCoin(74, "Dogecoin", "DOGE", "dogecoin", 8, 0.14426, 151_900_000_000),
    ListedCoin(1958, "TRON", "TRX", "tron", 9, 0.27435, 94_600_000_000),
    ListedCoin(2010, "Cardano", "ADA", "cardano", 10, 0.40512, 35_900_000_000, 45_000_000_000),
    ListedCoin(1831, "Bitcoin Cash", "BCH", "bitcoin-cash", 12, 541.77, 19_960_000, 21_000_000),
    ListedCoin(1975, "Chainlink", "LINK", "chainlink", 13, 12.3456, 696_800_000, 1_000_000_000, is_token=True),
    ListedCoin(512, "Stellar", "XLM", "stellar", 15, 0.23889, 32_200_000_000, 50_001_806_812),
    ListedCoin(328, "Monero", "XMR", "monero", 16, 388.05, 18_446_744),
    ListedCoin(2, "Litecoin", "LTC", "litecoin", 18, 84.11, 76_600_000, 84_000_000),
    ListedCoin(5805, "Avalanche", "AVAX", "avalanche", 20, 13.2871, 427_000_000, 715_748_719),
    ListedCoin(5994, "Shiba Inu", "SHIB", "shiba-inu", 25, 0.0000078911, 589_000_000_000_000, is_token=True),
    ListedCoin(6636, "Polkadot", "DOT", "polkadot-new", 30, 2.3102, 1_640_000_000),
    ListedCoin(1321, "Ethereum Classic", "ETC", "ethereum-classic", 40, 13.9215, 154_400_000, 210_700_000),
)
_BEFORE_THE_WELL_KNOWN = (
    ListedCoin(
        ANOTHER_BTC_ID, "Another Bitcoin (simulated)", "BTC", "another-bitcoin-simulated", 4_821, 0.0031415,
        21_000_000_000, listed_at=_MADE_UP_LISTED_AT, is_token=True,
    ),
    ListedCoin(
        DEAD_SOL_ID, "Sola Token (simulated)", "SOL", "sola-token-simulated", None, None,
        0, listed_at=_MADE_UP_LISTED_AT, died_at=_DIED_AT, is_token=True,
    ),
)  # fmt: skip
_AFTER_THE_WELL_KNOWN = (
    ListedCoin(
        ANOTHER_SOL_ID, "Another SOL (simulated)", "SOL", "another-sol-simulated", 7_311, 0.00027182,
        5_000_000_000, listed_at=_MADE_UP_LISTED_AT, is_token=True,
    ),
    ListedCoin(
        QUOTELESS_ID, "Quoteless (simulated)", "NOQUOTE", "quoteless-simulated", 7_900, None,
        1_000_000, listed_at=_MADE_UP_LISTED_AT,
    ),
)  # fmt: skip


def listed_coins(*, extra_coins: int = 0) -> tuple[ListedCoin, ...]:
    """All coins and some generated ones, in an order that, as at the real source, is not by rank."""
    generated = tuple(_generated(number) for number in range(1, extra_coins + 1))
    return _BEFORE_THE_WELL_KNOWN + _WELL_KNOWN + _AFTER_THE_WELL_KNOWN + generated


def _generated(number: int) -> ListedCoin:
    symbol = f"C{number:04d}"
    return ListedCoin(
        id=FIRST_EXTRA_ID - 1 + number,
        name=f"Coin {number} (simulated)",
        symbol=symbol,
        slug=f"coin-{number}-simulated",
        rank=1_000 + number,
        base_price=1_000.0 / number,
        circulating_supply=1_000_000.0,
        listed_at=_MADE_UP_LISTED_AT,
    )


class Market:
    """Prices, volumes and changes of all coins. Amounts are in USD, None for a coin without a price.

    Args:
        update_every_seconds: values change only at multiples of it since 1970 UTC, as behind the source's own cache;
            below a second a power of two, so that its multiples are exact.
    """

    def __init__(self, coins: Iterable[ListedCoin], *, update_every_seconds: float = 60) -> None:
        self.coins = tuple(coins)
        self.update_every_seconds = update_every_seconds
        self.by_id = {coin.id: coin for coin in self.coins}
        self._phases = {coin.id: _phases(coin.id) for coin in self.coins}

    def price(self, coin_id: int, instant: datetime) -> float | None:
        """The price at an aware instant, as of the last update before it."""
        return self.price_at(self.by_id[coin_id], instant.timestamp())

    def updated_at(self, coin: ListedCoin, seconds: float) -> float:
        """The last update at or before `seconds` since 1970 UTC, for a dead coin its last one ever."""
        if coin.died_at is not None:
            return coin.died_at.timestamp()
        return seconds // self.update_every_seconds * self.update_every_seconds

    def price_at(self, coin: ListedCoin, seconds: float) -> float | None:
        """As `price`, for an instant in seconds since 1970 UTC."""
        return None if coin.base_price is None else coin.base_price * math.exp(self._swing(coin, seconds))

    def volume_24h_at(self, coin: ListedCoin, seconds: float) -> float:
        """What was traded in the 24 hours before, 0 for a coin without a price."""
        if coin.base_price is None:
            return 0.0
        # Trading swings several times as much as the price, and out of step with it.
        share = 0.03 * math.exp(6.0 * self._swing(coin, seconds - 5 * HOUR_SECONDS))
        return coin.base_price * coin.circulating_supply * share

    def market_cap_at(self, coin: ListedCoin, seconds: float) -> float | None:
        """Price times circulating supply."""
        price = self.price_at(coin, seconds)
        return None if price is None else price * coin.circulating_supply

    def total_market_cap_at(self, seconds: float) -> float:
        """The market caps of all coins together."""
        return math.fsum(self.market_cap_at(coin, seconds) or 0.0 for coin in self.coins)

    def percent_change_at(self, coin: ListedCoin, seconds: float, *, over_seconds: int) -> float | None:
        """The change of the price over the time before, where 1.5 means 1.5 %."""
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
