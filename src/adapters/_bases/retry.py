"""The one retry policy: what is tried again, how often and how long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import stamina
import structlog
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from adapters._bases.errors import RetryableError

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class RetryPolicy:
    """How a call that failed with a `RetryableError` is retried. Every other error passes at once.

    Waits grow as ``wait_initial_seconds * 2 ** (attempt - 1)`` plus up to ``wait_jitter_seconds`` at random, capped at
    ``wait_max_seconds``; an error's own ``retry_after_seconds`` takes the place of that wait. When the policy gives up
    the last error comes out unchanged.

    Attributes:
        attempts: tries in all, the first one counted.
        total_seconds: once this much has passed since the first try, a failure is final; so is one whose
            ``retry_after_seconds`` is longer than this.
        wait_initial_seconds: the first wait, without its jitter.
        wait_max_seconds: the longest wait that the policy chooses by itself.
        wait_jitter_seconds: the most random time added to a wait.
    """

    attempts: int = 5
    total_seconds: float = 300.0
    wait_initial_seconds: float = 0.5
    wait_max_seconds: float = 20.0
    wait_jitter_seconds: float = 1.0

    def call(self, function: Callable[[], T]) -> T:
        """What ``function()`` returns, tried as the policy says."""
        return stamina.RetryingCaller(**self._limits())(self._wait_for, function)

    async def acall(self, function: Callable[[], Awaitable[T]]) -> T:
        """What ``await function()`` returns, tried as the policy says."""
        return await stamina.AsyncRetryingCaller(**self._limits())(self._wait_for, function)

    def _limits(self) -> dict[str, Any]:
        return {
            "attempts": self.attempts,
            "timeout": self.total_seconds,
            "wait_initial": self.wait_initial_seconds,
            "wait_max": self.wait_max_seconds,
            "wait_jitter": self.wait_jitter_seconds,
        }

    def _wait_for(self, error: Exception) -> bool | float:
        """Whether to retry: False, True after the policy's own wait, or the seconds that the error asks for."""
        if not isinstance(error, RetryableError):
            return False
        if error.retry_after_seconds is None:
            return True
        return error.retry_after_seconds if error.retry_after_seconds <= self.total_seconds else False


def log_retries() -> None:
    """Log each retry of this process from now on, in one line. Idempotent."""
    set_on_retry_hooks([_log_retry])


def _log_retry(details: RetryDetails) -> None:
    wait = f"{details.wait_for:.1f} s"
    log.warning("failed, will be tried again", reason=str(details.caused_by), tries=details.retry_num, wait=wait)
