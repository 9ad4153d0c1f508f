"""Which calls of Binance to make, their answers as candles, and the pairs behind symbols."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

import msgspec

from adapters._bases.errors import ContractError, EtlError, SourceRejected
from adapters._bases.tehran_time import HOUR, hour_start
from adapters.files.pair_choices import KnownPair, PairChoices
from adapters.http.binance_http_adapter import MAX_CANDLES, UNKNOWN_PAIR, BinanceHttpAdapter, Candles
from extractors.side_by_side import side_by_side

STEP = timedelta(minutes=30)
"""The length of a candle."""
_BEFORE_ALL = datetime(2017, 1, 1, tzinfo=timezone.utc)
"""Before the first candle of any pair."""
_TRADING = "TRADING"
_CHANGED = "check BINANCE_BASE_URL; if it is right, the API has changed"
_STEP_MILLISECONDS = STEP // timedelta(milliseconds=1)
_WINDOW = (MAX_CANDLES // 2) * HOUR
"""The hours whose candles fit into one call."""


class Candle(NamedTuple):
    """Half an hour of a pair, as Binance gives it: decimals are texts, and nothing is judged here."""

    opens: datetime
    open: str
    high: str
    low: str
    close: str
    volume: str
    quote_volume: str
    trades: int


class CandleCall(NamedTuple):
    """One call for the candles of a pair: those of the hours from ``start`` to before ``end``, in UTC."""

    symbol: str
    pair: KnownPair
    start: datetime
    end: datetime


class Answered(NamedTuple):
    """What a call brought, and the moment, aware, up to which it surely tells: a later candle is open."""

    candles: list[Candle]
    as_of: datetime


@dataclass
class Pairs:
    """The pairs that symbols mean.

    Attributes:
        known: symbol to its pair.
        complaints: why a symbol has none, one line each.
        notes: what a person should know, one line each.
    """

    known: dict[str, KnownPair] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


_Row = tuple[int, str, str, str, str, str, int, str, int, str, str, str]


def read_candles(body: object) -> list[Candle]:
    """The candles in a body of ``/api/v3/klines``, in the order of time.

    Raises:
        ContractError: it is not as documented, such as other than half hours.
    """
    try:
        rows = msgspec.convert(body, list[_Row])
    except msgspec.ValidationError as error:
        raise ContractError(f"Binance's candles are not as documented: {error}", next_step=_CHANGED) from error
    before = -1
    candles = []
    for opens, first, high, low, last, volume, closes, quoted, trades, *_ in rows:
        if opens % _STEP_MILLISECONDS or closes - opens != _STEP_MILLISECONDS - 1 or opens <= before:
            raise ContractError(
                f"Binance's candles are not half hours in the order of time (one opens at {opens})", next_step=_CHANGED
            )
        before = opens
        candles.append(Candle(_instant(opens), first, high, low, last, volume, quoted, trades))
    return candles


class _Info(msgspec.Struct):
    symbol: str
    status: str
    baseAsset: str  # noqa: N815 - Binance's spelling
    quoteAsset: str  # noqa: N815 - likewise


class _Exchange(msgspec.Struct):
    symbols: list[_Info]


def _read_info(body: object, pair: str) -> _Info:
    """What a body of ``/api/v3/exchangeInfo`` says of a pair.

    Raises:
        ContractError: it is not as documented, or does not say.
    """
    try:
        found = msgspec.convert(body, _Exchange).symbols
    except msgspec.ValidationError as error:
        raise ContractError(f"Binance's exchangeInfo is not as documented: {error}", next_step=_CHANGED) from error
    for info in found:
        if info.symbol == pair:
            return info
    raise ContractError(f"Binance's exchangeInfo does not say anything of {pair}", next_step=_CHANGED)


def first_hour(pair: KnownPair) -> datetime:
    """The start, in UTC, of the first hour that has a candle of the pair."""
    return hour_start(pair.listed).astimezone(timezone.utc)


def plan_span(symbol: str, pair: KnownPair, first: datetime, end: datetime) -> list[CandleCall]:
    """The calls that bring every hour of a pair from ``first``, or its first one, to before ``end``; both in UTC."""
    start = max(first, first_hour(pair))
    calls: list[CandleCall] = []
    while start < end:
        calls.append(CandleCall(symbol, pair, start, min(start + _WINDOW, end)))
        start += _WINDOW
    return calls


def plan_calls(hours: Mapping[str, Iterable[datetime]], pairs: Mapping[str, KnownPair]) -> list[CandleCall]:
    """The calls that bring every one of these hours, the earliest first.

    Args:
        hours: symbol to aware starts of hours.
        pairs: symbol to its pair.
    """
    calls: list[CandleCall] = []
    for symbol, wanted in hours.items():
        window: CandleCall | None = None
        for start in sorted(hour.astimezone(timezone.utc) for hour in wanted):
            if window is None or start - window.start >= _WINDOW:
                calls += [window] if window else []
                window = CandleCall(symbol, pairs[symbol], start, start + HOUR)
            window = window._replace(end=start + HOUR)
        calls += [window] if window else []
    return sorted(calls, key=lambda call: (call.start, call.symbol))


class BinanceExtractor:
    """Reads prices from Binance, and keeps the pairs behind symbols.

    Args:
        source: Binance's endpoints.
        choices: where the pairs are kept.

    Attributes:
        gone: pairs that Binance no longer has, found by a call for their candles.
    """

    def __init__(self, *, source: BinanceHttpAdapter, choices: PairChoices) -> None:
        self._source = source
        self._choices = choices
        self.gone: set[str] = set()

    async def pairs(self, wanted: Mapping[str, str]) -> Pairs:
        """The pairs that are wanted; those that are not kept yet are asked for, and kept.

        Args:
            wanted: symbol to the pair's name.

        Raises:
            SourceUnavailable: Binance does not answer.
            StateError: the kept pairs cannot be read or written.
        """
        kept = self._choices.load()
        found = Pairs()
        for symbol, name in wanted.items():
            if (pair := kept.get(symbol)) is not None and pair.pair == name:
                found.known[symbol] = pair
                continue
            try:
                found.known[symbol] = await self._ask_for(name)
            except SourceRejected as error:
                if error.code is None:  # it refuses more than this pair
                    raise
                found.complaints.append(f"{symbol}: {error.message} ({name})")
                continue
            if pair is not None:
                found.notes.append(f"{symbol} now means {name}, before it {pair.pair}; stored prices stay as they are")
        if any(kept.get(symbol) != pair for symbol, pair in found.known.items()):
            self._choices.save({**kept, **found.known})
        return found

    async def status_of(self, name: str) -> str:
        """What Binance says of a pair now, in some words; empty where it is traded.

        Raises:
            EtlError: it does not say.
        """
        try:
            status = _read_info(await self._source.exchange_info(name), name).status
        except SourceRejected as error:
            if error.code is None:  # it refuses more than this pair
                raise
            return f"{error.message} ({name})"
        return "" if status == _TRADING else f"{name} is not traded: its status at Binance is {status}"

    async def lately(self, pair: KnownPair, since: datetime) -> Answered:
        """The candles of a pair from a moment on, up to now.

        Raises:
            EtlError: the source failed.
        """
        return _answered(await self._source.klines(pair.pair, start=since, limit=MAX_CANDLES))

    async def past(self, calls: Sequence[CandleCall]) -> AsyncGenerator[tuple[CandleCall, Answered], None]:
        """Each call with what it brought, as the answers come: see `side_by_side`.

        A pair that Binance no longer has costs the others nothing.

        Raises:
            EtlError: a call failed.
        """

        def forgives(call: CandleCall, error: EtlError) -> bool:
            if not isinstance(error, SourceRejected) or error.code != UNKNOWN_PAIR:
                return False
            self.gone.add(call.pair.pair)
            return True

        async with aclosing(side_by_side(calls, self._past_of, forgives=forgives)) as answers:
            async for answer in answers:
                yield answer

    async def _past_of(self, call: CandleCall) -> Answered:
        if call.pair.pair in self.gone:
            raise SourceRejected("Binance has no such pair", code=UNKNOWN_PAIR)
        last = call.end - STEP
        candles = await self._source.klines(call.pair.pair, start=call.start, end=last, limit=MAX_CANDLES)
        return _answered(candles)

    async def _ask_for(self, name: str) -> KnownPair:
        """The pair, if it is traded.

        Raises:
            SourceRejected: it is not; with a code.
        """
        info = _read_info(await self._source.exchange_info(name), name)
        if info.status != _TRADING:
            raise SourceRejected(f"the pair is not traded, its status is {info.status}", code=UNKNOWN_PAIR)
        first = await self._source.klines(name, start=_BEFORE_ALL, limit=1)
        if not (candles := read_candles(first.body)):
            raise SourceRejected("the pair has no candles yet", code=UNKNOWN_PAIR)
        return KnownPair(name, info.quoteAsset, candles[0].opens)


def _answered(answer: Candles) -> Answered:
    return Answered(read_candles(answer.body), answer.as_of)


def _instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds // 1000, timezone.utc)
