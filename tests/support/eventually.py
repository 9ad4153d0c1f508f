"""Waiting for what another process does: asked again and again until a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

PATIENCE_SECONDS = 600
"""How long a test waits for what must come: only a hang lasts so long, however busy the machine is."""
_PAUSE_SECONDS = 0.005


def eventually(condition: Callable[[], object]) -> None:
    """Return as soon as the condition holds; an AssertionError says that it never did."""
    deadline, never = time.monotonic() + PATIENCE_SECONDS, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"did not come true within {PATIENCE_SECONDS} s"
        never.wait(_PAUSE_SECONDS)
