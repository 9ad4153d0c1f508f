"""How many calls go out at once, and how many a minute."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from adapters.http.coin_market_cap_http_adapter import CallGate, burst_and_period


@given(st.integers(2, 100_000))
def test_minute_never_has_more_calls_than_the_limit(limit: int) -> None:
    """What may go at once, and what drains in the 60 seconds after it, are together the limit at most."""
    burst, period = burst_and_period(limit)
    assert burst >= 1
    assert burst + 60 * burst / period <= limit * (1 + 1e-9)


async def test_calls_in_flight_are_limited() -> None:
    """Of ten callers, three are inside at a time, and all get through."""
    gate = CallGate(at_a_time=3, calls_per_minute=6000)
    inside, most = 0, 0

    async def call() -> None:
        nonlocal inside, most
        async with gate.passing():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(call() for _ in range(10)))
    assert (most, inside) == (3, 0)


async def test_caller_beyond_the_minute_limit_waits() -> None:
    """Of ten a minute, two go at once and the third waits; a higher limit lets those that come after pass."""
    gate = CallGate(at_a_time=9, calls_per_minute=10)
    for _ in range(2):
        async with gate.passing():
            pass
    third = asyncio.create_task(_pass(gate))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not third.done()
    gate.set_calls_per_minute(1000)
    await _pass(gate)
    third.cancel()
    await asyncio.gather(third, return_exceptions=True)


async def _pass(gate: CallGate) -> None:
    async with gate.passing():
        pass
