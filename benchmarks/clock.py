"""How long a call in this process takes."""

from __future__ import annotations

import time
from collections.abc import Callable


def timed(call: Callable[[], object]) -> float:
    """Its wall seconds."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
