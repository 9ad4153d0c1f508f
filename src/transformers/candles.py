"""Candles of any exchange to rows of hours. Pure: no I/O, no clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from adapters._bases.errors import InvalidRowError
from adapters._bases.hourly_table import HourlyRow
from adapters._bases.tehran_time import HOUR, hour_start, tehran_text
from adapters.clickhouse.binance_clickhouse_adapter import PairRow
from adapters.clickhouse.toman_clickhouse_adapter import TomanRow
from adapters.files.choices import KnownPair
from extractors.candles import Answered, Candle, CandleCall
from transformers.coverage import Batch, Remark

# How long after its end a candle still counts as open: the answer may be as old.
_SETTLES_IN = timedelta(seconds=10)
# How many hours before the present one a run asks for: in its first seconds the last one is still open.
HOURS_BACK = 2


class HourCandle(NamedTuple):
    """The candles of an hour as one: the open of the first; a None is impossible, or the hour is not over."""

    opens: datetime  # of the first candle
    open: float
    closed: Sequence[Candle] = ()  # what it is made of; empty until the hour is over
    high: float | None = None
    low: float | None = None
    close: float | None = None
    volume: float | None = None
    quote_volume: float | None = None
    trades: int | None = None


def last_over(as_of: datetime) -> datetime:
    """The start, in UTC, of the last hour whose candles were certainly closed at an aware moment."""
    return hour_start(as_of - _SETTLES_IN).astimezone(timezone.utc) - HOUR


def candle_batch(call: CandleCall, answer: Answered, make: Callable[[HourCandle], HourlyRow], *, name: str) -> Batch:
    """The rows of a call's hours that have a candle, with remarks under a name.

    A price is the open of the first candle. High, low, close and volumes are those of closed candles of an hour that is
    over, never of one that is open. Candles are in any order; of those with one opening time the last one counts.
    """
    over = last_over(answer.as_of)
    of_hours: dict[datetime, list[Candle]] = {}
    for candle in sorted({candle.opens: candle for candle in answer.candles}.values()):
        of_hours.setdefault(hour_start(candle.opens).astimezone(timezone.utc), []).append(candle)
    rows, rejects, flaws = list[HourlyRow](), list[Remark](), list[Remark]()
    for key, hour in call.hours.items():
        start = hour.astimezone(timezone.utc)
        found, wrong = of_hours.get(start, []), []
        on_grid = [one for one in found if not (one.opens.minute % 30 or one.opens.second or one.opens.microsecond)]
        if len(on_grid) < len(found):
            odd = next(candle.opens for candle in found if candle not in on_grid)
            wrong.append(f"a candle that opens at {tehran_text(odd)} in Tehran, not on the half hour, gives no price")
        try:
            if on_grid:
                rows.append(make(_merged(on_grid, wrong, over=start <= over)))
        except InvalidRowError as error:
            rejects.append(Remark(call.symbol, error.message, key, name))
        if wrong:
            flaws.append(Remark(call.symbol, "; ".join(wrong), key, name))
    points = {call.symbol: [candle.opens for candle in answer.candles]}
    return Batch({call.symbol: call.hours}, rows, rejects, flaws, points, len(rows) + len(rejects))


def pair_row(symbol: str, pair: KnownPair, run_id: str, hour: HourCandle) -> PairRow:
    """An hour of a pair at Binance."""
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
        candles=max(1, len(hour.closed)),
        endpoint="klines",
        run_id=run_id,
        source_updated_at=tehran_text(hour.closed[-1].opens + HOUR / 2) if hour.closed else None,
        fetched_at=tehran_text(hour.opens),
    )


def toman_row(symbol: str, pair: str, run_id: str, hour: HourCandle) -> TomanRow:
    """An hour of USDT in Toman."""
    prices = (hour.open, hour.high, hour.low, hour.close, hour.volume)
    return TomanRow(symbol, pair, *prices, "IRT", run_id, tehran_text(hour.opens))


def _merged(candles: Sequence[Candle], wrong: list[str], *, over: bool) -> HourCandle:
    """The candles of an hour, at least one, as one; what of them is impossible is added to `wrong`."""
    opens, opened = candles[0].opens, _number(candles[0].open, above=0)
    if opened is None:
        raise InvalidRowError(f"not a price: {candles[0].open!r}")
    if not over:
        return HourCandle(opens, opened)
    highs, lows, closes, *amounts = zip(*(_figures(candle, wrong) for candle in candles), strict=True)
    high, low = None if None in highs else max(highs), None if None in lows else min(lows)
    volume, quote_volume, trades = (None if None in amount else math.fsum(amount) for amount in amounts)
    count = None if trades is None else int(trades)
    return HourCandle(opens, opened, candles, high, low, closes[-1], volume, quote_volume, count)


def _figures(candle: Candle, wrong: list[str]) -> tuple[Any, ...]:
    """High, low, close, volumes and trades of a closed candle; None, and a line in `wrong`, for each impossible one."""
    opened, high, low, close = (_number(text, above=0) for text in candle[1:5])
    traded = [price for price in (opened, close) if price is not None]
    if high is not None and high < max(traded, default=high):
        high = None
    if low is not None and low > min(traded, default=low):
        low = None
    figures = (high, low, close, *(_number(amount) for amount in candle[5:]))
    named = zip(Candle._fields[2:], candle[2:], figures, strict=True)
    wrong += [
        f"the {name} {text!r} of a candle is impossible, and left empty" for name, text, one in named if one is None
    ]
    return figures


def _number(text: str | float, above: float = -math.ulp(0.0)) -> float | None:
    """A finite number; None if the text is not one, or not above a limit."""
    try:
        number = float(text)
    except (ValueError, OverflowError):
        return None
    return number if above < number < math.inf else None
