"""Progress: what is said of it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from structlog.testing import capture_logs

from adapters._bases.hourly_backup import reporting
from crons.progress import Tally, progress
from tests.support.stepped_clock import SteppedClock

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)


def test_it_says_coin_hours_coins_speed_and_time_left() -> None:
    """Halfway after ten seconds, ten seconds are left."""
    clock = SteppedClock(NOW)
    tally = Tally(clock, counted="coin_hours", more=lambda: {"calls": "2 of 4", "coins": 3, "rows": 90})
    clock.advance(timedelta(seconds=10))
    tally.note("asking", 60, 200)
    tally.note("asking", 100, 200)
    assert tally.facts() == {
        "doing": "asking",
        "calls": "2 of 4",
        "coin_hours": "100 of 200",
        "coins": "3",
        "rows": "90",
        "rows_a_second": "9",
        "time_left": "0:00:10",
    }


def test_a_log_gets_about_ten_lines() -> None:
    """However many calls there are, a log without a terminal has ten lines of progress, the last at the end."""
    tally = Tally(SteppedClock(NOW), counted="calls", more=lambda: {"rows": 95}, least=0)
    with capture_logs() as lines, progress(tally) as advance:
        for done in range(1, 96):
            advance("asking", done, 95)
    assert [line["event"] for line in lines] == ["progress"] * 10
    assert lines[-1]["calls"] == "95 of 95"


def test_it_says_rows_speed_and_time_left_of_each_piece_of_work() -> None:
    """Each begins where the one before ended; where the end is not known, no time is promised."""
    clock = SteppedClock(NOW)
    tally = Tally(clock)
    clock.advance(timedelta(seconds=10))
    tally.note("checking", 100, None)
    assert tally.facts() == {"doing": "checking", "rows": "100", "rows_a_second": "10"}
    clock.advance(timedelta(seconds=5))
    tally.note("storing", 25, 100)
    assert tally.facts() == {
        "doing": "storing",
        "rows": "25 of 100",
        "rows_a_second": "5",
        "time_left": "0:00:15",
    }


@pytest.mark.parametrize(
    ("rows", "total", "lines"), [(400_000, 400_000, 10), (90_000, 90_000, 0), (2_100_000, None, 2), (0, 0, 0)]
)
def test_a_log_gets_ten_lines_of_a_large_table(rows: int, total: int | None, lines: int) -> None:
    """And none of one that is through in a second; of an unknown number of rows one for each million."""
    with capture_logs() as logged, progress(Tally(SteppedClock(NOW))) as note:
        assert sum(1 for _ in reporting(note, "verifying", range(rows), total)) == rows
    assert [line["doing"] for line in logged] == ["verifying"] * lines


def test_what_is_tried_again_is_reported_again() -> None:
    """A second try begins at nothing, and so does its speed."""
    clock = SteppedClock(NOW)
    tally = Tally(clock)
    tally.note("exporting", 300_000, 400_000)
    clock.advance(timedelta(seconds=10))
    assert tally.note("exporting", 100_000, 400_000)
    assert tally.facts()["rows_a_second"] == "10000"
