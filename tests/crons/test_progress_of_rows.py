"""Progress of work on a whole table: what is said of it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from structlog.testing import capture_logs

from adapters._bases.hourly_backup import telling
from crons.progress import RowTally, row_progress
from tests.support.stepped_clock import SteppedClock

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)


def test_it_says_rows_speed_and_time_left_of_each_piece_of_work() -> None:
    """Each begins where the one before ended; where nobody knows the end, no time is promised."""
    clock = SteppedClock(NOW)
    tally = RowTally(clock)
    clock.advance(timedelta(seconds=10))
    tally.tell("checking", done=100, total=None)
    assert tally.facts() == {"doing": "checking", "rows": "100", "rows_a_second": "10"}
    clock.advance(timedelta(seconds=5))
    tally.tell("storing", done=25, total=100)
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
    with capture_logs() as told, row_progress(clock=SteppedClock(NOW)) as tell:
        assert sum(1 for _ in telling(tell, "verifying", range(rows), total)) == rows
    assert [line["doing"] for line in told] == ["verifying"] * lines


def test_what_is_tried_again_is_told_again() -> None:
    """A second try begins at nothing, and so does its speed."""
    clock = SteppedClock(NOW)
    tally = RowTally(clock)
    tally.tell("exporting", done=300_000, total=400_000)
    clock.advance(timedelta(seconds=10))
    assert tally.tell("exporting", done=100_000, total=400_000)
    assert tally.facts()["rows_a_second"] == "10000"
