"""Binance's public market data: paths, parameters, weights and refusals; no key.

Endpoints, weights and codes: the documentation of Binance's spot API. Candles are asked for by half hours, with which
both Tehran's hours and those of its summers until 2022 begin.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from typing import NamedTuple

from adapters._bases.errors import EtlError, SourceRejected, SourceUnavailable
from adapters._bases.http_adapter import (
    Answer,
    HttpAdapter,
    check_clock,
    header_time,
    json_answer,
    may_pass,
    retry_after_seconds,
)
from adapters._bases.json_values import whole

INTERVAL = "30m"
MAX_CANDLES = 1000
"""The most that one call brings."""
KLINES_WEIGHT = 2
WEIGHT_A_MINUTE = 6000
"""The documented limit of all calls from one address."""
UNKNOWN_PAIR = -1121
"""Binance's code for a pair that it does not have."""
_WEIGHT_HEADER = "x-mbx-used-weight-1m"
_MOST_SHARE = 0.8
"""Of the limit, what is used: others behind this address call too."""
_MINUTE_SECONDS = 60.0
_SIDE_BY_SIDE = 4
_OK, _FORBIDDEN, _BANNED, _TOO_MANY, _RESTRICTED = 200, 403, 418, 429, 451
_LATER_SECONDS = 60.0
_ANOTHER_WAY = "set BINANCE_BASE_URL to a host of Binance that answers here, or HTTPS_PROXY or ALL_PROXY to another way"
_LONGEST_TEXT = 300


