"""Binance's candles, now and past, and the pairs behind symbols."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple, TypeVar

import msgspec
import structlog

from adapters._bases.errors import ContractError, EtlError, SourceRejected, SourceUnavailable
from adapters._bases.json_values import whole
from adapters._bases.tehran_time import hour_start, in_tehran
from adapters.files.choices import Choices, KnownPair
from adapters.http.binance_http_adapter import MAX_CANDLES, UNKNOWN_PAIR, BinanceHttpAdapter
from extractors.candles import Answered, Candle, CandleCall, ask_whole
from extractors.concurrently import concurrently, in_time

# The length of a candle.
_MINUTES = 30
# Fewer candles say nothing of the usual length.
_ENOUGH = 3
_LOOK_UP_SECONDS = 150  # a limit that lasts a minute is waited out
_BEFORE_ALL = datetime(2017, 1, 1, tzinfo=timezone.utc)
# The newest candle appears up to 10 seconds after the turn of the hour, which is when cron starts.
_TURN = timedelta(minutes=1)
_WAITS = (2.0, 3.0, 4.0, 5.0)

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Pairs(NamedTuple):
    """The pair of each symbol that has one; why others have none, and what changed or is not traded, one line each."""

    known: dict[str, KnownPair]
    complaints: list[str]
    notes: list[str]
    failures: list[EtlError]  # of look-ups


class _Info(msgspec.Struct, rename={"quote": "quoteAsset", "base": "baseAsset"}):
    symbol: str
    status: str
    quote: str
    base: str = ""

    @property
    def trouble(self) -> str:
        is_traded = self.status == "TRADING"
        return "" if is_traded else f"{self.symbol} is not trading now, its status at Binance is {self.status}"


class _Exchange(msgspec.Struct):
    symbols: list[_Info]


def read_candles(body: object) -> list[Candle]:
    """The candles in a body of ``/api/v3/klines``; ContractError if most cannot be read, or are not half hours."""
    rows = _converted(body, list[Any], "candles")
    candles, minutes, unread = [], [], []
    for row in rows:
        try:
            opens = datetime.fromtimestamp(int(row[0]) / 1000, timezone.utc)
            first, high, low, last, volume, quoted = (str(row[position]) for position in (1, 2, 3, 4, 5, 7))
            trades = whole(row[8])
            candles.append(Candle(opens, first, high, low, last, volume, quoted, -1 if trades is None else trades))
            minutes += [] if (closes := whole(row[6])) is None else [round((closes - int(row[0])) / 60_000)]
        except (LookupError, TypeError, ValueError, OverflowError):  # noqa: PERF203 - each candle fails alone
            unread.append(row)
    if len(unread) * 2 > len(rows):
        raise _changed(f"candles cannot be read, such as {json.dumps(unread[0])[:80]}")
    for row in unread:
        log.warning("candle that cannot be read", candle=json.dumps(row)[:80])
    usual = sorted(minutes)[len(minutes) // 2] if len(minutes) >= _ENOUGH else _MINUTES
    if usual != _MINUTES:
        raise _changed(f"candles are not half hours, but {usual} minutes long")
    return candles


def begins(pair: KnownPair) -> str:
    """Where a pair's history begins, for messages."""
    return f"{pair.pair} begins {in_tehran(pair.listed):%Y-%m-%d}"


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
    source: BinanceHttpAdapter,
    calls: Sequence[CandleCall],
    pairs: Mapping[str, KnownPair],
    *,
    settled: datetime,
    gone: set[str],
    failed: list[tuple[CandleCall, EtlError]],
) -> AsyncGenerator[tuple[CandleCall, Answered], None]:
    """The parts of each call with their answers: see `concurrently` and `ask_whole`.

    Args:
        gone: collects pairs that Binance no longer has; their calls are skipped, and fail nothing.
        failed: as of `concurrently`.
    """
    owners: dict[int, str] = {}
    begins: dict[str, datetime | None] = {}

    async def ask(call: CandleCall) -> list[tuple[CandleCall, Answered]]:
        if (name := pairs[call.symbol].pair) in gone:
            raise SourceRejected("Binance has no such pair", code=UNKNOWN_PAIR)

        async def ask_for(start: datetime, end: datetime) -> Answered:
            answer = await extract_candles(source, name, start, end)
            # It may have repeated the answer to another pair's call.
            is_new = owners.setdefault(hash(tuple(answer.candles)), name) == name or not answer.candles
            return answer if is_new else await extract_candles(source, name, start, end)

        async def first_of() -> datetime | None:
            with suppress(EtlError):
                begins[name] = begins.get(name) or hour_start(await _first_candle(source, name))
            return begins.get(name)

        return await ask_whole(call, ask_for, first=first_of, settled=settled)

    def tolerate(call: CandleCall, error: EtlError) -> bool:
        if not isinstance(error, SourceRejected) or error.code != UNKNOWN_PAIR:
            return False
        gone.add(pairs[call.symbol].pair)
        return True

    return concurrently(calls, ask, tolerate=tolerate, failed=failed)


