"""The coins of the simulated market: real ids and names, supplies rounded, a few made-up troublemakers."""

from __future__ import annotations

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

_DIED_AT = datetime(2024, 3, 14, 8, 5, tzinfo=timezone.utc)
_FIRST_LISTED_AT = datetime(2015, 1, 1, tzinfo=timezone.utc)
_MADE_UP_LISTED_AT = datetime(2022, 1, 1, 0, 5, tzinfo=timezone.utc)


class ListedCoin(NamedTuple):
    """One coin of the simulated market.

    Attributes:
        id: CoinMarketCap's id; above 800,000 for the made-up ones.
        name: as listed.
        symbol: the ticker; several coins may share one.
        slug: lower case, unique.
        rank: 1 is the largest; None for a coin that is not ranked.
        base_price: in USD, what the simulated price swings around; None for a coin without a price.
        circulating_supply: in coins, constant.
        max_supply: in coins; None when there is no limit.
        listed_at: aware; no quote is older.
        died_at: aware; the last update of a coin that is no longer traded, None for an active one.
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
    """All coins, in the order in which answers by symbol list them (not by rank, as at the real source).

    Args:
        extra_coins: how many generated coins to add, with symbols from ``C0001`` and ids from `FIRST_EXTRA_ID`.
    """
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
