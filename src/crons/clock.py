"""The system's clock, read at the edges only: whatever is below is given the time."""

from __future__ import annotations

from datetime import datetime, timezone


def system_clock() -> datetime:
    """The present time, aware."""
    return datetime.now(timezone.utc)
