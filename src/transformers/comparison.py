"""Compare CoinMarketCap's prices with Binance's, hour by hour. Pure.

An hour is compared if both sources have it; a missing hour is never filled in. CoinMarketCap's price is compared with
Binance's first trade of the hour. A price taken later in the hour may be any price of the hour, so it is compared with
the nearest price between Binance's lowest and highest trade.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import groupby, pairwise
from operator import attrgetter
from statistics import median
from typing import Literal, NamedTuple, TypeGuard

from adapters._bases.hourly_table import StoredPrice
from adapters._bases.wording import counted

DOLLAR_COINS = frozenset({"USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USDP", "USD1", "DAI"})
"""Coins pegged to the US dollar: prices in them are compared with prices in USD."""
Rates = Mapping[str, Mapping[str, float]]
"""Dollar coin to its own prices in USD, by hour key."""

_PROMPT_MINUTES = 5  # markets hardly move in the first minutes of an hour
_LEAST_HOURS = 3  # that are explained in one way: by a repeated price, the hour beside, a factor, another symbol
_MOST = 0.9  # the least share of them
_FACTOR_PERCENT = 5.0  # prices of different moments differ by that much from a constant factor
_LEAST_SPAN = 24  # hours needed to tell a shift from the spread of small deviations
_EXPLAINS = 0.25  # a shift explains a deviation if at most this share of it is left


class Deviation(NamedTuple):
    """CoinMarketCap's price of an hour compared with Binance's."""

    hour: str
    quoted: float  # CoinMarketCap's price
    traded: float  # Binance's price in the same currency
    percent: float  # how far `quoted` is above `traded`, or below if negative
    opened: float  # Binance's first trade of the hour, as stored
    is_prompt: bool  # whether `quoted` was taken at the beginning of the hour

    @property
    def size(self) -> float:
        """The deviation in percent, without its sign."""
        return abs(self.percent)


class Suspicion(NamedTuple):
    """What is almost certainly wrong with a source's prices."""

    kind: Literal["stale", "shifted", "scaled", "mixed up"]
    detail: str
    hours: Sequence[str]  # keys of the hours over the tolerance that it explains, oldest first


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One symbol's prices from both sources; numbers are hours, deviations in percent."""

    symbol: str
    pair: str  # at Binance, the latest one
    both: int
    only_quoted: int  # CoinMarketCap only
    only_traded: int  # Binance only
    compared: int
    median: float | None  # of the deviations without their sign; None if no hour was compared, as for the next two
    bias: float | None  # the median of the signed deviations
    largest: Deviation | None
    over: Sequence[Deviation]  # those over the tolerance, oldest first
    suspicions: Sequence[Suspicion]
    converted: int  # by the dollar coin's own price
    assumed: Mapping[str, int]  # by dollar coin: taken for a dollar, because its own price is not stored
    refused: Mapping[str, int]  # by currencies that are not compared, such as ``EUR with USD``
    invalid: int  # with a price that is not a positive number

    @property
    def differs(self) -> bool:
        """Whether an hour is over the tolerance, or the prices look wrong although none is."""
        return bool(self.over or self.suspicions)

    @property
    def differs_throughout(self) -> bool:
        """Whether every compared hour is over the tolerance, and not by a constant factor."""
        scaled = any(one.kind == "scaled" for one in self.suspicions)
        return 0 < self.compared == len(self.over) and not scaled


