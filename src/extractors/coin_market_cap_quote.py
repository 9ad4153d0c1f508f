"""What passes from the extractor to the transformer: a coin, and one observation of its price."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple

Endpoint = Literal["latest", "historical"]


class Coin(NamedTuple):
    """A coin that the job follows, by the ticker that is stored and CoinMarketCap's permanent id."""

    symbol: str
    cmc_id: int


class Flaw(NamedTuple):
    """A field beside the price that could not be read, with the reason and its replacement in one line."""

    field: str
    reason: str


class Quote(NamedTuple):
    """One observation of one coin's price, as CoinMarketCap gave it, neither checked nor rounded.

    Numbers are None where the source has none; their units are those of the columns of
    `adapters.clickhouse.coin_market_cap_clickhouse_adapter.PriceRow`.

    Attributes:
        symbol: the symbol the coin was asked for under (`Coin.symbol`).
        source_symbol: the symbol that the answer has for this id; it differs once a project renames itself.
        observed_at: aware; when the answer came for ``latest``, the quote's own time for ``historical``.
        source_updated_at: aware; when the source last updated the quote; None when it does not say.
        flaws: the fields that could not be read, and are None or replaced.
    """

    symbol: str
    source_symbol: str
    cmc_id: int
    name: str
    price: float | None
    volume_24h: float | None
    market_cap: float | None
    percent_change_1h: float | None
    percent_change_24h: float | None
    percent_change_7d: float | None
    cmc_rank: int | None
    currency: str
    endpoint: Endpoint
    observed_at: datetime
    source_updated_at: datetime | None
    flaws: tuple[Flaw, ...] = ()
