"""Compare CoinMarketCap's prices with Binance's, hour by hour. Pure.

An hour is compared if both sources have it; a missing hour is never filled in. CoinMarketCap's price is compared with
Binance's first trade of the hour. A price taken later in the hour may be any price of the hour, so it is compared with
the nearest price between Binance's lowest and highest trade.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby, pairwise
from operator import itemgetter
from statistics import median
from typing import Literal, TypeGuard

import msgspec
from msgspec.structs import replace

from adapters._bases.hourly_table import StoredPrice
from adapters._bases.wording import counted

DOLLAR_COINS = frozenset({"USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USDP", "USD1", "DAI"})
"""Coins pegged to the US dollar: prices in them are compared with prices in USD."""
Prices = Mapping[str, StoredPrice]
"""One symbol's prices at one source, by hour key."""

_PROMPT_MINUTES = 5  # markets hardly move in the first minutes of an hour
_LEAST_HOURS = 3  # that are explained in one way: by a repeated price, the hour beside, a factor, another symbol
_MOST = 0.9  # the least share of them
_FACTOR_PERCENT = 5.0  # prices of different moments differ by that much from a constant factor
_LEAST_SPAN = 24  # hours needed to tell a shift from the spread of small deviations
_EXPLAINS = 0.25  # a shift explains a deviation if at most this share of it is left


# The fields of these three are those of the JSON output.
class Deviation(msgspec.Struct, frozen=True):
    """CoinMarketCap's price of an hour compared with Binance's."""

    hour: str
    coinmarketcap: float
    binance: float  # in the same currency
    percent: float  # how far CoinMarketCap's price is above Binance's, or below if negative
    looks: str | None = None  # what it looks like, by a `Suspicion` that explains it

    @property
    def size(self) -> float:
        """The deviation in percent, without its sign."""
        return abs(self.percent)


class Suspicion(msgspec.Struct, frozen=True):
    """What is almost certainly wrong with a source's prices."""

    looks: Literal["stale", "shifted", "scaled", "mixed up"]
    detail: str
    hours: Sequence[str]  # keys of the hours over the tolerance that it explains, oldest first


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol's prices from both sources; deviations in percent, None if no hour was compared."""

    symbol: str
    pair: str  # at Binance, the latest one
    hours_in_both: int
    hours_only_coinmarketcap: int
    hours_only_binance: int
    hours_compared: int
    hours_converted: int  # by the dollar coin's own price
    hours_taken_for_dollar: Mapping[str, int]  # by dollar coin, because its own price is not stored
    hours_of_other_currencies: Mapping[str, int]  # that are not compared, by currencies such as ``EUR with USD``
    hours_without_number: int  # with a price that is not a positive number
    median_percent: float | None  # of the deviations without their sign
    bias_percent: float | None  # the median of the signed deviations
    largest_percent: float | None
    largest_hour: str | None
    over: Sequence[Deviation]  # those over the tolerance, oldest first
    looks: Sequence[Suspicion]

    @property
    def differs(self) -> bool:
        """Whether an hour is over the tolerance, or the prices look wrong although none is."""
        return bool(self.over or self.looks)

    @property
    def differs_throughout(self) -> bool:
        """Whether every compared hour is over the tolerance, and not by a constant factor."""
        scaled = any(one.looks == "scaled" for one in self.looks)
        return 0 < self.hours_compared == len(self.over) and not scaled


@dataclass(frozen=True, kw_only=True)
class Overview:
    """All symbols' prices from both sources."""

    hours: Sequence[str]  # keys, oldest first
    tolerance: float  # in percent
    symbols: Sequence[Comparison]  # that both sources have
    only_coinmarketcap: Sequence[str]
    only_binance: Sequence[str]

    @property
    def wrong(self) -> list[Comparison]:
        return [one for one in self.symbols if one.differs]

    @property
    def verdict(self) -> str:
        """Whether anything differs, in one line."""
        over = sum(len(one.over) for one in self.symbols)
        symbols = counted(len(self.wrong), "symbol")
        if over:
            return f"{counted(over, 'hour')} of {symbols} over {self.tolerance:g} %"
        compared = sum(one.hours_compared for one in self.symbols)
        none = f"no hour of {compared:,} is over {self.tolerance:g} %"
        return f"{none}, but {symbols} must be wrong" if self.wrong else none

    @property
    def notes(self) -> Iterator[str]:
        """How prices were compared, and which were not, a line each."""
        assumed = sum((Counter(one.hours_taken_for_dollar) for one in self.symbols), Counter())
        for coin, hours in sorted(assumed.items()):
            yield f"{coin} is taken for a dollar in {hours:,} h; add {coin} to SYMBOLS to use its own price"
        if converted := sum(one.hours_converted for one in self.symbols):
            yield f"{converted:,} h are converted by the coin's own price at CoinMarketCap"
        for one in self.symbols:
            for currencies, hours in one.hours_of_other_currencies.items():
                step = "name a pair in USDT in BINANCE_PAIRS"
                yield f"{one.symbol}: {hours:,} h of {currencies} are not compared; {step}"
            if invalid := one.hours_without_number:
                yield f"{one.symbol}: {invalid:,} h with an invalid price: ./run.sh verify lists them"
        for source, symbols in (("CoinMarketCap", self.only_coinmarketcap), ("Binance", self.only_binance)):
            if symbols:
                yield f"only from {source}: {', '.join(symbols)}"


