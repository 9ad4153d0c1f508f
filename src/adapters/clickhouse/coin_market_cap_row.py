"""What passes from the transformer to the table: one storable row. Pure: no I/O, no database library."""

from __future__ import annotations

from typing import NamedTuple


class PriceRow(NamedTuple):
    """One price to store; its fields are the table's columns of the same names, in the order of an INSERT.

    Texts of time are Tehran wall time, ``YYYY-MM-DD HH:MM:SS``. The key (symbol, datetime) is not among the fields: the
    table makes it from `fetched_at`. `updated_at` and `version` are set when the row is written.

    Attributes:
        symbol: upper case, such as ``BTC``.
        cmc_id: CoinMarketCap's id of the coin.
        name: the coin's name.
        price: in `currency` for one coin; finite and above zero.
        volume_24h: in `currency`; None when unknown.
        market_cap: in `currency`; None when unknown.
        percent_change_1h: 1.5 means 1.5 %; None when unknown.
        percent_change_24h: as `percent_change_1h`.
        percent_change_7d: as `percent_change_1h`.
        cmc_rank: 1 is the largest market cap; None when unknown, which leaves a stored rank as it is.
        currency: such as ``USD``.
        endpoint: ``latest`` or ``historical``.
        run_id: the run that brought the row.
        source_updated_at: when the source last updated the quote; None when it does not say.
        fetched_at: when the price was observed, to the second; an update leaves that of the key's first price.
    """

    symbol: str
    cmc_id: int
    name: str
    price: float
    volume_24h: float | None
    market_cap: float | None
    percent_change_1h: float | None
    percent_change_24h: float | None
    percent_change_7d: float | None
    cmc_rank: int | None
    currency: str
    endpoint: str
    run_id: str
    source_updated_at: str | None
    fetched_at: str

    @property
    def hour_key(self) -> str:
        """The row's hour, ``YYYY-MM-DD HH:00:00``; the table makes its own key by its own formula, to the same end."""
        return f"{self.fetched_at[:13]}:00:00"
