"""The comparison of two sources in words, for the screen and the report. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from adapters._bases.wording import counted
from transformers.comparison import Overview


def differences_in_words(found: Overview) -> str:
    """Whether anything differs, in one line."""
    over = sum(len(one.over) for one in found.symbols)
    symbols = counted(len(found.wrong), "symbol")
    if over:
        return f"{counted(over, 'hour')} of {symbols} over {found.tolerance:g} %"
    compared = sum(one.compared for one in found.symbols)
    none = f"no hour of {compared:,} is over {found.tolerance:g} %"
    return f"{none}, but {symbols} must be wrong" if found.wrong else none


def notes(found: Overview) -> Iterator[str]:
    """How prices were compared, and which were not."""
    for coin in sorted({coin for one in found.symbols for coin in one.assumed}):
        hours = sum(one.assumed.get(coin, 0) for one in found.symbols)
        yield f"{coin} is taken for a dollar in {hours:,} h; add {coin} to SYMBOLS to use its own price"
    if converted := sum(one.converted for one in found.symbols):
        yield f"{converted:,} h are converted by the coin's own price at CoinMarketCap"
    for one in found.symbols:
        for currencies, hours in one.refused.items():
            yield f"{one.symbol}: {hours:,} h of {currencies} are not compared; name a pair in USDT in BINANCE_PAIRS"
        if one.invalid:
            yield f"{one.symbol}: {one.invalid:,} h with an invalid price: ./run.sh verify lists them"
    for source, symbols in (("CoinMarketCap", found.only_quoted), ("Binance", found.only_traded)):
        if symbols:
            yield f"only from {source}: {', '.join(symbols)}"
