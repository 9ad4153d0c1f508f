"""A stand-in at a known time, and a plain HTTP client that has its key."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import httpx
import pytest

from sandbox.server import KEY_HEADER
from tests.support.faulty_source import FaultySource
from tests.support.stepped_clock import SteppedClock

NOW = datetime(2026, 11, 22, 12, 7, 21, tzinfo=timezone.utc)
HOLE = datetime(2026, 11, 22, 8, 30, tzinfo=timezone.utc)


@pytest.fixture
def clock() -> SteppedClock:
    """Stands at 2026-11-22 12:07:21 UTC."""
    return SteppedClock(NOW)


@pytest.fixture
def stand_in(clock: SteppedClock) -> Iterator[FaultySource]:
    """A stand-in without Bitcoin's quotes from 08:30 to 09:30 UTC of that day."""
    with FaultySource(clock=clock, is_hole=_is_hole) as serving:
        yield serving


@pytest.fixture
def client(stand_in: FaultySource) -> Iterator[httpx.Client]:
    """Sends the stand-in's key."""
    with httpx.Client(base_url=stand_in.base_url, headers={KEY_HEADER: stand_in.key}, timeout=10) as plain:
        yield plain


def _is_hole(coin_id: int, instant: datetime) -> bool:
    return coin_id == 1 and HOLE <= instant < HOLE + timedelta(hours=1)
