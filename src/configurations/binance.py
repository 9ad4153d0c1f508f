"""Settings of the prices from Binance."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import BeforeValidator, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode

from adapters._bases.errors import ConfigurationError
from configurations.config import DEFAULT_SYMBOLS, FORM, SourceAddress, Symbols

_QUOTE = "USDT"
"""In what pairs are quoted that BINANCE_PAIRS does not name; of this coin itself there is no pair."""
_PAIR = re.compile(r"([^\s:,'\"`\\;#=]{1,30})\s*:\s*([A-Z0-9\-_.]{2,20}|)")


def pair_entries(value: object) -> object:
    """``BTC:BTCUSDT,XMR:`` as (symbol, pair) entries, the pair empty where the symbol is to have none."""
    if not isinstance(value, str):
        return value
    found = [(part, _PAIR.fullmatch(part)) for part in filter(None, map(str.strip, value.split(",")))]
    if wrong := [part for part, match in found if match is None]:
        raise ValueError(f"{wrong[0]!r} is not a symbol with its pair at Binance, such as BTC:BTCUSDT")
    entries = [(match[1].upper(), match[2]) for _, match in found if match is not None]
    symbols = [symbol for symbol, _ in entries]
    if repeated := sorted({symbol for symbol in symbols if symbols.count(symbol) > 1}):
        raise ValueError(f"named more than once: {', '.join(repeated)}")
    return tuple(entries)


class BinanceSettings(BaseSettings):
    """What the operator can set for the prices from Binance."""

    model_config = FORM

    binance_base_url: SourceAddress = "https://data-api.binance.vision"
    symbols: Symbols = DEFAULT_SYMBOLS
    binance_pairs: Annotated[tuple[tuple[str, str], ...], NoDecode, BeforeValidator(pair_entries)] = ()

    @field_validator("binance_pairs")
    @classmethod
    def _of_followed(cls, value: tuple[tuple[str, str], ...], info: ValidationInfo) -> tuple[tuple[str, str], ...]:
        # SYMBOLS that are wrong themselves are not there, and named already.
        followed = dict(info.data.get("symbols", ((symbol, None) for symbol, _ in value)))
        if unknown := [symbol for symbol, _ in value if symbol not in followed]:
            raise ValueError(f"not among SYMBOLS: {', '.join(unknown)}; what is followed stands there")
        return value

    @property
    def pairs(self) -> dict[str, str]:
        """Symbol to its pair at Binance, for each of SYMBOLS that has one: of BINANCE_PAIRS, or else with USDT."""
        usual = {symbol: f"{symbol}{_QUOTE}" for symbol, _ in self.symbols if symbol != _QUOTE}
        return {symbol: pair for symbol, pair in (usual | dict(self.binance_pairs)).items() if pair}

    def only(self, symbols: Sequence[str]) -> BinanceSettings:
        """The settings with those of the symbols alone that are named.

        Raises:
            ConfigurationError: one has no pair.
        """
        pairs = self.pairs
        if unknown := [symbol for symbol in symbols if symbol not in pairs]:
            raise ConfigurationError(
                f"{', '.join(unknown)} not among SYMBOLS with a pair at Binance",
                next_step=f"name some of these: {', '.join(pairs)}",
            )
        update = {
            "symbols": tuple((symbol, None) for symbol in symbols),
            "binance_pairs": tuple((symbol, pairs[symbol]) for symbol in symbols),
        }
        return self.model_copy(update=update)
