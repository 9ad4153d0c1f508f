"""CoinMarketCap's Pro API: paths, parameters, credits, the envelope around every answer, and its error codes.

Endpoints and parameters: CoinMarketCap's documentation and its official SDK 5.0.0; codes and their meaning: its error
guide and that SDK's error models. Coins are requested by id, which is permanent, unlike symbols.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import partial
from http import HTTPStatus
from typing import NamedTuple

from adapters._bases.errors import ContractError, EtlError, SourceRejected, SourceUnavailable
from adapters._bases.http_adapter import Answer, HttpAdapter, failure, json_answer, may_pass, minute_limiter
from adapters._bases.json_values import instant, whole
from adapters._bases.tehran_time import hour_start, tehran_text
from adapters._bases.wording import one_line

KEY_HEADER = "X-CMC_PRO_API_KEY"
# Of every requested price.
CURRENCY = "USD"
_KEYLESS_PREFIX = "/public-api"
_NO_COIN = 2**31 - 1
_CHANGED = "check CMC_BASE_URL; if it is right, the API has changed"
# The lowest limit of any plan on record; `key_info` replaces it by the plan's own.
_MODEST_CALLS_PER_MINUTE = 30
_MINUTE_LIMIT = 1008

USE_A_KEY = "set CMC_API_KEY in .env: a free key comes from https://coinmarketcap.com/api/"
_CHECK_KEY = "check CMC_API_KEY against your account at https://pro.coinmarketcap.com/account"
_CHECK_PLAN = "look at your plan at https://pro.coinmarketcap.com/account/plan"

# What to do about a refusal, by CoinMarketCap's code, or by the HTTP status of its gateway, which has no codes.
_NEXT_STEPS = {
    1001: _CHECK_KEY,
    1002: USE_A_KEY,
    1003: f"pay or change the plan: {_CHECK_PLAN}",
    1004: f"renew the plan: {_CHECK_PLAN}",
    1005: USE_A_KEY,
    1006: f"a higher plan is needed: {_CHECK_PLAN}",
    1007: "ask CoinMarketCap's support why, or use another key in CMC_API_KEY",
    1009: f"the day's credits are used up: wait for the next UTC day, or use a higher plan: {_CHECK_PLAN}",
    1010: f"the month's credits are used up: wait for the plan's reset, or use a higher plan: {_CHECK_PLAN}",
    401: _CHECK_KEY,
    402: _CHECK_PLAN,
    403: f"{_CHECK_KEY}; the plan may not include this endpoint",
    404: "check CMC_BASE_URL",
}
# What to do about a limit, with the seconds to wait. A blocked address must stay away for long; the anonymous burst
# limit clears within about a minute, while its daily limit does not clear and only a key helps.
_LIMITS = {
    # After the turn of the minute, so that a clock slightly ahead of the source's does not ask too soon.
    _MINUTE_LIMIT: ("if another program uses this key, give it a key of its own", 61.0),
    1011: ("let other programs behind this address call less, and try again later", 60.0),
    1022: (USE_A_KEY, 20.0),
}
_BEYOND_REACH = "the requested hours are beyond the plan's reach"
_NEWER_THAN = re.compile(r"newer than (\d{4}-\d\d-\d\d(?:T[0-9:.]+(?:Z|[+-][0-9:]+)?)?)")


class KeyInfo(NamedTuple):
    """A key's plan and what is left of it; None for what CoinMarketCap does not say."""

    credit_limit_monthly: int | None
    credits_left: int | None  # that can be spent now: the month's, or the day's if fewer; 0 if overdrawn
    requests_per_minute: int | None
    reset: str | None  # in CoinMarketCap's words, such as In 8 days, 11 hours


