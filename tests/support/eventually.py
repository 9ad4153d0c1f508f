"""Waiting for what another process does: asked again and again until a deadline."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

_PAUSE_SECONDS = 0.005


def eventually(condition: Callable[[], object], *, within_seconds: float = 30.0) -> None:
    """Return as soon as the condition holds.

    Raises:
        AssertionError: it did not hold within that time.
    """
    deadline = datetime.now(timezone.utc) + timedelta(seconds=within_seconds)
    never = threading.Event()
    while not condition():
        assert datetime.now(timezone.utc) < deadline, f"did not come true within {within_seconds:g} s"
        never.wait(_PAUSE_SECONDS)