async def resolve_pairs(
    source: BinanceHttpAdapter, choices: Choices[KnownPair], wanted: Mapping[str, str], *, since: datetime | None = None
) -> Pairs:
    """The wanted pairs (symbol to the pair's name); those that are not kept yet are looked up, and kept.

    A look-up that fails affects no other pair, unless Binance refuses this host.

    Args:
        since: aware; the first candle of a pair that begins later is looked up again, since it explains missing hours.
    """
    kept = choices.load()
    found = Pairs({}, [], [], [])

    async def find(symbol: str, name: str) -> KnownPair:
        pair = kept.get(symbol)
        if pair is None or pair.pair != name:
            info = await _info(source, name)
            trouble = info.trouble  # noted, unless the pair has no candles either
            pair = KnownPair(name, info.quote, await _first_candle(source, name, otherwise=trouble), info.base)
            found.notes.extend([f"{symbol}: {trouble}"] if trouble else ())
        if since is not None and first_hour(pair) > since:
            pair = msgspec.structs.replace(pair, listed=min(pair.listed, await _first_candle(source, name)))
        return pair

    for symbol, name in wanted.items():
        before = kept.get(symbol)
        try:
            found.known[symbol] = await in_time(find(symbol, name), _LOOK_UP_SECONDS)
        except SourceRejected as error:
            if error.code is None:  # the refusal concerns more than this pair
                raise
            found.complaints.append(f"{symbol}: {error.message} ({name})")
        except (SourceUnavailable, ContractError) as error:
            reason = f"{symbol}: {error.message} ({name})"
            found.failures.append(SourceUnavailable(reason, next_step=error.next_step))
        else:
            if before is not None and before.pair != name:
                means = f"{symbol} now means {name}, previously {before.pair}"
                found.notes.append(f"{means}; stored prices stay as they are")
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
    return info.trouble, other_base(symbol, name, info.base)


def other_base(symbol: str, name: str, base: str) -> str:
    """What a pair trades in place of the symbol's coin, in one line; empty if it trades that, or if it is unknown."""
    number = base.removesuffix(symbol)
    traded = f"{int(number):,} {symbol}" if number.isdecimal() else base
    return f"{symbol}: {name} trades {base}, so its prices are those of {traded}" if number else ""


async def _first_candle(source: BinanceHttpAdapter, name: str, *, otherwise: str = "") -> datetime:
    """When a pair's first candle opened; `SourceRejected`, with a code, if it has none."""
    answer = await extract_candles(source, name, _BEFORE_ALL, limit=1)
    if not answer.candles:
        raise SourceRejected(otherwise or "the pair has no candles yet", code=UNKNOWN_PAIR)
    return answer.candles[0].opens


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
