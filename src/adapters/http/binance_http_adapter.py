"""Binance's public market data: paths, parameters, weights and refusals; no key.

Endpoints, weights and codes: the documentation of Binance's spot API. Candles are half hours, with which both Tehran's
hours and those of its summers until 2022 begin.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime

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
from adapters._bases.json_values import one_line, whole

# The maximum of one call.
MAX_CANDLES = 1000
KLINES_WEIGHT = 2
# The documented limit of all calls from one address.
WEIGHT_A_MINUTE = 6000
# Binance's code for a pair that it does not have.
UNKNOWN_PAIR = -1121
_WEIGHT_HEADER = "x-mbx-used-weight-1m"
# Of the limit: other programs behind this address call too.
_MAX_SHARE = 0.8
_MINUTE_SECONDS = 60.0
_AT_A_TIME = 4
_OK, _FORBIDDEN, _BANNED, _TOO_MANY, _RESTRICTED = 200, 403, 418, 429, 451
_ANOTHER_WAY = "set BINANCE_BASE_URL to a host of Binance that answers here, or HTTPS_PROXY or ALL_PROXY to another way"


class BinanceHttpAdapter:
    """Reading calls of Binance, a few at a time and within the weight that it allows a minute.

    Every method may raise `SourceUnavailable` (after the retry policy's tries), `SourceRejected` or `ClockError`.

    Args:
        http: with Binance's host as its base URL.
        clock: the present moment, aware; compared with that of every answer.
    """

    def __init__(self, *, http: HttpAdapter, clock: Callable[[], datetime]) -> None:
        self._http = http
        self._clock = clock
        self._in_flight = asyncio.Semaphore(_AT_A_TIME)
        self._closed_until = 0.0  # by the monotonic clock

    async def klines(
        self, pair: str, *, start: datetime, end: datetime | None = None, limit: int
    ) -> tuple[object, datetime]:
        """The half-hourly candles of a pair, oldest first, the last one perhaps open: a JSON value.

        With it the moment, aware, by the earlier of both clocks, up to which the answer is certain.

        Args:
            pair: such as ``BTCUSDT``.
            start: aware; the earliest opening of a candle.
            end: aware; the latest; None for no bound.
            limit: the most candles, up to `MAX_CANDLES`.

        Raises:
            SourceRejected: code `UNKNOWN_PAIR` if there is no such pair.
        """
        # A millisecond more: whether endTime is inclusive is not documented.
        bound = {} if end is None else {"endTime": str(_milliseconds(end) + 1)}
        params = {"symbol": pair, "interval": "30m", "startTime": str(_milliseconds(start)), **bound}
        return await self._get("/api/v3/klines", {**params, "limit": str(limit)})

    async def exchange_info(self, pair: str) -> object:
        """The exchange's description of a pair, a JSON value; raises as `klines` does."""
        body, _ = await self._get("/api/v3/exchangeInfo", {"symbol": pair})
        return body

    async def _get(self, path: str, params: Mapping[str, str]) -> tuple[object, datetime]:
        asked_at = self._clock()

        @asynccontextmanager
        async def turn() -> AsyncIterator[None]:
            nonlocal asked_at
            async with self._in_flight:
                if (left := self._closed_until - time.monotonic()) > 0:
                    raise SourceUnavailable(
                        f"Binance: the calls of this address are used up for {left:.0f} seconds",
                        next_step="try again later, and let other programs behind this address call less",
                        retry_after_seconds=left,
                    )
                asked_at = self._clock()
                yield

        def read(answer: Answer) -> tuple[object, datetime]:
            self._note_limits(answer)
            if (error := error_of(answer)) is not None:
                raise error
            theirs = header_time(answer.headers.get("date", ""))
            check_clock(theirs, now=self._clock(), source="Binance")
            return json_answer(answer), asked_at if theirs is None else min(asked_at, theirs)

        return await self._http.get(path, params, read, gate=turn)

    def _note_limits(self, answer: Answer) -> None:
        """Make no call for as long as Binance asks, or for a minute if the last minute's were near the limit."""
        pause = 0.0
        if answer.status in (_TOO_MANY, _BANNED):
            asked = retry_after_seconds(answer.headers, now=self._clock())
            pause = _MINUTE_SECONDS if asked is None else asked
        if (whole(answer.headers.get(_WEIGHT_HEADER, "")) or 0) >= WEIGHT_A_MINUTE * _MAX_SHARE:
            pause = max(pause, _MINUTE_SECONDS)
        if pause:
            self._closed_until = max(self._closed_until, time.monotonic() + pause)


def error_of(answer: Answer) -> EtlError | None:
    """The error that an answer's status means; None for success."""
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
            next_step=f"try again later; if it persists, {_ANOTHER_WAY}",
            retry_after_seconds=_MINUTE_SECONDS,
            most_tries=2,
            status=status,
        )
    code, text = None, ""
    with suppress(EtlError):
        if isinstance(body := json_answer(answer), dict):
            code, text = whole(body.get("code")), one_line(str(body.get("msg", "")))
    said = f"HTTP {status}{'' if code is None else f', code {code}'}{f': {text}' if text else ''}"
    if may_pass(status) or status == _BANNED:
        limited = status in (_TOO_MANY, _BANNED)
        return SourceUnavailable(
            f"Binance: {'this address makes too many calls' if limited else 'it is overloaded or failing'} ({said})",
            next_step=f"try again later{'; let other programs behind this address call less' if limited else ''}",
            retry_after_seconds=_MINUTE_SECONDS if limited else None,
            status=status,
            code=code,
        )
    if code == UNKNOWN_PAIR:
        return SourceRejected("Binance has no such pair", next_step="see BINANCE_PAIRS", status=status, code=code)
    next_step = "check BINANCE_BASE_URL; if it is right, the API has changed"
    return SourceRejected(f"Binance refuses the request ({said})", next_step=next_step, status=status, code=code)


def _milliseconds(instant: datetime) -> int:
    return int(instant.timestamp()) * 1000
