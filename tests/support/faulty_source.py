"""The stand-in with a memory of its requests, and with faults queued for the next answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from sandbox.coin_market_cap import KEY_HEADER, KEYLESS_PREFIX, JsonObject, Parameters, StandIn, refusal, seconds_of
from sandbox.market import ListedCoin, Market, iso
from sandbox.server import Answer
from tests.support.eventually import PATIENCE_SECONDS


@dataclass(frozen=True)
class Fault:
    name: str
    alter: Callable[[Answer, datetime], Answer]  # from the honest one, and the aware time of the request
    reached: threading.Event = field(default_factory=threading.Event)  # set once a request hangs in it
    released: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        self.released.set()

    def wait(self) -> None:
        assert self.reached.wait(PATIENCE_SECONDS)


class FaultQueue:
    """Faults in the order of arrival; each is used once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queued: list[tuple[Fault, str]] = []
        self._pushed: list[Fault] = []

    def push(self, fault: Fault, *, path: str = "", times: int = 1) -> Fault:
        """Spoil the next requests whose path ends with ``path``; return the fault, to be released later."""
        with self._lock:
            self._queued += [(fault, path)] * times
            self._pushed.append(fault)
        return fault

    def take(self, path: str) -> Fault | None:
        with self._lock:
            found = next((queued for queued in self._queued if path.endswith(queued[1])), None)
            if found is None:
                return None
            self._queued.remove(found)
            return found[0]

    def clear(self) -> None:
        with self._lock:
            self._queued.clear()

    def release(self) -> None:
        """Let every request go on that hangs, or that would hang in a fault pushed so far."""
        for fault in self._pushed:
            fault.release()


class RecordedRequest(NamedTuple):
    path: str  # with the keyless prefix if it had one
    parameters: dict[str, str]
    at: datetime  # aware, by the stand-in's clock


class FaultySource(StandIn):
    """A CoinMarketCap with a plan, whose answers tests can spoil: ``source.faults.push(faults.left_out(1))``.

    On exit hung requests are released.

    Args:
        months_of_history: how far back the plan reaches.
        is_hole: whether a coin (by id) has no historical quote at an aware instant in UTC.
    """

    requests_per_minute = 1_000_000

    def __init__(
        self,
        *,
        credits_monthly: int = 15_000,
        months_of_history: int = 1,
        is_hole: Callable[[int, datetime], bool] = lambda _coin_id, _instant: False,
        clock: Callable[[], datetime],
    ) -> None:
        super().__init__(Market(), clock=clock)
        self.credits_left, self.credits_used = credits_monthly, 0
        self.faults = FaultQueue()
        self.requests: list[RecordedRequest] = []
        self.rank_of: Callable[[ListedCoin, datetime], int] = lambda coin, _now: coin.rank
        self.first_quotes: dict[int, str] = {}  # when the history of a coin (by id) began, if the map says so
        self.endpoints["/v3/cryptocurrency/listings/latest"] = self._listings
        self._months_of_history, self._is_hole = months_of_history, is_hole
        self._lock = threading.Lock()

    def __enter__(self) -> FaultySource:
        super().__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.faults.release()
        super().__exit__(*error)

    def answer(self, target: str, headers: Mapping[str, str]) -> Answer:
        url, now = urlsplit(target), self.now()
        request = RecordedRequest(url.path, dict(parse_qsl(url.query, keep_blank_values=True)), now)
        self.requests.append(request)
        answer = self._refusal(request, headers.get(KEY_HEADER.lower()))
        if answer is None:
            answer = super().answer(target, headers)
            for row in answer.document.get("data", ()) if url.path.endswith("/map") else ():
                row["first_historical_data"] = self.first_quotes.get(row["id"])
            if _cost(answer) > self.credits_left:
                answer = refusal(429, 1010, "You've exceeded your API Key's monthly rate limit.", now)
        fault = self.faults.take(url.path)
        answer = answer if fault is None else fault.alter(answer, now)
        with self._lock:
            self.credits_used += _cost(answer)
            self.credits_left -= _cost(answer)
        return answer

    def past_quotes(self, coin: ListedCoin, steps: list[float], now: datetime) -> list[JsonObject]:
        quotes = super().past_quotes(coin, steps, now)
        at = [datetime.fromtimestamp(seconds_of(quote["timestamp"]), timezone.utc) for quote in quotes]
        return [quote for quote, instant in zip(quotes, at, strict=True) if not self._is_hole(coin.id, instant)]

    def _listings(self, asked: Parameters, now: datetime) -> Answer:
        coins = [coin._replace(rank=self.rank_of(coin, now)) for coin in self.market.coins]
        return self.priced(sorted(coins, key=lambda coin: coin.rank)[: int(asked["limit"])], now)

    def _refusal(self, request: RecordedRequest, key: str | None) -> Answer | None:
        if key != self.key and not request.path.startswith(KEYLESS_PREFIX):
            return refusal(401, 1001, "This API Key is invalid.", request.at)
        # Calendar months before; `at` is on one of the first 28 days of its month.
        number = request.at.year * 12 + request.at.month - 1 - self._months_of_history
        reach = request.at.replace(year=number // 12, month=number % 12 + 1).timestamp()
        if "time_start" in request.parameters and seconds_of(request.parameters["time_start"]) < reach:
            months = f"{self._months_of_history} month{'s' if self._months_of_history > 1 else ''}"
            allowed = f"Your plan allows {months} of historical access"
            return refusal(400, 400, f"{allowed}, choose a startDate that is newer than {iso(reach)}", request.at)
        if request.parameters.get("skip_invalid") == "false":  # requested only for a coin that does not exist
            return refusal(400, 400, f'Invalid value for "id": "{request.parameters["id"]}"', request.at)
        return None


def _cost(answer: Answer) -> int:
    status = answer.document.get("status")
    return status.get("credit_count", 0) if isinstance(status, dict) else 0
