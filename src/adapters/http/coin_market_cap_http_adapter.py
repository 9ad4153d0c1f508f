"""CoinMarketCap's Pro API: paths, parameters, credits and the envelope around every answer.

Endpoints and parameters: CoinMarketCap's documentation and its official SDK 5.0.0. Coins are requested by id, which is
permanent, unlike symbols.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import NamedTuple

from adapters._bases.errors import ContractError, SourceRejected, SourceUnavailable
from adapters._bases.http_adapter import Answer, HttpAdapter, json_answer, minute_limiter
from adapters._bases.json_values import instant, whole
from adapters._bases.tehran_time import hour_start, tehran_text
from adapters._bases.wording import one_line
from adapters.http.coin_market_cap_errors import USE_A_KEY, error_of, is_beyond_reach

KEY_HEADER = "X-CMC_PRO_API_KEY"
# Of every requested price.
CURRENCY = "USD"
_KEYLESS_PREFIX = "/public-api"
_NO_COIN = 2**31 - 1
_CHANGED = "check CMC_BASE_URL; if it is right, the API has changed"
# The lowest limit of any plan on record; `key_info` replaces it by the plan's own.
_MODEST_CALLS_PER_MINUTE = 30


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
        self._http = http
        self._clock = clock
        self._keyless = keyless
        self._limiter = minute_limiter(_MODEST_CALLS_PER_MINUTE)
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
            self._limiter = minute_limiter(minute)
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
        read = partial(self._read, of_this_hour=of_this_hour)
        return await self._http.get(path, params, read, gate=lambda: self._limiter)

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
        if self._http.is_old(answer, made, source="CoinMarketCap") and of_this_hour and made and made < hour_start(now):
            message = f"CoinMarketCap: the answer is of {tehran_text(made)} in Tehran, so it comes from a cache"
            raise SourceUnavailable(message, next_step="try again later; check the proxy and CMC_BASE_URL")
        if "data" not in fields:
            message = f"{answer.where}: CoinMarketCap answered with success but without data"
            raise ContractError(message, next_step=_CHANGED)
        return fields["data"]
