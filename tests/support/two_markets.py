"""One market as two sources saw it: rows of both for the tests of their comparison."""

from __future__ import annotations

import random
from collections.abc import Sequence

from adapters._bases.hourly_table import StoredPrice

Prices = dict[str, StoredPrice]


def walk(hours: int, *, start: float = 100.0, seed: int = 1, percent: float = 1.5) -> list[float]:
    """A price for each hour and one more; each differs from the one before by at most ``percent``."""
    chance = random.Random(seed)  # noqa: S311 - prices, not secrets
    prices = [start]
    for _ in range(hours):
        prices.append(prices[-1] * (1 + chance.uniform(-percent, percent) / 100))
    return prices


def quotes_of(
    symbol: str, hours: Sequence[str], prices: Sequence[float], *, minute: int = 0, currency: str = "USD"
) -> Prices:
    """CoinMarketCap's prices, each taken ``minute`` minutes into its hour; a millionth off, as sources differ."""
    return {
        hour: StoredPrice(
            symbol, hour, symbol, price * 1.000001, currency=currency, taken_at=f"{hour[:13]}:{minute:02d}:03"
        )
        for hour, price in zip(hours, prices, strict=False)
    }


def candles_of(
    symbol: str, hours: Sequence[str], prices: Sequence[float], *, currency: str = "USDT", swing: float = 0.0
) -> Prices:
    """Binance's prices; each hour goes below its open and above it by ``swing`` percent."""
    return {
        hour: StoredPrice(
            symbol,
            hour,
            symbol + currency,
            price,
            currency=currency,
            low=price * (1 - swing / 100),
            high=price * (1 + swing / 100),
        )
        for hour, price in zip(hours, prices, strict=False)
    }
