"""How long a call is tried again, and what is logged of it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import stamina

from adapters._bases.errors import SourceUnavailable, StorageUnavailable
from adapters._bases.retry import RetryPolicy, wait_after


@pytest.fixture(autouse=True)
def _no_waits() -> Iterator[None]:
    stamina.set_testing(True, attempts=10**9)
    yield
    stamina.set_testing(False)


class Failing:
    """A call that fails a number of times before it succeeds; it counts its tries."""

    def __init__(self, times: int, error: Exception) -> None:
        self.times, self.error, self.tries = times, error, 0

    def __call__(self) -> str:
        self.tries += 1
        if self.tries <= self.times:
            raise self.error
        return "well"

    async def later(self) -> str:
        return self()


@pytest.mark.parametrize("ends", ["total", "deadline", "deadline that is over"])
def test_last_error_is_raised_when_the_time_is_over(ends: str) -> None:
    """After the policy's time, or at its deadline, whichever is first; a deadline that is over leaves one try."""
    deadline = {"total": None, "deadline": time.monotonic() + 0.55}.get(ends, time.monotonic() - 1)
    policy = RetryPolicy(attempts=None, total_seconds=0.55 if ends == "total" else 60, deadline=deadline)
    call, began = Failing(10**9, StorageUnavailable("down")), time.monotonic()
    with pytest.raises(StorageUnavailable, match="down"):
        policy.call(call)
    assert time.monotonic() - began < 30
    assert (call.tries == 1) == (ends == "deadline that is over")


@pytest.mark.parametrize("asked", [61.0, 3600.0])
def test_wait_beyond_the_end_is_not_begun(asked: float) -> None:
    """The other side asks for more patience than there is time for."""
    call = Failing(9, SourceUnavailable("busy", retry_after_seconds=asked))
    with pytest.raises(SourceUnavailable):
        RetryPolicy(attempts=None, total_seconds=60).call(call)
    assert call.tries == 1


@pytest.mark.parametrize(("tries", "wait"), [(1, 0.5), (2, 1), (7, 32), (8, 60), (1200, 60)])
def test_waits_double_up_to_a_minute(tries: int, wait: float) -> None:
    assert wait <= wait_after(tries) <= min(wait + 1, 60)
