"""The table `crypto_prices` and the view `crypto_prices_hourly`: a row, the columns and their units. Pure."""

from __future__ import annotations

from typing import NamedTuple

from adapters._bases.hourly_table import Column, HourlyTable


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


TABLE = "crypto_prices"
VIEW = "crypto_prices_hourly"

CRYPTO_PRICES = HourlyTable(
    name=TABLE,
    view=VIEW,
    about="Hourly cryptocurrency prices",
    row=PriceRow,
    own=(
        Column("symbol", "String", "Ticker the coin is followed under, upper case, such as BTC"),
        Column("cmc_id", "UInt32", "CoinMarketCap's permanent id of the coin"),
        Column("name", "String", "Name of the coin"),
        Column("price", "Float64", "Price of one coin, in units of currency"),
        Column(
            "volume_24h", "Nullable(Float64)", "Traded in the 24 hours before, in units of currency; NULL if unknown"
        ),
        Column("market_cap", "Nullable(Float64)", "Market capitalization, in units of currency; NULL if unknown"),
        Column("percent_change_1h", "Nullable(Float64)", "Change of price over 1 hour, in percent; NULL if unknown"),
        Column("percent_change_24h", "Nullable(Float64)", "Change of price over 24 hours, in percent; NULL if unknown"),
        Column("percent_change_7d", "Nullable(Float64)", "Change of price over 7 days, in percent; NULL if unknown"),
        # Historical quotes have no rank: a backfill over hours that are stored must not take theirs away.
        Column(
            "cmc_rank",
            "Nullable(UInt32)",
            "Rank by market capitalization, 1 is the largest; NULL if unknown",
            keeps_known=True,
        ),
        Column("currency", "String", "Currency of price, volume_24h and market_cap, such as USD"),
        Column("endpoint", "String", "Kind of call that brought the row: latest or historical"),
        Column("run_id", "String", "Run that wrote the row last"),
        Column(
            "source_updated_at",
            "Nullable(String)",
            "When the source updated the quote, Tehran wall time; NULL if unknown",
        ),
        Column("fetched_at", "String", "When the key's first price was observed, Tehran wall time, to the second"),
    ),
)
