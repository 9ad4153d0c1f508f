"""The simulated customer: a key, its plan, and what has been used of it."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import date, datetime, timedelta

from sandbox.api_error import known_error


class Account:
    """Counts requests by calendar minute and credits by UTC day, from any thread.

    Keyless requests have a count of their own.
    """

    def __init__(self, *, key: str, requests_per_minute: int, credits_monthly: int, months_of_history: int) -> None:
        self._key = key
        self.requests_per_minute = requests_per_minute
        self.credits_monthly = credits_monthly
        self.months_of_history = months_of_history
        self._lock = threading.Lock()
        self._requests: Counter[tuple[bool, datetime]] = Counter()
        self._credits: Counter[date] = Counter()

    @property
    def credits_used(self) -> int:
        """All credits charged so far."""
        with self._lock:
            return self._credits.total()

    def admit(self, key: str | None, *, keyless: bool, now: datetime) -> None:
        """Let a request in and count it.

        Raises:
            ApiError: 1002 without a key, 1001 with a wrong one, 1008 (keyless: 1022) past the minute's limit.
        """
        if not keyless:
            if not key:
                raise known_error(1002)
            if key != self._key:
                raise known_error(1001)
        with self._lock:
            minute = (keyless, now.replace(second=0, microsecond=0))
            if self._requests[minute] >= self.requests_per_minute:
                raise known_error(1022 if keyless else 1008)
            self._requests[minute] += 1

    def check_credits(self, cost: int, *, now: datetime) -> None:
        """Refuse, by error 1010, a call that costs more credits than are left."""
        if cost > self.credits_left(now):
            raise known_error(1010)

    def charge(self, cost: int, *, now: datetime) -> None:
        """Count the credits of a call that was answered."""
        with self._lock:
            self._credits[now.date()] += cost

    def requests_in_minute(self, now: datetime) -> int:
        """Keyed requests let in since the minute began, this one included."""
        with self._lock:
            return self._requests[False, now.replace(second=0, microsecond=0)]

    def credits_today(self, now: datetime) -> int:
        """Credits charged since midnight UTC."""
        with self._lock:
            return self._credits[now.date()]

    def credits_this_month(self, now: datetime) -> int:
        """Credits charged since the first of the month, UTC."""
        with self._lock:
            return sum(count for day, count in self._credits.items() if (day.year, day.month) == (now.year, now.month))

    def credits_left(self, now: datetime) -> int:
        """The credits left this month."""
        return self.credits_monthly - self.credits_this_month(now)


def next_month(now: datetime) -> datetime:
    """The first instant of the month after `now`, in its own zone."""
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


def months_before(now: datetime, months: int) -> datetime:
    """The same time of day whole months earlier, on the last day of a month that is too short."""
    month_number = now.year * 12 + now.month - 1 - months
    first = now.replace(year=month_number // 12, month=month_number % 12 + 1, day=1)
    last_day = (next_month(first) - timedelta(days=1)).day
    return first.replace(day=min(now.day, last_day))
