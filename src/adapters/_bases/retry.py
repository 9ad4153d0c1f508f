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
    wait_initial_seconds: float = 0.5  # without jitter
    wait_max_seconds: float = 60.0  # of the waits that the policy chooses by itself
    wait_jitter_seconds: float = 1.0  # the most random time added to a wait

    def call(self, function: Callable[[], T]) -> T:
        """The result of ``function()``, retried."""
        tries = _Tries(self)
        return stamina.RetryingCaller(attempts=None, timeout=None)(tries.wait_for, tries.begin, function)

    async def acall(self, function: Callable[[], Awaitable[T]]) -> T:
        """The awaited result of ``function()``, retried."""
        tries = _Tries(self)
        return await stamina.AsyncRetryingCaller(attempts=None, timeout=None)(tries.wait_for, tries.begin, function)

    def wait_after(self, tries: int) -> float:
        """The wait after a number of failed tries, in seconds."""
        # Bounded: two to the thousandth is not a float.
        grown = self.wait_initial_seconds * 2.0 ** min(tries - 1, 30)
        return min(grown + random.uniform(0, self.wait_jitter_seconds), self.wait_max_seconds)  # noqa: S311


class _Tries:
    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._began = time.monotonic()
        self._end = min(self._began + policy.total_seconds, math.inf if policy.deadline is None else policy.deadline)
        self._number = 0
        self._log_from = -math.inf

    def begin(self, function: Callable[[], T]) -> T:
        self._number += 1
        self._began = time.monotonic()
        return function()

    def wait_for(self, error: Exception) -> bool | float:
        """The seconds to wait before the next try; False if there is none."""
        if not isinstance(error, RetryableError) or self._number in (self._policy.attempts, error.most_tries):
            return False
        now = time.monotonic()
        left = self._end - now - (now - self._began)  # less the time that the next try will probably take
        least = error.retry_after_seconds or 0.0
        if left <= 0 or left < max(least, self._policy.wait_initial_seconds):
            return False
        wait = min(max(self._policy.wait_after(self._number), least), left)
        if now >= self._log_from:
            self._log_from = now + _LOG_EVERY_SECONDS
            log.warning("retry scheduled", reason=error.message, tries=self._number, wait=f"{wait:.1f} s")
        return wait