def compare_symbol(
    quotes: Prices, candles: Prices, *, hours: Sequence[str], rates: Mapping[str, Prices], tolerance: float
) -> Comparison:
    """Compare the prices of one symbol.

    Args:
        quotes: CoinMarketCap's, at least one.
        candles: Binance's, at least one.
        hours: the keys of all hours of the span, oldest first.
        rates: dollar coin to its own prices, in USD.
        tolerance: in percent.
    """
    common = [hour for hour in hours if hour in quotes and hour in candles]
    pairs = [_deviation(quotes[hour], candles[hour], rates) for hour in common]
    found = [deviation for deviation, _ in pairs if deviation]
    counts = Counter(how for _, how in pairs)
    over = [one for one in found if one.size > tolerance]
    looks = _scaled(over) or _stale(found, quotes, candles, tolerance)
    unexplained = {one.hour for one in over}.difference(*(one.hours for one in looks))
    looks += _shifted(found, unexplained, quotes, candles, hours=hours, rates=rates)
    looks_of = {hour: one.looks for one in reversed(looks) for hour in one.hours}
    largest = max(found, key=lambda one: one.size, default=None)
    latest = candles[max(candles)]
    return Comparison(
        symbol=latest.symbol,
        pair=latest.name,
        hours_in_both=len(common),
        hours_only_coinmarketcap=len(quotes) - len(common),
        hours_only_binance=len(candles) - len(common),
        hours_compared=len(found),
        hours_converted=counts["converted", ""],
        hours_taken_for_dollar={coin: number for (how, coin), number in counts.items() if how == "assumed"},
        hours_of_other_currencies={both: number for (how, both), number in counts.items() if how == "refused"},
        hours_without_number=counts["invalid", ""],
        median_percent=median(one.size for one in found) if found else None,
        bias_percent=median(one.percent for one in found) if found else None,
        largest_percent=largest.percent if largest else None,
        largest_hour=largest.hour if largest else None,
        over=[replace(one, looks=looks_of.get(one.hour)) for one in over],
        looks=looks,
    )


def _deviation(
    quote: StoredPrice, candle: StoredPrice, rates: Mapping[str, Prices]
) -> tuple[Deviation | None, tuple[str, str]]:
    """Compare two prices; and how they were compared, or why not, for the counts."""
    rate, how = 1.0, ("same", "")
    if quote.currency != candle.currency:
        if quote.currency != "USD" or candle.currency not in DOLLAR_COINS:
            return None, ("refused", f"{candle.currency} with {quote.currency}")
        own = rates.get(candle.currency, {}).get(candle.datetime)
        if own and _is_price(own.price):
            rate, how = own.price, ("converted", "")
        else:
            how = "assumed", candle.currency
    low = high = candle.price
    if not _is_prompt(quote) and _is_price(candle.low) and _is_price(candle.high):
        low, high = candle.low, candle.high
    traded = min(max(quote.price, low * rate), high * rate)
    # An invalid price, or prices at the ends of the range of doubles, whose product or quotient is not a price.
    if not (_is_price(candle.price) and _is_price(traded) and _is_price(quote.price / traded)):
        return None, ("invalid", "")
    return Deviation(quote.datetime, quote.price, traded, percent=(quote.price / traded - 1) * 100), how


def _is_prompt(quote: StoredPrice) -> bool:
    return quote.taken_at < f"{quote.datetime[:13]}:{_PROMPT_MINUTES:02d}"


def _is_price(value: float | None) -> TypeGuard[float]:
    return value is not None and 0 < value < math.inf


