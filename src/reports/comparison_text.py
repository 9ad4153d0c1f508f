"""What people read of two sources that were compared: on the screen and in the report. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from transformers.comparison import Overview


def differences_in_words(found: Overview) -> str:
    """Whether anything differs, in one line."""
    over = sum(len(one.over) for one in found.symbols)
    symbols = f"{len(found.wrong):,} symbol{'' if len(found.wrong) == 1 else 's'}"
    if over:
        return f"{over:,} hour{'' if over == 1 else 's'} of {symbols} over {found.tolerance:g} %"
    compared = sum(one.compared for one in found.symbols)
    none = f"no hour of {compared:,} is over {found.tolerance:g} %"
    return f"{none}, and still {symbols} must be wrong" if found.wrong else none


def notes(found: Overview) -> Iterator[str]:
    """What a reader should know of how prices were compared, and which were not."""
    coins = sorted({coin for one in found.symbols for coin in one.taken_for_dollar})
    for coin in coins:
        hours = sum(one.taken_for_dollar.get(coin, 0) for one in found.symbols)
        yield f"{coin} is taken for a dollar in {hours:,} h; with {coin} in SYMBOLS its own price is used"
    if converted := sum(one.converted for one in found.symbols):
        yield f"{converted:,} h are converted by the coin's own price at CoinMarketCap"
    for one in found.symbols:
        for currencies, hours in one.refused.items():
            yield f"{one.symbol}: {hours:,} h of {currencies} are not compared; name a pair in USDT in BINANCE_PAIRS"
        if one.unreadable:
            yield f"{one.symbol}: {one.unreadable:,} h with a price that is no number: ./run.sh verify names them"
    for source, symbols in (("CoinMarketCap", found.only_quoted), ("Binance", found.only_traded)):
        if symbols:
            yield f"only from {source}: {', '.join(symbols)}"
