"""Which pair of an exchange is meant by which symbol, kept on disk so that it never changes silently."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import NamedTuple

from adapters.files.choices import Choices

_FIELDS = {"pair": str, "quote": str, "listed": str}


class KnownPair(NamedTuple):
    """A pair that the exchange was asked for.

    Attributes:
        pair: its name, such as ``BTCUSDT``.
        quote: what prices of it are in, such as ``USDT``.
        listed: aware; when its first candle opened.
    """

    pair: str
    quote: str
    listed: datetime


class PairChoices(Choices[KnownPair]):
    """A JSON file of symbol to pair.

    Such as ``{"BTC": {"pair": "BTCUSDT", "quote": "USDT", "listed": "2017-08-17T04:00Z"}}``.
    """

    what = "pairs"
    remedy = "restore the file, or move it away: the next run asks Binance again"

    def read(self, value: object) -> KnownPair | None:
        """The pair; None for what is none."""
        if not isinstance(value, dict) or {name: type(one) for name, one in value.items()} != _FIELDS:
            return None
        try:
            listed = datetime.strptime(value["listed"], "%Y-%m-%dT%H:%MZ").replace(tzinfo=timezone.utc)
        except ValueError:
            return None
        return KnownPair(value["pair"], value["quote"], listed)

    def written(self, choice: KnownPair) -> object:
        """The object that stands for it."""
        listed = choice.listed.astimezone(timezone.utc)
        return {"pair": choice.pair, "quote": choice.quote, "listed": f"{listed:%Y-%m-%dT%H:%MZ}"}