def mixed_up(
    one: Comparison,
    quotes: Mapping[str, Prices],
    candles: Mapping[str, Prices],
    *,
    rates: Mapping[str, Prices],
    tolerance: float,
) -> Comparison:
    """The comparison; if it differs throughout, with the symbol whose prices a source has in its place, if any."""
    own = one.symbol
    for other in sorted({*quotes, *candles} - {own}) if one.differs_throughout else ():
        for quoted, traded, detail in (
            (own, other, f"CoinMarketCap's prices are those of {other} at Binance"),
            (other, own, f"Binance's prices, of {one.pair}, are those of {other} at CoinMarketCap"),
        ):
            of_quoted, of_traded = quotes.get(quoted, {}), candles.get(traded, {})
            pairs = [_deviation(of_quoted[hour], of_traded[hour], rates)[0] for hour in of_quoted if hour in of_traded]
            if len(pairs) >= _LEAST_HOURS and all(pair and pair.size <= tolerance for pair in pairs):
                suspicion = Suspicion("mixed up", detail, [hour.hour for hour in one.over])
                return replace(one, over=[replace(hour, looks="mixed up") for hour in one.over], looks=[suspicion])
    return one


def _scaled(over: Sequence[Deviation]) -> list[Suspicion]:
    """Whether one source's prices are a power of ten of the other's, as those of a pair of 1,000 coins."""
    if len(over) < _LEAST_HOURS:
        return []
    factor = 10.0 ** round(math.log10(median(one.coinmarketcap / one.binance for one in over)))
    hours = [one.hour for one in over if abs(one.coinmarketcap / one.binance / factor - 1) * 100 <= _FACTOR_PERCENT]
    if factor == 1 or len(hours) < max(_LEAST_HOURS, len(over) * _MOST):
        return []
    higher, lower = ("CoinMarketCap", "Binance") if factor > 1 else ("Binance", "CoinMarketCap")
    detail = f"{higher}'s prices are {max(factor, 1 / factor):,.0f} times {lower}'s in {len(hours):,} h"
    return [Suspicion("scaled", detail, hours)]


def _stale(found: Sequence[Deviation], quotes: Prices, candles: Prices, tolerance: float) -> list[Suspicion]:
    """Runs of hours in which one source repeats a price while the other moves away from it, by more than a tick."""
    suspicions = []
    for source, own, other in (("CoinMarketCap", quotes, candles), ("Binance", candles, quotes)):
        prices = [(own[one.hour].price, one) for one in found]
        for price, group in groupby(prices, itemgetter(0)):
            run = [one for _, one in group]
            if len(run) < _LEAST_HOURS or len({other[one.hour].price for one in run}) == 1:
                continue
            tick = 100 * _tick({price for price, _ in prices}) / price
            if hours := [one.hour for one in run if one.size > max(tolerance, tick)]:
                span = f"from {run[0].hour[:16]} to {run[-1].hour[:16]}"
                detail = f"{source} repeats {price:.8g} {span} while the other source moves"
                suspicions.append(Suspicion("stale", detail, hours))
    return suspicions


def _tick(prices: Collection[float]) -> float:
    """The step that a source's prices have in common; of a single price, the unit of its last digit."""
    numbers = [Decimal(repr(price)) for price in prices]
    exponent = min(int(number.as_tuple().exponent) for number in numbers)
    units = [int(number.scaleb(-exponent)) for number in numbers]
    return float(Decimal(math.gcd(*units) if len(units) > 1 else 1).scaleb(exponent))


def _shifted(
    found: Sequence[Deviation],
    over: Collection[str],
    quotes: Prices,
    candles: Prices,
    *,
    hours: Sequence[str],
    rates: Mapping[str, Prices],
) -> list[Suspicion]:
    """Whether CoinMarketCap's prices are those of Binance's hour beside; `over` are the hours not explained so far."""
    for when, beside in (("earlier", dict(pairwise(reversed(hours)))), ("later", dict(pairwise(hours)))):
        # Late in an hour a correct price may match the next hour better: only prompt prices count.
        prompt = [one for one in found if _is_prompt(quotes[one.hour]) and beside.get(one.hour) in candles]
        moved = [(one, _deviation(quotes[one.hour], candles[beside[one.hour]], rates)[0]) for one in prompt]
        pairs = [(one, other) for one, other in moved if other]
        if len(pairs) >= _LEAST_SPAN:
            # The deviations of the whole span scatter far less once it is moved by an hour.
            here, there = (_spread([one.percent for one in deviations]) for deviations in zip(*pairs, strict=True))
            if here > 0 and there <= here * _EXPLAINS:
                detail = f"CoinMarketCap's prices match Binance's of an hour {when}, throughout"
                return [Suspicion("shifted", detail, sorted(over))]
        wrong = [(one, other) for one, other in pairs if one.hour in over]
        if len(wrong) >= _LEAST_HOURS and all(other.size <= one.size * _EXPLAINS for one, other in wrong):
            detail = f"CoinMarketCap's prices of {len(wrong):,} h match Binance's of an hour {when}"
            return [Suspicion("shifted", detail, [one.hour for one, _ in wrong])]
    return []


def _spread(percents: Sequence[float]) -> float:
    # The median distance from the median: a steady difference and a few wrong hours do not count.
    middle = median(percents)
    return median(abs(percent - middle) for percent in percents)
