"""The tables `binance_prices`, with its view `binance_prices_hourly`, and `binance_price_holes`. Pure.

Texts of time are Tehran wall time, ``YYYY-MM-DD HH:MM:SS``.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

from adapters._bases.columns import Column
from adapters._bases.hourly_table import HourlyTable


class PairRow(NamedTuple):
    """One hour of one pair to store, of its two half-hourly candles."""

    symbol: Annotated[str, Column("Ticker the coin is followed under, upper case, such as BTC")]
    pair: Annotated[str, Column("Pair at Binance that the prices are of, such as BTCUSDT")]
    price: Annotated[float, Column("First trade at or after the start of the hour, in units of currency")]
    high: Annotated[float | None, Column("Highest trade of the hour, in units of currency; NULL until it is over")]
    low: Annotated[float | None, Column("Lowest trade of the hour, in units of currency; NULL until it is over")]
    close: Annotated[float | None, Column("Last trade of the hour, in units of currency; NULL until it is over")]
    volume_base: Annotated[float | None, Column("Traded of this pair in the hour, in coins; NULL until it is over")]
    volume_quote: Annotated[
        float | None, Column("Traded of this pair in the hour, in units of currency; NULL until it is over")
    ]
    trades: Annotated[int | None, Column("Number of trades of the hour; NULL until it is over")]
    currency: Annotated[str, Column("What prices are in: the quote asset of the pair, such as USDT, which is not USD")]
    candles: Annotated[
        int,
        Column(
            "Half hours that the row is made of: 2; 1 until the hour is over, or where the exchange was down", "UInt32"
        ),
    ]
    endpoint: Annotated[str, Column("Kind of call that brought the row: klines")]
    run_id: Annotated[str, Column("Run that wrote the row last")]
    source_updated_at: Annotated[
        str | None, Column("End of the last candle in the row, Tehran wall time; NULL until the hour is over")
    ]
    fetched_at: Annotated[str, Column("Start of the candle that price is from, Tehran wall time, to the second")]


BINANCE_PRICES = HourlyTable(
    name="binance_prices",
    view="binance_prices_hourly",
    about="Hourly prices of pairs at Binance",
    row=PairRow,
    value="price",
)


class PairHole(NamedTuple):
    """An hour of which Binance has no candle. Only a note: a price stored later counts."""

    symbol: Annotated[str, Column("Ticker, as in binance_prices")]
    datetime: Annotated[str, Column("Start of the hour without a candle, Tehran wall time")]
    pair: Annotated[str, Column("Pair that was asked for under the ticker")]
    noted_at: Annotated[str, Column("When it was found, Tehran wall time")]
    run_id: Annotated[str, Column("Run that found it")]
