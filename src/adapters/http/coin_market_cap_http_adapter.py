"""CoinMarketCap's Pro API: paths, parameters, credits and the envelope around every answer.

Endpoints and parameters: CoinMarketCap's documentation and its official SDK 5.0.0. Coins are requested by id, which is
permanent, unlike symbols.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from typing import NamedTuple

import msgspec
from aiolimiter import AsyncLimiter

from adapters._bases.errors import ContractError, SourceRejected
from adapters._bases.http_adapter import Answer, HttpAdapter, check_clock, json_answer
from adapters._bases.json_values import json_value, one_line, standard_json, whole
from adapters.http.coin_market_cap_errors import error_of, read_envelope

KEY_HEADER = "X-CMC_PRO_API_KEY"
_KEYLESS_PREFIX = "/public-api"
_CHANGED = "check CMC_BASE_URL; if it is right, the API has changed"
_AT_A_TIME = 4
# The lowest limit of any plan on record; `key_info` replaces it by the plan's own.
_MODEST_CALLS_PER_MINUTE = 30
_MINUTE_SECONDS = 60.0
_BURST_SHARE = 5


def burst_and_period(calls_per_minute: int) -> tuple[int, float]:
    """A leaky bucket, (calls at once, seconds to drain them), for a limit of calls in any 60 seconds.

    A bucket of a whole minute's calls would pass them twice in one minute: once at once, once more as it drains. So a
    fifth may go at once and the other four fifths drain over the minute. A limit of 1 passes one call a minute.
    """
    burst = max(1, calls_per_minute // _BURST_SHARE)
    return burst, _MINUTE_SECONDS * burst / max(calls_per_minute - burst, 1)


class CallGate:
    """Passes a number of callers at a time and a number a minute."""

    def __init__(self, *, at_a_time: int, calls_per_minute: int) -> None:
        self._in_flight = asyncio.Semaphore(at_a_time)
        self.set_calls_per_minute(calls_per_minute)

    def set_calls_per_minute(self, calls_per_minute: int) -> None:
        """Change the number a minute, except for callers who are already waiting."""
        self._limiter = AsyncLimiter(*burst_and_period(calls_per_minute))

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        """Wait for a turn, then hold one of the places until left."""
        async with self._in_flight:
            await self._limiter.acquire()
            yield


class _Body(msgspec.Struct):
    status: object = None
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_BODY = msgspec.json.Decoder(_Body)


def read_body(answer: Answer) -> tuple[object, bytes | None]:
    """The status block of an answer, and the JSON text of its data, whose coins can then be decoded one by one.

    Raises:
        SourceUnavailable, SourceRejected: the body is not JSON: see `json_answer`.
    """
    try:
        body = _BODY.decode(answer.content)
    except (ValueError, RecursionError):
        # A literal such as NaN, half a character, a byte order mark; or no JSON at all, or not an object.
        if not isinstance(json_answer(answer), dict):
            return None, None
        body = _BODY.decode(standard_json(answer.content))
    return body.status, None if body.data is msgspec.UNSET else bytes(body.data)


class KeyInfo(NamedTuple):
    """A key's plan and what is left of it; None for what CoinMarketCap does not say."""

    credit_limit_monthly: int | None
    # That can be spent now: the month's, or the day's if the plan has a smaller daily limit; 0 if they are overdrawn.
    credits_left: int | None
    requests_per_minute: int | None
    reset: str | None  # in CoinMarketCap's words, such as In 8 days, 11 hours


def parse_key_info(data: object) -> KeyInfo:
    """The content of ``data`` of ``/v1/key/info``.

    Raises:
        ContractError: the plan or the usage is missing.
    """
    parts = data if isinstance(data, dict) else {}
    plan, usage = parts.get("plan"), parts.get("usage")
    if not isinstance(plan, dict) or not isinstance(usage, dict):
        raise ContractError(
            "CoinMarketCap's /v1/key/info answered without data.plan or data.usage",
            next_step=_CHANGED,
        )
    day, month = (_number(usage.get(span), "credits_left") for span in ("current_day", "current_month"))
    # A plan without a daily limit may have zeros there, which say nothing of what can be spent.
    left = [month] if _number(plan, "credit_limit_daily") == 0 else [day, month]
    monthly, minute = _number(plan, "credit_limit_monthly"), _number(plan, "rate_limit_minute")
    reset = plan.get("credit_limit_monthly_reset")
    return KeyInfo(
        credit_limit_monthly=monthly if monthly is not None and monthly >= 0 else None,
        credits_left=min((max(number, 0) for number in left if number is not None), default=None),
        requests_per_minute=minute if minute is not None and minute > 0 else None,
        reset=one_line(reset) if isinstance(reset, str) else None,
    )