@dataclass(frozen=True, kw_only=True)
class Overview:
    """All symbols' prices from both sources."""

    hours: Sequence[str]  # keys, oldest first
    tolerance: float  # in percent
    symbols: Sequence[Comparison]  # that both sources have
    only_quoted: Sequence[str]  # that only CoinMarketCap has
    only_traded: Sequence[str]

    @property
    def wrong(self) -> list[Comparison]:
        """The symbols that differ."""
        return [one for one in self.symbols if one.differs]

    @property
    def verdict(self) -> str:
        """Whether anything differs, in one line."""
        over = sum(len(one.over) for one in self.symbols)
        symbols = counted(len(self.wrong), "symbol")
        if over:
            return f"{counted(over, 'hour')} of {symbols} over {self.tolerance:g} %"
        compared = sum(one.compared for one in self.symbols)
        none = f"no hour of {compared:,} is over {self.tolerance:g} %"
        return f"{none}, but {symbols} must be wrong" if self.wrong else none

    @property
    def notes(self) -> Iterator[str]:
        """How prices were compared, and which were not, a line each."""
        for coin in sorted({coin for one in self.symbols for coin in one.assumed}):
            hours = sum(one.assumed.get(coin, 0) for one in self.symbols)
            yield f"{coin} is taken for a dollar in {hours:,} h; add {coin} to SYMBOLS to use its own price"
        if converted := sum(one.converted for one in self.symbols):
            yield f"{converted:,} h are converted by the coin's own price at CoinMarketCap"
        for one in self.symbols:
            for currencies, hours in one.refused.items():
                step = "name a pair in USDT in BINANCE_PAIRS"
                yield f"{one.symbol}: {hours:,} h of {currencies} are not compared; {step}"
            if one.invalid:
                yield f"{one.symbol}: {one.invalid:,} h with an invalid price: ./run.sh verify lists them"
        for source, symbols in (("CoinMarketCap", self.only_quoted), ("Binance", self.only_traded)):
            if symbols:
                yield f"only from {source}: {', '.join(symbols)}"


def compare_symbol(
    symbol: str,
    quotes: Mapping[str, StoredPrice],
    candles: Mapping[str, StoredPrice],
    *,
    hours: Sequence[str],
    rates: Rates,
    tolerance: float,
) -> Comparison:
    """Compare the prices of one symbol, by hour key, in all hours of the span, oldest first; tolerance in percent."""
    common = [hour for hour in hours if hour in quotes and hour in candles]
    pairs = [_deviation(quotes[hour], candles[hour], rates) for hour in common]
    found = [deviation for deviation, _ in pairs if deviation]
    counts = Counter(how for _, how in pairs)
    over = [one for one in found if one.size > tolerance]
    scaled = _scaled(over)
    stale = [] if scaled else _stale(found, over)
    explained = {hour for one in (*scaled, *stale) for hour in one.hours}
    unexplained = [one for one in over if one.hour not in explained]
    shifted = []
    for when, beside in (("earlier", dict(pairwise(reversed(hours)))), ("later", dict(pairwise(hours)))):
        # Late in an hour a correct price may match the next hour better: only prompt prices count.
        prompt = [one for one in found if one.is_prompt and beside.get(one.hour) in candles]
        moved = [(one, _deviation(quotes[one.hour], candles[beside[one.hour]], rates)[0]) for one in prompt]
        shifted += _shifted(unexplained, [(one, other) for one, other in moved if other], when)
    return Comparison(
        symbol=symbol,
        pair=candles[max(candles)].name,
        both=len(common),
        only_quoted=len(quotes) - len(common),
        only_traded=len(candles) - len(common),
        compared=len(found),
        median=median(one.size for one in found) if found else None,
        bias=median(one.percent for one in found) if found else None,
        largest=max(found, key=lambda one: one.size, default=None),
        over=over,
        suspicions=[*scaled, *stale, *shifted[:1]],
        converted=counts["converted", ""],
        assumed={coin: number for (how, coin), number in counts.items() if how == "assumed"},
        refused={currencies: number for (how, currencies), number in counts.items() if how == "refused"},
        invalid=counts["invalid", ""],
    )


