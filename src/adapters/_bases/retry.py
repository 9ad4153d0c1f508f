"""The one retry policy: what is tried again, how often and how long."""

from __future__ import annotations

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
# Each try is logged here, in our words, whichever process makes it.
set_on_retry_hooks(())


@dataclass(frozen=True)
class RetryPolicy:
    """How a call that failed with a `RetryableError` is retried. Every other error passes at once.

    Waits grow as ``wait_initial_seconds * 2 ** (try - 1)`` plus up to ``wait_jitter_seconds`` at random, capped at
    ``wait_max_seconds``; none is shorter than an error's own ``retry_after_seconds``. The last wait is cut so that one
    more try, if it takes as long as the one before, is through in time. When the policy gives up the last error comes
    out unchanged.

    Attributes:
        attempts: tries in all, the first one counted; None for as many as the time allows.
        total_seconds: once this much has passed since the first try, a failure is final; so is one whose
            ``retry_after_seconds`` goes beyond that.
        deadline: a moment of `time.monotonic` that ends the tries of every call, whenever it began; None for none.
        wait_initial_seconds: the first wait, without its jitter.
        wait_max_seconds: the longest wait that the policy chooses by itself.
        wait_jitter_seconds: the most random time added to a wait.
    """

    attempts: int | None = 5
    total_seconds: float = 300.0
    deadline: float | None = None
    wait_initial_seconds: float = 0.5
    wait_max_seconds: float = 60.0
    wait_jitter_seconds: float = 1.0

    def call(self, function: Callable[[], T]) -> T:
        """What ``function()`` returns, tried as the policy says."""
        tries = _Tries(self)
        return stamina.RetryingCaller(attempts=None, timeout=None)(tries.wait_for, tries.begin, function)

    async def acall(self, function: Callable[[], Awaitable[T]]) -> T:
        """What ``await function()`` returns, tried as the policy says."""
        tries = _Tries(self)
        return await stamina.AsyncRetryingCaller(attempts=None, timeout=None)(tries.wait_for, tries.begin, function)


class _Tries:
    """The tries of one call."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        now = time.monotonic()
        self._end = now + policy.total_seconds
        if policy.deadline is not None:
            self._end = min(self._end, policy.deadline)
        self._number = 0
        self._began = now
        self._logged: float | None = None

    def begin(self, function: Callable[[], T]) -> T:
        self._number += 1
        self._began = time.monotonic()
        return function()

    def wait_for(self, error: Exception) -> bool | float:
        """The seconds to wait before the next try; False where there is none."""
        if not isinstance(error, RetryableError) or self._number in (self._policy.attempts, error.most_tries):
            return False
        now = time.monotonic()
        left = self._end - now - (now - self._began)
        least, wait = error.retry_after_seconds or 0.0, self._own_wait()
        if left <= 0 or left < max(least, self._policy.wait_initial_seconds):
            return False
        wait = min(max(wait, least), left)
        self._log(error, wait, now)
        return wait

    def _own_wait(self) -> float:
        policy = self._policy
        # Bounded, for two to the thousandth is no float.
        grown = policy.wait_initial_seconds * 2.0 ** min(self._number - 1, 30)
        return min(grown + random.uniform(0, policy.wait_jitter_seconds), policy.wait_max_seconds)  # noqa: S311

    def _log(self, error: RetryableError, wait: float, now: float) -> None:
        """Log the first failure, and from then on one a minute."""
        if self._logged is None or now - self._logged >= _LOG_EVERY_SECONDS:
            self._logged = now
            log.warning("failed, will be tried again", reason=error.message, tries=self._number, wait=f"{wait:.1f} s")