def _number(part: object, key: str) -> int | None:
    value = part.get(key) if isinstance(part, dict) else None
    return None if isinstance(value, bool) else whole(value)


class CoinMarketCapHttpAdapter:
    """Reading calls of CoinMarketCap, a few at a time and within the plan's minute limit.

    Every method may raise `SourceUnavailable` (after the retry policy's tries), `SourceRejected`, `ContractError` or
    `ClockError`; `SourceRejected` also for what requires a key.

    Args:
        http: with CoinMarketCap's host as its base URL, and the key, if there is one, in the header `KEY_HEADER`.
        clock: the present moment, aware; compared with that of every good answer.
        keyless: use the public API, which has the latest quotes and the map only.

    Attributes:
        credits_used: so far by CoinMarketCap's own count (``status.credit_count``).
    """

    def __init__(self, *, http: HttpAdapter, clock: Callable[[], datetime], keyless: bool) -> None:
        self._http = http
        self._clock = clock
        self._keyless = keyless
        self._gate = CallGate(at_a_time=_AT_A_TIME, calls_per_minute=_MODEST_CALLS_PER_MINUTE)
        self.credits_used = 0

    async def latest(self, ids: Sequence[int], *, convert: str = "USD") -> bytes:
        """The JSON text of ``data`` of the latest quotes, for 1 credit for each 250 coins begun.

        CoinMarketCap silently omits unknown ids from the answer.
        """
        params = {"id": _joined(ids), "convert": convert, "skip_invalid": "true"}
        return await self._data("/v3/cryptocurrency/quotes/latest", params)

    async def historical(
        self, ids: Sequence[int], *, time_start: datetime, time_end: datetime, count: int, convert: str = "USD"
    ) -> bytes:
        """The JSON text of ``data`` of half-hourly past quotes, for 1 credit for each 100 points begun.

        Args:
            time_start: aware, exclusive: the first point is half an hour later.
            time_end: aware, inclusive.
            count: points to return at most, all coins together, 1 to 10,000. The documentation does not say whether
                it counts for each coin or in all, and its default of 10 would truncate any answer.
        """
        span = {"time_start": _stamp(time_start), "time_end": _stamp(time_end), "count": str(count), "interval": "30m"}
        params = {"id": _joined(ids), **span, "convert": convert, "skip_invalid": "true"}
        return await self._data("/v3/cryptocurrency/quotes/historical", params, needs_key="past prices")

    async def key_info(self) -> KeyInfo:
        """The key's plan and what is left of it, free of charge. Later calls keep to its minute limit."""
        info = parse_key_info(json_value(await self._data("/v1/key/info", {}, needs_key="the plan and its credits")))
        if info.requests_per_minute:
            self._gate.set_calls_per_minute(info.requests_per_minute)
        return info

    async def coin_map(self, symbols: Sequence[str]) -> object:
        """``data`` of the map, free of charge: every coin that has one of these symbols, several for most.

        Raises:
            SourceRejected: code 400 if one of the symbols is unknown.
        """
        return json_value(await self._data("/v1/cryptocurrency/map", {"symbol": ",".join(symbols)}))

    async def _data(self, path: str, params: Mapping[str, str], *, needs_key: str = "") -> bytes:
        if self._keyless and needs_key:
            raise SourceRejected(
                f"CoinMarketCap gives {needs_key} only with an API key, and none is set",
                next_step="set CMC_API_KEY in .env: a free key comes from https://coinmarketcap.com/api/",
            )
        path = f"{_KEYLESS_PREFIX}{path}" if self._keyless else path
        return await self._http.get(path, params, self._read, gate=self._gate.passing)

    def _read(self, answer: Answer) -> bytes:
        status, data = read_body(answer)
        envelope = read_envelope(answer.status, status)
        self.credits_used += envelope.credits_used
        safe = envelope._replace(text=self._http.redact(envelope.text))
        error = error_of(safe, now=self._clock(), keyless=self._keyless)
        if error is not None:
            raise error
        check_clock(envelope.timestamp, now=self._clock(), source="CoinMarketCap")
        if data is None:
            message = f"{answer.where}: CoinMarketCap answered with success but without data"
            raise ContractError(message, next_step=_CHANGED)
        return data


def _joined(ids: Sequence[int]) -> str:
    return ",".join(str(cmc_id) for cmc_id in ids)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
