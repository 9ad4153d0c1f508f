"""Binance's candles, now and past, and the pairs behind symbols."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

import msgspec
import structlog

from adapters._bases.errors import ContractError, EtlError, SourceRejected, SourceUnavailable
from adapters._bases.http_adapter import HttpAdapter
from adapters._bases.json_values import whole
from adapters._bases.tehran_time import hour_start, in_tehran
from adapters.files.choices import Choices, KnownPair
from adapters.http.binance_http_adapter import MAX_CANDLES, UNKNOWN_PAIR, exchange_info, klines
from extractors.candles import Answered, Candle, CandleCall
from extractors.concurrently import in_time

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
    http: HttpAdapter, pair: str, start: datetime, end: datetime | None = None, *, limit: int = MAX_CANDLES
) -> Answered:
    """The first candles of a pair that open from one moment, aware, to another, or up to now."""
    body, as_of = await klines(http, pair, start=start, end=end, limit=limit)
    return Answered(read_candles(body), as_of)


async def extract_latest(http: HttpAdapter, pair: str, start: datetime, *, clock: Callable[[], datetime]) -> Answered:
    """The candles of a pair since an aware moment, asked for again while the present hour's may only be late."""
    for wait in _WAITS:
        answer, now = await extract_candles(http, pair, start), clock()
        present = hour_start(now)
        is_late = now - present < _TURN or answer.as_of < present
        if not is_late or any(candle.opens >= present for candle in answer.candles):
            return answer
        await asyncio.sleep(wait)
    return await extract_candles(http, pair, start)


async def extract_historical(http: HttpAdapter, call: CandleCall, pair: str, *, owners: dict[int, str]) -> Answered:
    """The candles of a call; none if Binance does not have the pair, or repeats its answer about another pair.

    Args:
        owners: collects the pair of each answer.
    """
    try:
        answer = await extract_candles(http, pair, call.start, call.end)
    except SourceRejected as error:
        if error.code != UNKNOWN_PAIR:
            raise
        return Answered([], call.end)
    is_own = owners.setdefault(hash(tuple(answer.candles)), pair) == pair
    return answer if is_own else answer._replace(candles=[])


async def beginnings(http: HttpAdapter, pairs: Mapping[str, str], symbols: Iterable[str]) -> dict[str, datetime]:
    """The first hour, in UTC, of symbols whose pairs have candles and could be looked up."""
    begins = {}
    for symbol in symbols:
        with suppress(EtlError):
            begins[symbol] = hour_start(await _first_candle(http, pairs[symbol])).astimezone(timezone.utc)
    return begins


async def resolve_pairs(
    http: HttpAdapter, choices: Choices[KnownPair], wanted: Mapping[str, str], *, since: datetime | None = None
) -> tuple[dict[str, KnownPair], dict[str, EtlError], list[str]]:
    """The wanted pairs (symbol to the pair's name); those that are not kept yet are looked up, and kept.

    A look-up that fails affects no other pair, unless Binance refuses this host.

    Args:
        since: aware; the first candle of a pair that begins later is looked up again, since it explains missing hours.

    Returns:
        The pair of each symbol that has one; the errors of the others, `SourceRejected` if Binance has no such pair or
        no candle of it; what changed or is not traded, one line each.
    """
    kept = choices.load()
    known, errors, notes = dict[str, KnownPair](), dict[str, EtlError](), list[str]()

    async def find(symbol: str, name: str) -> KnownPair:
        pair = kept.get(symbol)
        if pair is None or pair.pair != name:
            info = await _info(http, name)
            trouble = info.trouble  # noted, unless the pair has no candles either
            pair = KnownPair(name, info.quote, await _first_candle(http, name, otherwise=trouble), info.base)
            notes.extend([f"{symbol}: {trouble}"] if trouble else ())
        if since is not None and first_hour(pair) > since:
            pair = msgspec.structs.replace(pair, listed=min(pair.listed, await _first_candle(http, name)))
        return pair

    for symbol, name in wanted.items():
        try:
            known[symbol] = await in_time(find(symbol, name), _LOOK_UP_SECONDS)
        except (SourceRejected, SourceUnavailable, ContractError) as error:  # noqa: PERF203 - each fails alone
            if isinstance(error, SourceRejected) and error.code is None:  # it concerns more than this pair
                raise
            error.message = f"{symbol}: {error.message} ({name})"
            errors[symbol] = error
        else:
            if symbol in kept and kept[symbol].pair != name:
                means = f"{symbol} now means {name}, previously {kept[symbol].pair}"
                notes.append(f"{means}; stored prices stay as they are")
    if any(kept.get(symbol) != pair for symbol, pair in known.items()):
        choices.save({**kept, **known})
    return known, errors, notes


async def pair_state(http: HttpAdapter, symbol: str, name: str) -> tuple[str, str]:
    """Why a pair has no new prices, and what else than the symbol it trades: a line each, empty if all is well."""
    try:
        info = await _info(http, name)
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


async def _first_candle(http: HttpAdapter, name: str, *, otherwise: str = "") -> datetime:
    """When a pair's first candle opened; `SourceRejected`, with a code, if it has none."""
    answer = await extract_candles(http, name, _BEFORE_ALL, limit=1)
    if not answer.candles:
        raise SourceRejected(otherwise or "the pair has no candles yet", code=UNKNOWN_PAIR)
    return answer.candles[0].opens


async def _info(http: HttpAdapter, name: str) -> _Info:
    for info in _converted(await exchange_info(http, name), _Exchange, "exchangeInfo").symbols:
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
