"""What each symbol means at a source: editable JSON files, so that a meaning never changes silently."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from adapters._bases.durable import make_folder, replacing, state_errors, write
from adapters._bases.errors import StateError

ChoiceT = TypeVar("ChoiceT")
# Files of earlier releases have times without seconds, which msgspec does not read.
_WITHOUT_SECONDS = re.compile(rb"(T\d\d:\d\d)Z")


class KnownPair(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    pair: str  # such as BTCUSDT
    quote: str  # the currency of its prices, such as USDT
    listed: Annotated[datetime, msgspec.Meta(tz=True)]  # when its first candle opened
    base: str = ""  # what is traded, such as BTC; empty if unknown


@dataclass(frozen=True)
class Choices(Generic[ChoiceT]):
    """A JSON file of symbol to choice. The file and its folder need not exist before the first `save`."""

    path: Path
    kind: Any  # of the dictionary, for msgspec
    what: str
    remedy: str

    def load(self) -> dict[str, ChoiceT]:
        """The stored choices; empty if there is no file. Raises StateError if it cannot be read."""
        try:
            text = _WITHOUT_SECONDS.sub(rb"\1:00Z", self.path.read_bytes())
            choices: dict[str, ChoiceT] = msgspec.json.decode(text, type=self.kind)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as exc:  # treating it as empty could change the choices
            raise StateError(f"cannot read the {self.what} in {self.path}: {exc}", next_step=self.remedy) from exc
        return choices

    def save(self, choices: Mapping[str, ChoiceT]) -> None:
        """Replace the stored choices, atomically. Raises StateError if they cannot be written."""
        text = msgspec.json.format(msgspec.json.encode(choices, order="deterministic"), indent=2) + b"\n"
        with state_errors(f"cannot write the {self.what} to {self.path}"):
            make_folder(self.path.parent)
            with replacing(self.path) as draft:
                write(draft, text)


def coin_choices(data_path: Path) -> Choices[int]:
    """Symbol to CoinMarketCap id, such as ``{"BTC": 1, "ETH": 1027}``."""
    remedy = "restore the file, or write the coins' ids into SYMBOLS (such as BTC:1) and move the file away"
    kind = dict[str, Annotated[int, msgspec.Meta(ge=1)]]
    return Choices(data_path / "coin_choices.json", kind, what="coin ids", remedy=remedy)


def twin_choices(data_path: Path) -> Choices[list[int]]:
    """Ticker to the ids of coins that share it with the one that it means, such as ``{"BTC": [990101]}``."""
    remedy = "move the file away: the next run names them again"
    return Choices(data_path / "coin_twins.json", dict[str, list[int]], what="coins with one ticker", remedy=remedy)


def pair_choices(data_path: Path) -> Choices[KnownPair]:
    """Symbol to pair, such as ``{"BTC": {"pair": "BTCUSDT", "quote": "USDT", "listed": …, "base": "BTC"}}``."""
    remedy = "restore the file, or move it away: the next run asks Binance again"
    return Choices(data_path / "pair_choices.json", dict[str, KnownPair], what="pairs", remedy=remedy)
