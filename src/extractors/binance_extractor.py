"""Binance's candles, now and past, and the pairs behind symbols."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import NamedTuple, TypeVar

import msgspec

from adapters._bases.errors import ContractError, EtlError, SourceRejected
from adapters._bases.tehran_time import HOUR, hour_start
from adapters.files.choices import Choices, KnownPair
from adapters.http.binance_http_adapter import MAX_CANDLES, UNKNOWN_PAIR, BinanceHttpAdapter
from extractors.candles import Answered, Candle, CandleCall
from extractors.concurrently import concurrently

# The length of a candle.
STEP = timedelta(minutes=30)
_STEP_MILLISECONDS = STEP // timedelta(milliseconds=1)
_BEFORE_ALL = datetime(2017, 1, 1, tzinfo=timezone.utc)
_TRADING = "TRADING"
# The newest candle appears up to 10 seconds after the turn of the hour, which is when cron starts.
_TURN = timedelta(minutes=1)
_WAITS = (2.0, 3.0, 4.0, 5.0)

T = TypeVar("T")


class Pairs(NamedTuple):
    """The pair of each symbol that has one; why others have none, and what changed or is not traded, one line each."""

    known: dict[str, KnownPair]
    complaints: list[str]
    notes: list[str]


class _Info(msgspec.Struct, rename={"quote": "quoteAsset", "base": "baseAsset"}):
    symbol: str
    status: str
    quote: str
    base: str = ""


class _Exchange(msgspec.Struct):
    symbols: list[_Info]


_Row = tuple[int, str, str, str, str, str, int, str, int, str, str, str]


def read_candles(body: object) -> list[Candle]:
    """The candles in a body of ``/api/v3/klines``, in the order of time.

    Raises:
        ContractError: it is not as documented, such as other than half hours.
    """
    rows = _converted(body, list[_Row], "candles")
    for row in rows:
        if row[0] % _STEP_MILLISECONDS or row[6] - row[0] != _STEP_MILLISECONDS - 1:
            raise _changed(f"candles are not half hours (one opens at {row[0]})")
    if any(before[0] >= after[0] for before, after in pairwise(rows)):
        raise _changed("candles are not in the order of time")
    return [
        Candle(datetime.fromtimestamp(opens // 1000, timezone.utc), first, high, low, last, volume, quoted, trades)
        for opens, first, high, low, last, volume, _, quoted, trades, *_ in rows
    ]


def first_hour(pair: KnownPair) -> datetime:
    """The start, in UTC, of the first hour that has a candle of the pair."""
    return hour_start(pair.listed).astimezone(timezone.utc)


async def extract_candles(
    source: BinanceHttpAdapter, pair: str, start: datetime, end: datetime | None = None, *, limit: int = MAX_CANDLES
) -> Answered:
    """The first candles of a pair that open from one moment, aware, to another, or up to now."""
    body, as_of = await source.klines(pair, start=start, end=end, limit=limit)
    return Answered(read_candles(body), as_of)


async def extract_latest(
    source: BinanceHttpAdapter, pair: str, start: datetime, *, clock: Callable[[], datetime]
) -> Answered:
    """The candles of a pair since an aware moment, asked for again while the present hour's may only be late."""
    for wait in _WAITS:
        answer, now = await extract_candles(source, pair, start), clock()
        present = hour_start(now)
        is_late = now - present < _TURN or answer.as_of < present
        if not is_late or any(candle.opens >= present for candle in answer.candles):
            return answer
        await asyncio.sleep(wait)
    return await extract_candles(source, pair, start)


