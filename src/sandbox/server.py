"""The stand-in itself: the simulated source on a loopback port, over real HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import format_datetime
from types import TracebackType
from urllib.parse import parse_qsl, urlsplit

from sandbox.account import Account
from sandbox.answer import Answer
from sandbox.api_error import ApiError
from sandbox.coins import listed_coins
from sandbox.endpoints import KEYLESS_PATHS, KEYLESS_PREFIX, Endpoints, envelope, refusal
from sandbox.fault_queue import FaultQueue
from sandbox.http_front import HttpFront
from sandbox.market import Market
from sandbox.quote_times import HoleRule, holes_of

KEY_HEADER = "X-CMC_PRO_API_KEY"
MADE_UP_KEY = "00000000-5a5a-4b4b-8c8c-5ad5ad5ad5ad"
"""The key that a stand-in lets in unless it is given another; it opens nothing else."""

_NOT_FOUND = Answer(404, {"statusCode": 404, "error": "Not Found", "message": "Not Found"})


@dataclass(frozen=True)
class RecordedRequest:
    """A request as it came in.

    Attributes:
        path: without the query, with the keyless prefix if it had one.
        parameters: of the query, decoded.
        headers: names in lower case, without the key.
        sent_key: whether the key's header was there, with whatever value.
        at: aware, by the stand-in's clock.
    """

    path: str
    parameters: dict[str, str]
    headers: dict[str, str]
    sent_key: bool
    at: datetime


class StandIn:
    """A local CoinMarketCap: v3 quotes (latest, historical), map, key info, and the keyless prefix.

    A context manager: serving starts on entry and ends on exit, when hung requests are let go and connections closed.

    Args:
        clock: gives an aware instant; all that is served follows it.
        key: the only key let in.
        requests_per_minute: the plan's limit for each calendar minute.
        credits_monthly: the plan's credits.
        months_of_history: how far back intraday history goes.
        update_every_seconds: how often prices change.
        extra_coins: how many generated coins to list, symbols from ``C0001``, ids from `coins.FIRST_EXTRA_ID`.
        holes: historical quotes that are missing: (coin id, aware start of an hour) pairs, or a rule.
        port: of 127.0.0.1; 0 takes a free one.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        key: str = MADE_UP_KEY,
        requests_per_minute: int = 50,
        credits_monthly: int = 15_000,
        months_of_history: int = 1,
        update_every_seconds: float = 60,
        extra_coins: int = 0,
        holes: Collection[tuple[int, datetime]] | HoleRule = (),
        port: int = 0,
    ) -> None:
        self.key = key
        self.market = Market(listed_coins(extra_coins=extra_coins), update_every_seconds=update_every_seconds)
        self.faults = FaultQueue()
        self.requests: list[RecordedRequest] = []
        self._clock = clock
        self._account = Account(
            key=key,
            requests_per_minute=requests_per_minute,
            credits_monthly=credits_monthly,
            months_of_history=months_of_history,
        )
        self._endpoints = Endpoints(market=self.market, account=self._account, is_hole=holes_of(holes))
        self._server = HttpFront(port=port, answer=self.answer, date=self.date)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> StandIn:
        """Starts serving."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops serving; returns when every handler has ended."""
        self._server.shutdown()
        self._thread.join()
        self.faults.release()
        self._server.close_connections()
        self._server.server_close()

    @property
    def base_url(self) -> str:
        """The address in place of ``https://pro-api.coinmarketcap.com``, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def credits_used(self) -> int:
        """All credits charged so far."""
        return self._account.credits_used

    def served_price(self, coin_id: int, instant: datetime) -> float | None:
        """The very price served for a coin at an aware instant, by quotes/latest and historical alike.

        None for a coin without a price. Holes are not looked at: a quote that is missing has no served price.

        Raises:
            KeyError: no such coin.
        """
        return self.market.price(coin_id, instant)

    def answer(self, target: str, headers: dict[str, str]) -> Answer:
        """The answer to a GET of `target` (path and query), faults applied; it is recorded, counted and charged.

        Args:
            target: as on the request line.
            headers: names in lower case.
        """
        now = self._clock().astimezone(timezone.utc)
        url = urlsplit(target)
        self.requests.append(_recorded(url.path, url.query, headers, now))
        answer = self._honest(url.path, url.query, headers.get(KEY_HEADER.lower()), now)
        fault = self.faults.take(url.path)
        if fault is not None:
            answer = fault.alter(answer, now)
        if not url.path.startswith(KEYLESS_PREFIX):
            self._account.charge(answer.credits, now=now)
        return answer

    def date(self) -> str:
        """The stand-in's time as the Date header."""
        return format_datetime(self._clock().astimezone(timezone.utc), usegmt=True)

    def _honest(self, path: str, query: str, key: str | None, now: datetime) -> Answer:
        keyless = path.startswith(KEYLESS_PREFIX + "/")
        endpoint = path.removeprefix(KEYLESS_PREFIX) if keyless else path
        if not self._endpoints.knows(endpoint) or (keyless and endpoint not in KEYLESS_PATHS):
            return _NOT_FOUND
        try:
            self._account.admit(key, keyless=keyless, now=now)
            result = self._endpoints.call(endpoint, query, now)
            if not keyless:
                self._account.check_credits(result.credits, now=now)
        except ApiError as error:
            return Answer(error.status, refusal(error, now))
        return Answer(200, envelope(result, now), credits=result.credits)


def _recorded(path: str, query: str, headers: dict[str, str], now: datetime) -> RecordedRequest:
    name = KEY_HEADER.lower()
    return RecordedRequest(
        path=path,
        parameters=dict(parse_qsl(query, keep_blank_values=True)),
        headers={header: value for header, value in headers.items() if header != name},
        sent_key=name in headers,
        at=now,
    )
