"""Prices of CoinMarketCap held against those of Binance, hour by hour. Pure.

An hour is compared where both sources have it, and nothing is filled in for the one that lacks it. CoinMarketCap's
price is held against Binance's first trade of the hour. One that was taken later in the hour may be any price of the
hour: it is held against the nearest of those between Binance's lowest and highest trade.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from adapters.clickhouse.binance_clickhouse_adapter import StoredCandle
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import StoredQuote
from transformers.suspicion import LAGS, Held, Suspicion, shifted, stale, swapped

DOLLAR_COINS = frozenset({"USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USDP", "USD1", "DAI"})
"""Coins that stand for a US dollar: prices in them are compared with prices in USD."""
_DOLLAR = "USD"
_PROMPT_MINUTES = 5
"""A price taken so far into the hour is still the hour's first one: markets hardly move in them."""

Rates = Mapping[str, Mapping[str, float]]
"""Dollar coin to its own prices in USD, by hour key."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One symbol's prices of a span, from both sources.

    Attributes:
        symbol: as both have it.
        pair: at Binance, the latest one of the span.
        both: hours that both have.
        only_quoted: hours that CoinMarketCap alone has.
        only_traded: hours that Binance alone has.
        compared: hours of `both` that were compared.
        median: of the sizes of all deviations, in percent; None where no hour was compared.
        largest: the hour with the largest one; likewise.
        over: the hours whose deviation is over the tolerance, oldest first.
        suspicions: what the prices surely look like.
        converted: hours for which the coin's own price was known, so that Binance's was converted by it.
        taken_for_dollar: dollar coin to the hours for which it was not, so that the coin was taken for a dollar.
        refused: currencies that are not compared, such as ``EUR with USD``, to their hours.
        unreadable: hours with a price that is not a positive number.
    """

    symbol: str
    pair: str
    both: int
    only_quoted: int
    only_traded: int
    compared: int
    median: float | None
    largest: Held | None
    over: Sequence[Held]
    suspicions: Sequence[Suspicion]
    converted: int
    taken_for_dollar: Mapping[str, int]
    refused: Mapping[str, int]
    unreadable: int

    @property
    def differs(self) -> bool:
        """Whether an hour is over the tolerance, or the prices look wrong though none is."""
        return bool(self.over or self.suspicions)


@dataclass(frozen=True, kw_only=True)
class Overview:
    """All symbols' prices of a span, from both sources.

    Attributes:
        hours: the keys of the span, oldest first.
        tolerance: in percent.
        symbols: those that both sources have in the span.
        only_quoted: symbols that CoinMarketCap alone has.
        only_traded: symbols that Binance alone has.
    """

    hours: Sequence[str]
    tolerance: float
    symbols: Sequence[Comparison]
    only_quoted: Sequence[str]
    only_traded: Sequence[str]

    @property
    def wrong(self) -> list[Comparison]:
        """The symbols that differ."""
        return [one for one in self.symbols if one.differs]


def compare_symbol(
    symbol: str,
    quotes: Mapping[str, StoredQuote],
    candles: Mapping[str, StoredCandle],
    *,
    hours: Sequence[str],
    rates: Rates,
    tolerance: float,
) -> Comparison:
    """The prices of one symbol held against each other.

    Args:
        symbol: of both.
        quotes: CoinMarketCap's, by hour key.
        candles: Binance's, by hour key; at least one.
        hours: all keys of the span, oldest first.
        rates: see `Rates`.
        tolerance: in percent; a deviation above it is over.
    """
    common = [hour for hour in hours if hour in quotes and hour in candles]
    tally = _Tally()
    held = [one for hour in common if (one := tally.hold(quotes[hour], candles[hour], rates)) is not None]
    over = [one for one in held if one.size > tolerance]
    frozen = stale(held, over)
    explained = {hour for one in frozen for hour in one.hours}
    moved = {lag: _at_lag(lag, hours, quotes, candles, rates) for lag in LAGS}
    shift = shifted(held, [one for one in over if one.hour not in explained], moved)
    return Comparison(
        symbol=symbol,
        pair=candles[max(candles)].pair,
        both=len(common),
        only_quoted=len(quotes) - len(common),
        only_traded=len(candles) - len(common),
        compared=len(held),
        median=median(one.size for one in held) if held else None,
        largest=max(held, key=lambda one: one.size, default=None),
        over=over,
        suspicions=[*frozen, *shift],
        converted=tally.converted,
        taken_for_dollar=tally.taken_for_dollar,
        refused=tally.refused,
        unreadable=tally.unreadable,
    )


