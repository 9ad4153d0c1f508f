"""A clock that moves only when a test moves it."""

from __future__ import annotations

from datetime import datetime, timedelta


class SteppedClock:
    """Called, it gives its present instant.

    Args:
        now: aware; where it stands at first.
    """

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, step: timedelta) -> None:
        self.now += step
