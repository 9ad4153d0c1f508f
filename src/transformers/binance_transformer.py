"""Half-hourly candles to rows of hours. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from adapters._bases.tehran_time import HOUR, tehran_text
from adapters.clickhouse.binance_clickhouse_adapter import PairRow
from adapters.files.choices import KnownPair
from extractors.candles import Answered
from transformers.candles import HourCandle, HourRows, hour_rows


def pair_rows(
    symbol: str, pair: KnownPair, answer: Answered, hours: Mapping[str, datetime], *, run_id: str
) -> HourRows:
    """What becomes of a pair's candles: see `hour_rows`."""

    def row(hour: HourCandle) -> PairRow:
        closed = hour.closed
        return PairRow(
            symbol=symbol,
            pair=pair.pair,
            price=hour.open,
            high=hour.high,
            low=hour.low,
            close=hour.close,
            volume_base=hour.volume,
            volume_quote=hour.quote_volume,
            trades=hour.trades,
            currency=pair.quote,
            candles=max(1, len(closed)),
            endpoint="klines",
            run_id=run_id,
            source_updated_at=tehran_text(closed[-1].opens + HOUR / 2) if closed else None,
            fetched_at=tehran_text(hour.opens),
        )

    return hour_rows(answer, hours, row)
