"""Progress: what a log says of it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from structlog.testing import capture_logs

from adapters._bases.table_backup import reporting
from crons.progress import progress
from tests.support.stepped_clock import SteppedClock

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)


def test_line_has_speed_and_time_left_of_its_step() -> None:
    clock = SteppedClock(NOW)
    with capture_logs() as lines, progress(clock, counted="hours", least=0) as advance:
        clock.advance(timedelta(seconds=10))
        advance("asking", 100, 200)
        clock.advance(timedelta(seconds=5))
        advance("storing", 25, 100)
    facts = [(line["doing"], line["hours"], line["a_second"], line["time_left"]) for line in lines]
    assert facts == [
        ("asking", "100 of 200", "10", "0:00:10"),
        ("storing", "25 of 100", "5", "0:00:15"),
    ]


@pytest.mark.parametrize(("rows", "lines"), [(400_000, 10), (90_000, 0), (0, 0)])
def test_log_gets_ten_lines_of_a_large_table(rows: int, lines: int) -> None:
    with capture_logs() as logged, progress(SteppedClock(NOW)) as note:
        assert sum(1 for _ in reporting(note, "verifying", range(rows), rows)) == rows
    assert [line["doing"] for line in logged] == ["verifying"] * lines
