"""A simulated CoinMarketCap at a known time, and a plain HTTP client that sends its key."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import httpx
import pytest

from sandbox.coin_market_cap import KEY_HEADER
from tests.support.faulty_source import FaultySource
from tests.support.stepped_clock import SteppedClock

HOLE = datetime(2026, 11, 22, 8, 30, tzinfo=timezone.utc)


@pytest.fixture
def clock() -> SteppedClock:
    """Stands at 2026-11-22 12:07:21 UTC."""
    return SteppedClock(datetime(2026, 11, 22, 12, 7, 21, tzinfo=timezone.utc))


@pytest.fixture
def stand_in(clock: SteppedClock) -> Iterator[FaultySource]:
    """A source without Bitcoin's quotes from 08:30 to 09:30 UTC of that day."""
    with FaultySource(
        clock=clock, is_hole=lambda coin_id, instant: coin_id == 1 and HOLE <= instant < HOLE + timedelta(hours=1)
    ) as serving:
        yield serving


@pytest.fixture
def client(stand_in: FaultySource) -> Iterator[httpx.Client]:
    """Sends the source's key."""
    with httpx.Client(base_url=stand_in.base_url, headers={KEY_HEADER: stand_in.key}, timeout=10) as plain:
        yield plain
