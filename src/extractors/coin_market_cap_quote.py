"""What passes from the extractor to the transformer: a coin, and one observation of its price."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple

Endpoint = Literal["latest", "historical"]


class Coin(NamedTuple):
    """A coin that the job follows.

    Attributes:
        symbol: the ticker as stored in the table, upper case, such as ``BTC``.
        cmc_id: CoinMarketCap's permanent id of the one coin meant by it.
    """

    symbol: str
    cmc_id: int


class Flaw(NamedTuple):
    """Something beside the price that could not be read.

    Attributes:
        field: CoinMarketCap's name of it.
        reason: one line, with the place in the answer and what stands in for it.
    """

    field: str
    reason: str


class Quote(NamedTuple):
    """One observation of one coin's price, as CoinMarketCap gave it, neither checked nor rounded.

    Attributes:
        symbol: the symbol the coin was asked for under (`Coin.symbol`).
        source_symbol: the symbol that the answer carries for this id; it differs once a project renames itself.
        cmc_id: CoinMarketCap's id, read from the coin's own ``id`` field.
        name: the coin's name.
        price: in `currency` for one coin; None when the source has none.
        volume_24h: traded in the 24 hours before, in `currency`; None when the source has none.
        market_cap: in `currency`; None when the source has none.
        percent_change_1h: 1.5 means 1.5 %; None when the source has none.
        percent_change_24h: as `percent_change_1h`.
        percent_change_7d: as `percent_change_1h`.
        cmc_rank: 1 is the largest market cap; None for an unranked coin, and always for historical quotes.
        currency: the currency of price, volume and market cap, such as ``USD``.
        endpoint: the kind of call it came from.
        observed_at: aware; when the answer came for ``latest``, the quote's own time for ``historical``.
        source_updated_at: aware; when the source last updated the quote; None when it does not say.
        flaws: what of it could not be read, and is None, or a name in need, for that reason.
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