class CoinMarketCapHttpAdapter:
    """Reading calls of CoinMarketCap, within the plan's minute limit; every method may raise `EtlError`.

    Args:
        http: with the key, if there is one, in the header `KEY_HEADER`.
        keyless: use the public API, which has the latest quotes and the map only.
    """

    def __init__(self, *, http: HttpAdapter, clock: Callable[[], datetime], keyless: bool) -> None:
        self._http, self._clock, self._keyless = http, clock, keyless
        http.limiter = minute_limiter(_MODEST_CALLS_PER_MINUTE)
        self.credits_used = 0  # by CoinMarketCap's own count, status.credit_count

    async def latest(self, ids: Sequence[int]) -> object:
        """``data`` of the latest quotes, without unknown ids, for 1 credit for each 250 coins begun."""
        params = {"id": ",".join(map(str, ids)), "convert": CURRENCY, "skip_invalid": "true"}
        return await self._data("/v3/cryptocurrency/quotes/latest", params, of_this_hour=True)

    async def listings(self, number: int) -> object:
        """``data`` of the coins with the highest market cap, for 1 credit for each 250 coins begun."""
        params = {"start": "1", "limit": str(number), "sort": "market_cap", "sort_dir": "desc", "convert": CURRENCY}
        return await self._data("/v3/cryptocurrency/listings/latest", params)

    async def historical(
        self, ids: Sequence[int], *, time_start: datetime, time_end: datetime, count: int, skip_invalid: bool = True
    ) -> object:
        """``data`` of half-hourly past quotes, for 1 credit for each 100 points begun.

        Args:
            time_start: aware, exclusive: the first point is half an hour later.
            time_end: aware, inclusive.
            count: points to return at most, 1 to 10,000. The documentation does not say whether it counts for each coin
                or in all, and its default of 10 would truncate any answer.
            skip_invalid: leave out unknown ids instead of refusing the request.
        """
        start, end = (moment.astimezone(timezone.utc) for moment in (time_start, time_end))
        params = {
            "id": ",".join(map(str, ids)),
            "time_start": f"{start:%Y-%m-%dT%H:%M:%SZ}",
            "time_end": f"{end:%Y-%m-%dT%H:%M:%SZ}",
            "count": str(count),
            "interval": "30m",
            "convert": CURRENCY,
            "skip_invalid": str(skip_invalid).lower(),
        }
        return await self._data("/v3/cryptocurrency/quotes/historical", params, needs_key="past prices")

    async def refusal_beyond_reach(self, since: datetime) -> SourceRejected | None:
        """The refusal of past quotes since a moment, aware, that the key's plan does not reach, else None."""
        # A coin that does not exist is refused in any case, and refusals cost nothing.
        end = since + timedelta(hours=1)
        try:
            await self.historical([_NO_COIN], time_start=since, time_end=end, count=1, skip_invalid=False)
        except SourceRejected as error:
            return error if is_beyond_reach(error) else None
        return None

    async def key_info(self) -> KeyInfo:
        """The key's plan and what is left of it, free of charge. Later calls keep to its minute limit."""
        data = await self._data("/v1/key/info", {}, needs_key="the plan and its credits")
        plan, usage = (data.get("plan"), data.get("usage")) if isinstance(data, dict) else (None, None)
        if not isinstance(plan, dict) or not isinstance(usage, dict):
            message = "CoinMarketCap's /v1/key/info answered without data.plan or data.usage"
            raise ContractError(message, next_step=_CHANGED)
        # A plan without a daily limit may have zeros there, which say nothing of what can be spent.
        spans = ["current_month"] if whole(plan.get("credit_limit_daily")) == 0 else ["current_day", "current_month"]
        left = [whole(usage[span].get("credits_left")) for span in spans if isinstance(usage.get(span), dict)]
        credits_left = min((max(number, 0) for number in left if number is not None), default=None)
        monthly, minute = whole(plan.get("credit_limit_monthly")), whole(plan.get("rate_limit_minute")) or 0
        reset = plan.get("credit_limit_monthly_reset")
        if minute > 0:
            self._http.limiter = minute_limiter(minute)
        reset = one_line(reset) if isinstance(reset, str) else None
        return KeyInfo(monthly, credits_left, max(0, minute) or None, reset)

    async def coin_map(self, symbols: Sequence[str]) -> object:
        """``data`` of the map, free of charge: every coin that has one of these symbols; code 400 if one is unknown."""
        return await self._data("/v1/cryptocurrency/map", {"symbol": ",".join(symbols)})

    async def _data(
        self, path: str, params: Mapping[str, str], *, needs_key: str = "", of_this_hour: bool = False
    ) -> object:
        if self._keyless and needs_key:
            message = f"CoinMarketCap gives {needs_key} only with an API key, and none is set"
            raise SourceRejected(message, next_step=USE_A_KEY)
        path = f"{_KEYLESS_PREFIX}{path}" if self._keyless else path
        return await self._http.get(path, params, partial(self._read, of_this_hour=of_this_hour))

    def _read(self, answer: Answer, *, of_this_hour: bool) -> object:
        body = json_answer(answer)
        fields = body if isinstance(body, dict) else {}
        block, now = fields.get("status"), self._clock()
        said = block if isinstance(block, dict) else {}
        # Keyless answers name a cost that is not charged.
        self.credits_used += 0 if self._keyless else max(whole(said.get("credit_count")) or 0, 0)
        text = self._http.redact(one_line(str(said.get("error_message") or "")))
        error = error_of(answer.status, whole(said.get("error_code")), text, now=now, keyless=self._keyless)
        if error is not None:
            raise error
        made = instant(str(said.get("timestamp")))
        if self._http.is_old(answer, made) and of_this_hour and made and made < hour_start(now):
            message = f"CoinMarketCap: the answer is of {tehran_text(made)} in Tehran, so it comes from a cache"
            raise SourceUnavailable(message, next_step="try again later; check the proxy and CMC_BASE_URL")
        if "data" not in fields:
            message = f"{answer.where}: CoinMarketCap answered with success but without data"
            raise ContractError(message, next_step=_CHANGED)
        return fields["data"]


