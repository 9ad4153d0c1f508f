"""One market as two sources saw it: rows of both for the tests of their comparison."""

from __future__ import annotations

import random
from collections.abc import Sequence

from adapters.clickhouse.binance_clickhouse_adapter import StoredCandle
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import StoredQuote

Quotes = dict[str, StoredQuote]
Candles = dict[str, StoredCandle]


def walk(hours: int, *, start: float = 100.0, seed: int = 1, percent: float = 1.5) -> list[float]:
    """A price for each hour and one more; each differs from the one before by at most ``percent``."""
    chance = random.Random(seed)  # noqa: S311 - prices, not secrets
    prices = [start]
    for _ in range(hours):
        prices.append(prices[-1] * (1 + chance.uniform(-percent, percent) / 100))
    return prices


def quotes_of(
    symbol: str, hours: Sequence[str], prices: Sequence[float], *, minute: int = 0, currency: str = "USD"
) -> Quotes:
    """CoinMarketCap's prices, each taken ``minute`` minutes into its hour; a millionth off, as sources differ."""
    return {
        hour: StoredQuote(symbol, hour, price * 1.000001, currency, f"{hour[:13]}:{minute:02d}:03")
        for hour, price in zip(hours, prices, strict=False)
    }


def candles_of(
    symbol: str, hours: Sequence[str], prices: Sequence[float], *, currency: str = "USDT", swing: float = 0.0
) -> Candles:
    """Binance's prices; each hour goes below its open and above it by ``swing`` percent."""
    return {
        hour: StoredCandle(
            symbol, hour, symbol + currency, price, price * (1 - swing / 100), price * (1 + swing / 100), currency
        )
        for hour, price in zip(hours, prices, strict=False)
    }