def _deviation(quote: StoredPrice, candle: StoredPrice, rates: Rates) -> tuple[Deviation | None, tuple[str, str]]:
    """Compare two prices; and how they were compared, or why not, for the counts."""
    rate, how = 1.0, ("same", "")
    if quote.currency != candle.currency:
        if quote.currency != "USD" or candle.currency not in DOLLAR_COINS:
            return None, ("refused", f"{candle.currency} with {quote.currency}")
        own = rates.get(candle.currency, {}).get(candle.datetime)
        rate, how = (own, ("converted", "")) if _is_price(own) else (1.0, ("assumed", candle.currency))
    low = high = candle.price
    is_prompt = quote.taken_at < f"{quote.datetime[:13]}:{_PROMPT_MINUTES:02d}"
    if not is_prompt and _is_price(candle.low) and _is_price(candle.high):
        low, high = candle.low, candle.high
    traded = min(max(quote.price, low * rate), high * rate)
    # An invalid price, or prices at the ends of the range of doubles, whose product or quotient is not a price.
    if not (_is_price(candle.price) and _is_price(traded) and _is_price(quote.price / traded)):
        return None, ("invalid", "")
    percent = (quote.price / traded - 1) * 100
    return Deviation(quote.datetime, quote.price, traded, percent, opened=candle.price, is_prompt=is_prompt), how


def mixed_up(
    one: Comparison,
    quotes: Mapping[str, Mapping[str, StoredPrice]],
    candles: Mapping[str, Mapping[str, StoredPrice]],
    *,
    rates: Rates,
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
                return replace(one, suspicions=[Suspicion("mixed up", detail, [hour.hour for hour in one.over])])
    return one


def _scaled(over: Sequence[Deviation]) -> list[Suspicion]:
    """Whether one source's prices are a power of ten of the other's, as those of a pair of 1,000 coins."""
    if len(over) < _LEAST_HOURS:
        return []
    factor = 10.0 ** round(math.log10(median(one.quoted / one.traded for one in over)))
    hours = [one.hour for one in over if abs(one.quoted / one.traded / factor - 1) * 100 <= _FACTOR_PERCENT]
    if factor == 1 or len(hours) < max(_LEAST_HOURS, len(over) * _MOST):
        return []
    higher, lower = ("CoinMarketCap", "Binance") if factor > 1 else ("Binance", "CoinMarketCap")
    detail = f"{higher}'s prices are {max(factor, 1 / factor):,.0f} times {lower}'s in {len(hours):,} h"
    return [Suspicion("scaled", detail, hours)]


def _is_price(value: float | None) -> TypeGuard[float]:
    return value is not None and 0 < value < math.inf


def _stale(found: Sequence[Deviation], over: Sequence[Deviation]) -> list[Suspicion]:
    """Runs of hours in which one source repeats a price while the other moves away from it, by more than a tick."""
    wrong = {one.hour for one in over}
    suspicions = []
    for source, own, other in (("CoinMarketCap", "quoted", "opened"), ("Binance", "opened", "quoted")):
        for price, group in groupby(found, attrgetter(own)):
            run = list(group)
            if len(run) < _LEAST_HOURS or len({getattr(one, other) for one in run}) == 1:
                continue
            tick = 100 * _tick({getattr(one, own) for one in found}) / price
            if hours := [one.hour for one in run if one.hour in wrong and one.size > tick]:
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


def _shifted(over: Sequence[Deviation], pairs: Sequence[tuple[Deviation, Deviation]], when: str) -> list[Suspicion]:
    """Whether CoinMarketCap's prices are those of Binance's neighboring hour, which is `when`: earlier or later."""
    if len(pairs) >= _LEAST_SPAN:
        # The deviations of the whole span scatter far less once it is moved by an hour.
        here, moved = (_spread([one.percent for one in deviations]) for deviations in zip(*pairs, strict=True))
        if here > 0 and moved <= here * _EXPLAINS:
            detail = f"CoinMarketCap's prices match Binance's of an hour {when}, throughout"
            return [Suspicion("shifted", detail, [one.hour for one in over])]
    hours = {one.hour for one in over}
    wrong = [(one, moved) for one, moved in pairs if one.hour in hours]
    if len(wrong) >= _LEAST_HOURS and all(moved.size <= one.size * _EXPLAINS for one, moved in wrong):
        detail = f"CoinMarketCap's prices of {len(wrong):,} h match Binance's of an hour {when}"
        return [Suspicion("shifted", detail, [one.hour for one, _ in wrong])]
    return []


def _spread(percents: Sequence[float]) -> float:
    # The median distance from the median: a steady difference and a few wrong hours do not count.
    middle = median(percents)
    return median(abs(percent - middle) for percent in percents)