def error_of(status: int, code: int | None, text: str, *, now: datetime, keyless: bool) -> EtlError | None:
    """The error that an answer means; None for success.

    Args:
        code: ``error_code``, 0 for success; None if it cannot be read.
        text: ``error_message`` as `one_line`, free of secrets.
        now: aware; the minute limit is waited for until the next minute.
        keyless: no key was sent, so a key is the remedy for limits.
    """
    if status == HTTPStatus.OK and code == 0:
        return None
    if status == HTTPStatus.OK and code is None:
        return ContractError(
            "CoinMarketCap answered without its status block, so success cannot be distinguished from failure",
            next_step="check CMC_BASE_URL; if it is right, the API has changed",
        )
    # On a 200 the code says what the status would have said.
    passes, wait = may_pass(code if status == HTTPStatus.OK and code else status), None
    later = USE_A_KEY if keyless else "try again later; https://status.coinmarketcap.com says more"
    refused = _NEXT_STEPS.get(code or 0) or _NEXT_STEPS.get(status, "check SYMBOLS and CMC_BASE_URL")
    if code in _LIMITS:
        passes, (later, wait) = True, _LIMITS[code]
        if code == _MINUTE_LIMIT:
            wait -= now.second + now.microsecond / 1e6
    elif code in _NEXT_STEPS:
        passes = False
    elif not passes and "historical access" in text:
        text = f"{_BEYOND_REACH}, nothing was charged: {text}"
        refused = f"request fewer hours, or use a higher plan: {_CHECK_PLAN}"
    return failure("CoinMarketCap", status, text, code=code, passes=passes, refused=refused, later=later, wait=wait)


def is_beyond_reach(error: SourceRejected) -> bool:
    """Whether the refusal is of hours that the key's plan does not reach."""
    return _BEYOND_REACH in error.message


def reach_of(error: SourceRejected) -> datetime | None:
    """The moment, aware, since which past hours are in the plan's reach; None if the refusal does not name it."""
    named = _NEWER_THAN.search(error.message) if is_beyond_reach(error) else None
    return None if named is None else instant(named[1] if "T" in named[1] else f"{named[1]}T00:00:00Z")
