"""Progress: what is said of it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from structlog.testing import capture_logs

from crons.progress import Tally, progress
from tests.support.stepped_clock import SteppedClock

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)


def test_it_says_coin_hours_coins_speed_and_time_left() -> None:
    """Halfway after ten seconds, ten seconds are left."""
    clock = SteppedClock(NOW)
    tally = Tally(calls=4, hours=200, clock=clock)
    clock.advance(timedelta(seconds=10))
    tally.add(coins=["BTC", "ETH"], hours=60, rows=50)
    tally.add(coins=["BTC", "SOL"], hours=40, rows=40)
    assert tally.facts() == {
        "calls": "2 of 4",
        "coin_hours": "100 of 200",
        "coins": "3",
        "rows": "90",
        "rows_a_second": "9",
        "time_left": "0:00:10",
    }


def test_a_log_gets_about_ten_lines() -> None:
    """However many calls there are, a log without a terminal has ten lines of progress, the last at the end."""
    with capture_logs() as lines, progress(calls=95, hours=95, clock=SteppedClock(NOW)) as advance:
        for _ in range(95):
            advance(coins=["BTC"], hours=1, rows=1)
    assert len(lines) == 10
    assert lines[-1]["calls"] == "95 of 95"
