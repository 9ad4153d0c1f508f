"""The stand-in itself: the simulated source on a loopback port, over real HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

from sandbox.account import Account
from sandbox.api_error import ApiError
from sandbox.endpoints import KEYLESS_PATHS, KEYLESS_PREFIX, Endpoints, envelope, refusal
from sandbox.http_front import Answer, Serving
from sandbox.market import Market, listed_coins
from sandbox.quote_times import HoleRule

KEY_HEADER = "X-CMC_PRO_API_KEY"

_NOT_FOUND = Answer(404, {"statusCode": 404, "error": "Not Found", "message": "Not Found"})


class StandIn(Serving):
    """A local CoinMarketCap with what the program uses: quotes by id, the map by symbol, and key info.

    Latest quotes and the map are served without a key too, under the keyless prefix. As a context manager it serves
    from entry to exit.

    Args:
        clock: gives an aware instant; everything served follows it.
        extra_coins: how many generated coins to list, symbols from ``C0001``, ids from `market.FIRST_EXTRA_ID`.
        is_hole: which historical quotes are missing.
        port: of 127.0.0.1; 0 for a free one.
    """

    key = "00000000-5a5a-4b4b-8c8c-5ad5ad5ad5ad"

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        requests_per_minute: int = 50,
        credits_monthly: int = 15_000,
        months_of_history: int = 1,
        update_every_seconds: float = 60,
        extra_coins: int = 0,
        is_hole: HoleRule = lambda _coin_id, _instant: False,
        port: int = 0,
    ) -> None:
        self.market = Market(listed_coins(extra_coins=extra_coins), update_every_seconds=update_every_seconds)
        self.account = Account(
            key=self.key,
            requests_per_minute=requests_per_minute,
            credits_monthly=credits_monthly,
            months_of_history=months_of_history,
        )
        self._endpoints = Endpoints(market=self.market, account=self.account, is_hole=is_hole)
        super().__init__(port=port, answer=self._serve, clock=clock)

    def answer(self, target: str, headers: dict[str, str], now: datetime) -> Answer:
        """The answer to a GET of path and query, which counts for the minute and month of `now`, in UTC.

        Args:
            headers: names in lower case.
        """
        url = urlsplit(target)
        keyless = url.path.startswith(KEYLESS_PREFIX + "/")
        endpoint = url.path.removeprefix(KEYLESS_PREFIX) if keyless else url.path
        if not self._endpoints.knows(endpoint) or (keyless and endpoint not in KEYLESS_PATHS):
            return _NOT_FOUND
        try:
            self.account.admit(headers.get(KEY_HEADER.lower()), keyless=keyless, now=now)
            result = self._endpoints.call(endpoint, url.query, now)
            if not keyless:
                self.account.check_credits(result.credits, now=now)
        except ApiError as error:
            return Answer(error.status, refusal(error, now))
        return Answer(200, envelope(result, now), credits=0 if keyless else result.credits)

    def _serve(self, target: str, headers: dict[str, str]) -> Answer:
        now = self.now()
        answer = self.answer(target, headers, now)
        self.account.charge(answer.credits, now=now)
        return answer