def with_swaps(found: Sequence[Comparison]) -> list[Comparison]:
    """The same comparisons; those whose prices stand under each other's symbol say so."""
    swaps = swapped({one.symbol: one.over for one in found})
    return [replace(one, suspicions=[*swaps.get(one.symbol, ()), *one.suspicions]) for one in found]


class _Tally:
    """Holds prices against each other, and counts how."""

    def __init__(self) -> None:
        self.converted = self.unreadable = 0
        self.taken_for_dollar: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def hold(self, quote: StoredQuote, candle: StoredCandle, rates: Rates) -> Held | None:
        """Both prices of an hour in the quote's currency; None where they are not to be compared."""
        rate = _rate(quote, candle, rates)
        if rate is None and not _is_dollar(quote, candle):
            self.refused[f"{candle.currency} with {quote.currency}"] += 1
            return None
        held = _held(quote, candle, rate or 1.0)
        if held is None:
            self.unreadable += 1
        elif rate is None:
            self.taken_for_dollar[candle.currency] += 1
        else:
            self.converted += quote.currency != candle.currency
        return held


def _rate(quote: StoredQuote, candle: StoredCandle, rates: Rates) -> float | None:
    """What a unit of the candle's currency is worth in the quote's, None where that is not known."""
    if quote.currency == candle.currency:
        return 1.0
    rate = rates.get(candle.currency, {}).get(candle.datetime) if _is_dollar(quote, candle) else None
    return rate if rate is not None and _is_price(rate) else None


def _is_dollar(quote: StoredQuote, candle: StoredCandle) -> bool:
    return quote.currency == _DOLLAR and candle.currency in DOLLAR_COINS


def _held(quote: StoredQuote, candle: StoredCandle, rate: float) -> Held | None:
    """The quote against what Binance traded at while it can have been taken; None for what is not a price."""
    low, high = candle.price, candle.price
    late = quote.taken_at >= f"{quote.datetime[:13]}:{_PROMPT_MINUTES:02d}"
    if late and candle.low is not None and candle.high is not None and _is_price(candle.low) and _is_price(candle.high):
        low, high = candle.low, candle.high
    if not (_is_price(quote.price) and _is_price(candle.price)):
        return None
    traded = min(max(quote.price, low * rate), high * rate)
    if not (_is_price(traded) and _is_price(quote.price / traded)):
        return None
    percent = (quote.price / traded - 1) * 100
    return Held(quote.datetime, quote.price, traded, percent, opened=candle.price, is_prompt=not late)


def _is_price(value: float) -> bool:
    return 0 < value < math.inf


def _at_lag(
    lag: int,
    hours: Sequence[str],
    quotes: Mapping[str, StoredQuote],
    candles: Mapping[str, StoredCandle],
    rates: Rates,
) -> dict[str, Held]:
    """Each hour's quote held against the candle of `lag` hours later, by the quote's hour, where both are there."""
    tally, moved = _Tally(), {}
    for earlier, later in pairwise(hours):
        hour, other = (earlier, later) if lag > 0 else (later, earlier)
        if hour in quotes and other in candles and (held := tally.hold(quotes[hour], candles[other], rates)):
            moved[hour] = held
    return moved
