"""The retry policy: what is retried, how often and how long."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import stamina
import structlog
from stamina.instrumentation import set_on_retry_hooks

from adapters._bases.errors import RetryableError

T = TypeVar("T")

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS, _MOST_JITTER_SECONDS = 0.5, 60.0, 1.0
_LOG_EVERY_SECONDS = 60.0

log = structlog.get_logger(__name__)
# stamina's own log lines would repeat ours.
set_on_retry_hooks(())


@dataclass(frozen=True)
class RetryPolicy:
    """How a call that failed with a `RetryableError` is retried. Every other error passes at once.

    Waits double, with some random time added, and none is shorter than an error's own ``retry_after_seconds``. The last
    wait is cut so that one more try, if it takes as long as the previous one, ends in time. When the policy gives up,
    the last error is raised unchanged.
    """

    attempts: int | None = 5  # tries in all; None for as many as the time allows
    total_seconds: float = 300.0  # since the first try; a wait that the other side asks for must end within it too
    deadline: float | None = None  # of `time.monotonic`: ends the tries of every call, whenever it began

    def call(self, function: Callable[[], T]) -> T:
        return stamina.RetryingCaller(attempts=None, timeout=None)(self._waits(), function)

    async def acall(self, function: Callable[[], Awaitable[T]]) -> T:
        return await stamina.AsyncRetryingCaller(attempts=None, timeout=None)(self._waits(), function)

    def _waits(self) -> Callable[[Exception], bool | float]:
        """The seconds to wait after each error of a call that begins now; False if there is no other try."""
        tries, began, log_from = 0, time.monotonic(), -math.inf
        end = min(began + self.total_seconds, math.inf if self.deadline is None else self.deadline)

        def wait_for(error: Exception) -> bool | float:
            nonlocal tries, began, log_from
            tries += 1
            if not isinstance(error, RetryableError) or tries in (self.attempts, error.most_tries):
                return False
            now = time.monotonic()
            left = end - now - (now - began)  # less the time that the next try will probably take
            least = error.retry_after_seconds or 0.0
            if left <= 0 or left < max(least, _FIRST_WAIT_SECONDS):
                return False
            wait = min(max(wait_after(tries), least), left)
            began = now + wait
            if now >= log_from:
                log_from = now + _LOG_EVERY_SECONDS
                log.warning("retry scheduled", reason=error.message, tries=tries, wait=f"{wait:.1f} s")
            return wait

        return wait_for


def wait_after(tries: int) -> float:
    """The wait after a number of failed tries, in seconds."""
    # Bounded: two to the thousandth is not a float.
    grown = _FIRST_WAIT_SECONDS * 2.0 ** min(tries - 1, 30)
    return min(grown + random.uniform(0, _MOST_JITTER_SECONDS), _LONGEST_WAIT_SECONDS)  # noqa: S311
