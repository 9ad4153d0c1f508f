"""The tables `crypto_prices`, with its view `crypto_prices_hourly`, and `crypto_price_holes`. Pure.

Texts of time are Tehran wall time, ``YYYY-MM-DD HH:MM:SS``.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

from adapters._bases.columns import Column
from adapters._bases.hourly_table import HourlyTable


class PriceRow(NamedTuple):
    """One price to store.

    The key (symbol, datetime) is not among the fields: the table makes it from `fetched_at`, which an update leaves as
    it is. `updated_at` and `version` are set when the row is written.
    """

    symbol: Annotated[str, Column("Ticker the coin is followed under, upper case, such as BTC")]
    cmc_id: Annotated[int, Column("CoinMarketCap's permanent id of the coin", "UInt32")]
    name: Annotated[str, Column("Name of the coin")]
    price: Annotated[float, Column("Price of one coin, in units of currency")]
    volume_24h: Annotated[float | None, Column("Traded in the 24 hours before, in units of currency; NULL if unknown")]
    market_cap: Annotated[float | None, Column("Market capitalization, in units of currency; NULL if unknown")]
    percent_change_1h: Annotated[float | None, Column("Change of price over 1 hour, in percent; NULL if unknown")]
    percent_change_24h: Annotated[float | None, Column("Change of price over 24 hours, in percent; NULL if unknown")]
    percent_change_7d: Annotated[float | None, Column("Change of price over 7 days, in percent; NULL if unknown")]
    # Historical quotes have no rank: a backfill over hours that are stored must not take theirs away.
    cmc_rank: Annotated[
        int | None,
        Column(
            "Rank by market capitalization, 1 is the largest; NULL if unknown", "Nullable(UInt32)", keeps_known=True
        ),
    ]
    currency: Annotated[str, Column("Currency of price, volume_24h and market_cap, such as USD")]
    endpoint: Annotated[str, Column("Kind of call that brought the row: latest or historical")]
    run_id: Annotated[str, Column("Run that wrote the row last")]
    source_updated_at: Annotated[
        str | None, Column("When the source updated the quote, Tehran wall time; NULL if unknown")
    ]
    fetched_at: Annotated[str, Column("When the key's first price was observed, Tehran wall time, to the second")]

    @property
    def hour_key(self) -> str:
        """The row's hour, ``YYYY-MM-DD HH:00:00``. The table computes the same key by its own formula."""
        return f"{self.fetched_at[:13]}:00:00"


CRYPTO_PRICES = HourlyTable(
    name="crypto_prices", view="crypto_prices_hourly", about="Hourly cryptocurrency prices", row=PriceRow, value="price"
)


class Hole(NamedTuple):
    """An hour for which the source had no quote. Only a note: a price stored later counts."""

    symbol: Annotated[str, Column("Ticker, as in crypto_prices")]
    datetime: Annotated[str, Column("Start of the hour without a quote, Tehran wall time")]
    cmc_id: Annotated[int, Column("Coin that was asked for under the ticker")]
    noted_at: Annotated[str, Column("When it was found, Tehran wall time")]
    run_id: Annotated[str, Column("Run that found it")]


HOLES = "crypto_price_holes"
