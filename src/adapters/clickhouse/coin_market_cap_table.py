"""The table `crypto_prices` and the view `crypto_prices_hourly`: their names, columns and units. Pure."""

from __future__ import annotations

from adapters.clickhouse.coin_market_cap_row import PriceRow
from adapters.clickhouse.hourly_table import Column, HourlyTable

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
