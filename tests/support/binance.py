"""A Binance over HTTP, the rows that its candles should become, and runs of the job against it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

from adapters._bases.tehran_time import hour_key, tehran_text
from adapters.clickhouse.binance_clickhouse_adapter import PairRow
from sandbox.binance import ExchangeStandIn
from tests.support.price_table import Sql

HALF = timedelta(minutes=30)
COLUMNS = "price, high, low, close, volume_base, volume_quote, trades, candles, source_updated_at"

_ROW = PairRow(
    symbol="BTC",
    pair="BTCUSDT",
    price=86123.25,
    high=86200.5,
    low=86001.0,
    close=86150.75,
    volume_base=12.5,
    volume_quote=1_076_884.375,
    trades=4321,
    currency="USDT",
    candles=2,
    endpoint="klines",
    run_id="run-1",
    source_updated_at="2026-11-23 13:00:00",
    fetched_at="2026-11-23 12:00:00",
)


def pair_row(symbol: str = "BTC", price: float = 86123.25, **values: object) -> PairRow:
    return _ROW._replace(symbol=symbol, price=price, **values)  # type: ignore[arg-type]  # any field, by its name


def expected(
    source: ExchangeStandIn, pair: str, hours: Iterable[datetime], *, complete: bool = True
) -> dict[str, tuple[Any, ...]]:
    """Hour key to what should be stored of a pair in hours (aware starts) that are over, or not."""
    rows: dict[str, tuple[Any, ...]] = {}
    for hour in hours:
        opens = [int(hour.timestamp() * 1000), int((hour.astimezone(timezone.utc) + HALF).timestamp() * 1000)]
        served = [source.candle(pair, at, now=source.now()) for at in opens]
        there = [candle for candle in served if candle is not None]
        if not there or hour_key(hour) in rows:
            continue
        price = float(there[0][1])
        if not complete:
            rows[hour_key(hour)] = (price, None, None, None, None, None, None, 1, None)
            continue
        rows[hour_key(hour)] = (
            price,
            max(float(candle[2]) for candle in there),
            min(float(candle[3]) for candle in there),
            float(there[-1][4]),
            sum(float(candle[5]) for candle in there),
            sum(float(candle[7]) for candle in there),
            sum(candle[8] for candle in there),
            len(there),
            tehran_text(datetime.fromtimestamp((there[-1][6] + 1) / 1000, timezone.utc)),
        )
    return rows


def stored(sql: Sql, symbol: str) -> dict[str, tuple[Any, ...]]:
    """Hour key to what the table holds of a symbol, nothing where there is no table; fails on a key that is doubled."""
    if sql("EXISTS TABLE crypto.binance_prices") == [(0,)]:
        return {}
    found = sql(
        f"SELECT datetime, {COLUMNS} FROM crypto.binance_prices FINAL WHERE symbol = '{symbol}' ORDER BY datetime"
    )
    assert len({hour for hour, *_ in found}) == len(found)
    return {str(hour): tuple(row) for hour, *row in found}


def holes(sql: Sql) -> set[tuple[str, str]]:
    """The noted holes, as symbol and hour key; none where there is no table."""
    if sql("EXISTS TABLE crypto.binance_price_holes") == [(0,)]:
        return set()
    found = sql("SELECT symbol, datetime FROM crypto.binance_price_holes FINAL")
    return {(str(symbol), str(hour)) for symbol, hour in found}