def extract_historical(
    source: BinanceHttpAdapter, calls: Sequence[CandleCall], pairs: Mapping[str, KnownPair], *, gone: set[str]
) -> AsyncGenerator[tuple[CandleCall, Answered], None]:
    """Each call with its answer, in the order of the answers: see `concurrently`.

    Args:
        gone: collects pairs that Binance no longer has; their calls are skipped, and fail nothing.

    Raises:
        EtlError: a call failed.
    """

    async def ask(call: CandleCall) -> Answered:
        name = pairs[call.symbol].pair
        if name in gone:
            raise SourceRejected("Binance has no such pair", code=UNKNOWN_PAIR)
        return await extract_candles(source, name, call.first, call.last + HOUR - STEP)

    def tolerate(call: CandleCall, error: EtlError) -> bool:
        if not isinstance(error, SourceRejected) or error.code != UNKNOWN_PAIR:
            return False
        gone.add(pairs[call.symbol].pair)
        return True

    return concurrently(calls, ask, tolerate=tolerate)


async def resolve_pairs(source: BinanceHttpAdapter, choices: Choices[KnownPair], wanted: Mapping[str, str]) -> Pairs:
    """The pairs of the settings (symbol to the pair's name); those that are not kept yet are looked up, and kept.

    Raises:
        SourceUnavailable: Binance does not answer.
        StateError: the kept pairs cannot be read or written.
    """
    kept = choices.load()
    found = Pairs({}, [], [])
    for symbol, name in wanted.items():
        pair = kept.get(symbol)
        if pair is not None and pair.pair == name:
            found.known[symbol] = pair
            continue
        try:
            found.known[symbol] = await _look_up(source, symbol, name, found.notes)
        except SourceRejected as error:
            if error.code is None:  # the refusal concerns more than this pair
                raise
            found.complaints.append(f"{symbol}: {error.message} ({name})")
            continue
        if pair is not None:
            found.notes.append(f"{symbol} now means {name}, previously {pair.pair}; stored prices stay as they are")
    if any(kept.get(symbol) != pair for symbol, pair in found.known.items()):
        choices.save({**kept, **found.known})
    return found


async def pair_state(source: BinanceHttpAdapter, symbol: str, name: str) -> tuple[str, str]:
    """Why a pair has no new prices, and what else than the symbol it trades: a line each, empty if all is well."""
    try:
        info = await _info(source, name)
    except SourceRejected as error:
        if error.code is None:  # the refusal concerns more than this pair
            raise
        return f"{error.message} ({name})", ""
    return _not_trading(info), other_base(symbol, name, info.base)


def other_base(symbol: str, name: str, base: str) -> str:
    """What a pair trades in place of the symbol's coin, in one line; empty if it trades that, or if it is unknown."""
    number = base.removesuffix(symbol)
    traded = f"{int(number):,} {symbol}" if number.isdecimal() else base
    return f"{symbol}: {name} trades {base}, so its prices are those of {traded}" if number else ""


def _not_trading(info: _Info) -> str:
    status = info.status
    return "" if status == _TRADING else f"{info.symbol} is not trading now, its status at Binance is {status}"


async def _look_up(source: BinanceHttpAdapter, symbol: str, name: str, notes: list[str]) -> KnownPair:
    """The pair, also if it is not traded now, which is noted; `SourceRejected`, with a code, if it has no candles."""
    info = await _info(source, name)
    trouble = _not_trading(info)
    first, _ = await extract_candles(source, name, _BEFORE_ALL, limit=1)
    if not first:
        raise SourceRejected(trouble or "the pair has no candles yet", code=UNKNOWN_PAIR)
    notes += [f"{symbol}: {trouble}"] if trouble else []
    return KnownPair(name, info.quote, first[0].opens, info.base)


async def _info(source: BinanceHttpAdapter, name: str) -> _Info:
    for info in _converted(await source.exchange_info(name), _Exchange, "exchangeInfo").symbols:
        if info.symbol == name:
            return info
    raise _changed(f"exchangeInfo does not mention {name}")


def _converted(body: object, kind: type[T], what: str) -> T:
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        raise _changed(f"{what} has another form: {error}") from error


def _changed(what: str) -> ContractError:
    return ContractError(
        f"Binance's {what}, unlike documented", next_step="check BINANCE_BASE_URL; if it is right, the API has changed"
    )
