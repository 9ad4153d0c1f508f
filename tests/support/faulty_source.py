"""The stand-in with a memory of what it was asked, and with faults waiting for the requests that they will spoil."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sandbox.coin_market_cap import KEY_HEADER, KEYLESS_PREFIX, StandIn, refusal, seconds_of
from sandbox.market import iso
from sandbox.server import Answer


@dataclass(frozen=True)
class Fault:
    """One way to spoil an answer.

    Attributes:
        name: what it is, for reading.
        alter: makes the spoilt answer from the honest one and the aware time of the request.
        reached: set once a request hangs in it (hang and slow drip only).
        released: set to let such a request go on.
    """

    name: str
    alter: Callable[[Answer, datetime], Answer]
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        """Lets requests that hang in it go on; idempotent."""
        self.released.set()


@dataclass(eq=False)
class _Waiting:
    fault: Fault
    path: str
    left: int


class FaultQueue:
    """Faults by order of arrival; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._taken: list[Fault] = []

    def push(self, fault: Fault, *, path: str = "", times: int = 1) -> Fault:
        """Spoils the next requests.

        Args:
            fault: what happens to them.
            path: only to requests whose path ends with it, such as ``/quotes/latest``; empty matches all.
            times: how many requests.

        Returns:
            The fault, so that it can be released later.
        """
        with self._lock:
            self._waiting.append(_Waiting(fault, path, times))
        return fault

    def take(self, path: str) -> Fault | None:
        """The oldest fault that matches, which is used up by this; None if there is none."""
        with self._lock:
            for waiting in self._waiting:
                if path.endswith(waiting.path):
                    waiting.left -= 1
                    if waiting.left == 0:
                        self._waiting.remove(waiting)
                    self._taken.append(waiting.fault)
                    return waiting.fault
        return None

    def clear(self) -> None:
        """Forgets the faults that no request has met yet."""
        with self._lock:
            self._waiting.clear()

    @property
    def left(self) -> int:
        """How many requests are still to be spoilt."""
        with self._lock:
            return sum(waiting.left for waiting in self._waiting)

    def release(self) -> None:
        """Lets every request go on that hangs, or that would hang in a fault pushed so far."""
        with self._lock:
            faults = self._taken + [waiting.fault for waiting in self._waiting]
        for fault in faults:
            fault.release()


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


class FaultySource(StandIn):
    """A CoinMarketCap with a plan, whose answers tests can spoil: ``source.faults.push(faults.null_price(1))``.

    On exit hung requests are released.

    Attributes:
        faults: what the next requests will meet.
        requests: every request so far, in order of arrival.

    Args:
        months_of_history: how far back the plan reaches.
        others: as of `StandIn`.
    """

    def __init__(
        self,
        *,
        requests_per_minute: int = 50,
        credits_monthly: int = 15_000,
        months_of_history: int = 1,
        **others: Any,
    ) -> None:
        super().__init__(**others)
        self.requests_per_minute = requests_per_minute
        self.credits_monthly = credits_monthly
        self.faults = FaultQueue()
        self.requests: list[RecordedRequest] = []
        self._months_of_history = months_of_history

    def __exit__(self, *error: object) -> None:
        self.faults.release()
        super().__exit__(*error)

    def answer(self, target: str, headers: Mapping[str, str], now: datetime) -> Answer:
        """The plan's answer, or the fault that is queued for it; the request is recorded."""
        url = urlsplit(target)
        name = KEY_HEADER.lower()
        request = RecordedRequest(
            path=url.path,
            parameters=dict(parse_qsl(url.query, keep_blank_values=True)),
            headers={header: value for header, value in headers.items() if header != name},
            sent_key=name in headers,
            at=now,
        )
        self.requests.append(request)
        answer = self._refusal(request, headers.get(name), now)
        if answer is None:
            answer = super().answer(target, headers, now)
            if answer.credits > self.credits_monthly - self.credits_used:
                answer = refusal(429, 1010, "You've exceeded your API Key's monthly rate limit.", now)
        fault = self.faults.take(url.path)
        return answer if fault is None else fault.alter(answer, now)

    def _refusal(self, request: RecordedRequest, key: str | None, now: datetime) -> Answer | None:
        if key != self.key and not request.path.startswith(KEYLESS_PREFIX):
            return refusal(401, 1001, "This API Key is invalid.", now)
        asked = request.parameters
        reach = _months_before(now, self._months_of_history).timestamp()
        if "time_start" in asked and seconds_of(asked["time_start"]) < reach:
            months = f"{self._months_of_history} month{'s' if self._months_of_history > 1 else ''}"
            allowed = f"Your plan allows {months} of historical access"
            return refusal(400, 400, f"{allowed}, choose a startDate that is newer than {iso(reach)}", now)
        if asked.get("skip_invalid") == "false" and int(asked["id"]) not in self.market.by_id:
            return refusal(400, 400, f'Invalid value for "id": "{asked["id"]}"', now)
        return None


def _months_before(now: datetime, months: int) -> datetime:
    """The same day and time, calendar months before; `now` is on one of the first 28 days of its month."""
    number = now.year * 12 + now.month - 1 - months
    return now.replace(year=number // 12, month=number % 12 + 1)
