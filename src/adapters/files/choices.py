"""What each symbol means at a source: JSON files that a person may edit, so that a meaning never changes silently."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from adapters._bases.durable import Disk
from adapters._bases.errors import StateError

ChoiceT = TypeVar("ChoiceT")
CoinId = Annotated[int, msgspec.Meta(ge=1)]
# Files of earlier releases have times without seconds, which msgspec does not read.
_WITHOUT_SECONDS = re.compile(rb"(T\d\d:\d\d)Z")


class KnownPair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A trading pair of an exchange.

    Attributes:
        pair: its name, such as ``BTCUSDT``.
        quote: the currency of its prices, such as ``USDT``.
        listed: aware; when its first candle opened.
    """

    pair: str
    quote: str
    listed: Annotated[datetime, msgspec.Meta(tz=True)]


class Choices(Generic[ChoiceT]):
    """A JSON file of symbol to choice. The file and its folder need not exist before the first `save`."""

    def __init__(self, path: Path, kind: Any, *, what: str, remedy: str) -> None:
        self._path = path
        self._kind = dict[str, kind]
        self._what = what
        self._remedy = remedy

    def load(self) -> dict[str, ChoiceT]:
        """The stored choices; empty if there is no file.

        Raises:
            StateError: the file cannot be read. Treating it as empty could change the choices.
        """
        try:
            text = _WITHOUT_SECONDS.sub(rb"\1:00Z", self._path.read_bytes())
            choices: dict[str, ChoiceT] = msgspec.json.decode(text, type=self._kind)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as exc:
            raise StateError(f"cannot read the {self._what} in {self._path}: {exc}", next_step=self._remedy) from exc
        return choices

    def save(self, choices: Mapping[str, ChoiceT]) -> None:
        """Replace the stored choices, atomically.

        Raises:
            StateError: the file cannot be written; the previous one is untouched.
        """
        text = msgspec.json.format(msgspec.json.encode(choices, order="deterministic"), indent=2) + b"\n"
        try:
            disk = Disk()
            disk.make_folder(self._path.parent)
            disk.replace(self._path, text)
        except OSError as exc:
            raise StateError(
                f"cannot write the {self._what} to {self._path}: {exc.strerror or exc}",
                next_step="free disk space, or make the folder of DATA_PATH writable for this user",
            ) from exc


def coin_choices(data_path: Path) -> Choices[int]:
    """Symbol to CoinMarketCap id, such as ``{"BTC": 1, "ETH": 1027}``."""
    remedy = "restore the file, or write the coins' ids into SYMBOLS (such as BTC:1) and move the file away"
    return Choices(data_path / "coin_choices.json", CoinId, what="coin ids", remedy=remedy)


def pair_choices(data_path: Path) -> Choices[KnownPair]:
    """Symbol to pair, such as ``{"BTC": {"pair": "BTCUSDT", "quote": "USDT", "listed": "2017-08-17T04:00:00Z"}}``."""
    remedy = "restore the file, or move it away: the next run asks Binance again"
    return Choices(data_path / "pair_choices.json", KnownPair, what="pairs", remedy=remedy)