class WeightGate:
    """Passes a few callers at a time, and none while Binance wants none; who comes then is to try again later.

    Args:
        weight_a_minute: the limit.
        seconds: gives the time of a clock that is never set.
    """

    def __init__(
        self, *, weight_a_minute: int = WEIGHT_A_MINUTE, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = int(weight_a_minute * _MOST_SHARE)
        self._seconds = seconds
        self._in_flight = asyncio.Semaphore(_SIDE_BY_SIDE)
        self._closed_until = 0.0

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        """Hold one of the places until left.

        Raises:
            SourceUnavailable: it is closed; the error has the seconds until it opens.
        """
        async with self._in_flight:
            if (left := self._closed_until - self._seconds()) > 0:
                raise SourceUnavailable(
                    f"Binance: the calls of this address are used up for {left:.0f} seconds",
                    next_step="try again later, and let other programs behind this address call less",
                    retry_after_seconds=left,
                )
            yield

    def note_used(self, weight: int) -> None:
        """Take the weight of the last minute's calls as an answer says it, and close for a minute near the limit."""
        if weight >= self._most:
            self.close_for(_MINUTE_SECONDS)

    def close_for(self, seconds: float) -> None:
        """Let no one pass for so long."""
        self._closed_until = max(self._closed_until, self._seconds() + seconds)


class Candles(NamedTuple):
    """The answer to a call for candles.

    Attributes:
        body: a JSON value.
        as_of: aware; the moment, by the earlier of both clocks, up to which the answer surely tells.
    """

    body: object
    as_of: datetime


class BinanceHttpAdapter:
    """Reading calls of Binance, a few side by side and within the weight that it allows a minute.

    Every method may raise `SourceUnavailable` (after the retry policy's tries), `SourceRejected` or `ClockError`.

    Args:
        http: with Binance's host as its base URL.
        clock: the present moment, aware; compared with that of every answer.
    """

    def __init__(self, *, http: HttpAdapter, clock: Callable[[], datetime]) -> None:
        self._http = http
        self._clock = clock
        self._gate = WeightGate()

    async def klines(self, pair: str, *, start: datetime, end: datetime | None = None, limit: int) -> Candles:
        """The half-hourly candles of a pair, oldest first; the last one may be open still.

        Args:
            pair: such as ``BTCUSDT``.
            start: aware; when the first candle opens at the earliest.
            end: aware; when the last one opens at the latest; None for no bound.
            limit: the most candles, up to `MAX_CANDLES`.

        Raises:
            SourceRejected: code `UNKNOWN_PAIR` where there is no such pair.
        """
        # A millisecond more, for whether a candle that opens at endTime comes too is not documented.
        bound = {} if end is None else {"endTime": str(_milliseconds(end) + 1)}
        params = {"symbol": pair, "interval": INTERVAL, "startTime": str(_milliseconds(start)), **bound}
        return await self._get("/api/v3/klines", {**params, "limit": str(limit)})

    async def exchange_info(self, pair: str) -> object:
        """What the exchange says of a pair, a JSON value; raises as `klines` does."""
        return (await self._get("/api/v3/exchangeInfo", {"symbol": pair})).body

    async def _get(self, path: str, params: Mapping[str, str]) -> Candles:
        asked_at = self._clock()

        @asynccontextmanager
        async def gate() -> AsyncIterator[None]:
            nonlocal asked_at
            async with self._gate.passing():
                asked_at = self._clock()
                yield

        def read(answer: Answer) -> Candles:
            self._note(answer)
            if (error := error_of(answer)) is not None:
                raise error
            theirs = header_time(answer.headers.get("date", ""))
            check_clock(theirs, now=self._clock(), source="Binance")
            return Candles(json_answer(answer), asked_at if theirs is None else min(asked_at, theirs))

        return await self._http.get(path, params, read, gate=gate)

    def _note(self, answer: Answer) -> None:
        """Heed what an answer, good or not, says of limits."""
        if answer.status in (_TOO_MANY, _BANNED):
            asked = retry_after_seconds(answer.headers, now=self._clock())
            self._gate.close_for(_MINUTE_SECONDS if asked is None else asked)
        if (used := whole(answer.headers.get(_WEIGHT_HEADER, ""))) is not None:
            self._gate.note_used(used)


def error_of(answer: Answer) -> EtlError | None:
    """The error that an answer's status means, None for a good one."""
    status = answer.status
    if status == _OK:
        return None
    if status == _RESTRICTED:
        return SourceRejected(
            f"Binance refuses this network's country (HTTP {status})", next_step=_ANOTHER_WAY, status=status
        )
    if status == _FORBIDDEN:
        return SourceUnavailable(
            f"Binance's gatekeeper refuses this address (HTTP {status})",
            next_step=f"try again later; if it stays so, {_ANOTHER_WAY}",
            retry_after_seconds=_LATER_SECONDS,
            most_tries=2,
            status=status,
        )
    code, text = _code_and_text(answer)
    said = f"HTTP {status}{'' if code is None else f', code {code}'}{f': {text}' if text else ''}"
    if status in (_TOO_MANY, _BANNED) or may_pass(status):
        return _for_a_while(status, code, said)
    if code == UNKNOWN_PAIR:
        return SourceRejected("Binance has no such pair", next_step="see BINANCE_PAIRS", status=status, code=code)
    next_step = "check BINANCE_BASE_URL; if it is right, the API has changed"
    return SourceRejected(f"Binance refuses the question ({said})", next_step=next_step, status=status, code=code)


def _for_a_while(status: int, code: int | None, said: str) -> SourceUnavailable:
    if status not in (_TOO_MANY, _BANNED):
        message = f"Binance is overloaded or failing ({said})"
        return SourceUnavailable(message, next_step="try again later", status=status, code=code)
    return SourceUnavailable(
        f"Binance: this address makes too many calls ({said})",
        next_step="let other programs behind this address call less, and try again later",
        retry_after_seconds=_MINUTE_SECONDS,
        status=status,
        code=code,
    )


def _code_and_text(answer: Answer) -> tuple[int | None, str]:
    """Binance's own words for a refusal, as far as there are any."""
    try:
        body = json_answer(answer)
    except EtlError:
        return None, ""
    if not isinstance(body, dict):
        return None, ""
    text = str(body.get("msg", ""))[:_LONGEST_TEXT]
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return whole(body.get("code")), " ".join(shown.split())


def _milliseconds(instant: datetime) -> int:
    return int(instant.astimezone(timezone.utc).timestamp()) * 1000
