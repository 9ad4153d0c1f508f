"""How many calls go out side by side, and how many a minute."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiolimiter import AsyncLimiter

_MINUTE_SECONDS = 60.0
_BURST_SHARE = 5


def burst_and_period(calls_per_minute: int) -> tuple[int, float]:
    """A leaky bucket, (calls at once, seconds to drain them), that passes no more than asked in any 60 seconds.

    A bucket of a whole minute's calls would pass them twice in one minute: once at once, once more as it drains. So a
    fifth may go at once and the other four fifths drain over the minute.

    Args:
        calls_per_minute: at least 1; a limit of 1 passes one call a minute after the first.
    """
    burst = max(1, calls_per_minute // _BURST_SHARE)
    return burst, _MINUTE_SECONDS * burst / max(calls_per_minute - burst, 1)


class CallGate:
    """Passes callers within a number at a time and a number a minute.

    Args:
        side_by_side: calls in flight at the same time.
        calls_per_minute: until `set_calls_per_minute` says otherwise.
    """

    def __init__(self, *, side_by_side: int, calls_per_minute: int) -> None:
        self._in_flight = asyncio.Semaphore(side_by_side)
        self.set_calls_per_minute(calls_per_minute)

    def set_calls_per_minute(self, calls_per_minute: int) -> None:
        """From now on so many a minute; callers already waiting keep to the former number."""
        self._limiter = AsyncLimiter(*burst_and_period(calls_per_minute))

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        """Waits for its turn, then holds one of the places until left."""
        async with self._in_flight:
            await self._limiter.acquire()
            yield
