"""Steps, stamps and holes of the simulated history."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.quote_times import INTERVALS, MAX_COUNT, Step, holes_of, is_intraday, plan_steps, stamp_in

NOON = datetime(2026, 11, 22, 12, tzinfo=timezone.utc).timestamp()
NO_HOLES = holes_of(())


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(sep=" ")[:16]


def test_the_start_is_exclusive_and_the_end_inclusive() -> None:
    """Half-hour steps after 11:00 up to 12:00 are 11:30 and 12:00."""
    steps = plan_steps("30m", start=NOON - 3600, end=NOON, count=None)
    assert [step.start for step in steps] == [NOON - 1800, NOON]


def test_relative_intervals_are_anchored_on_the_start() -> None:
    """An hourly step counted from a half hour stays on half hours."""
    steps = plan_steps("1h", start=NOON - 1800 - 7200, end=NOON, count=None)
    assert [_utc(step.start) for step in steps] == ["2026-11-22 10:30", "2026-11-22 11:30"]


@pytest.mark.parametrize(
    ("interval", "first", "second"),
    [
        ("hourly", "2026-11-22 12:00", "2026-11-22 13:00"),
        ("daily", "2026-11-23 00:00", "2026-11-24 00:00"),
        ("weekly", "2026-11-23 00:00", "2026-11-30 00:00"),
        ("monthly", "2026-12-01 00:00", "2027-01-01 00:00"),
        ("yearly", "2027-01-01 00:00", "2028-01-01 00:00"),
    ],
)
def test_calendar_intervals_begin_at_utc_boundaries(interval: str, first: str, second: str) -> None:
    """Hours, days, Mondays, months and years begin in UTC, wherever the start is."""
    steps = plan_steps(interval, start=NOON - 1, end=NOON + 800 * 86_400, count=2)
    assert [_utc(step.start) for step in steps] == [first, second]
    assert steps[0].end == steps[1].start


@given(st.sampled_from(sorted(INTERVALS)), st.floats(0, 2e9), st.integers(1, 20))
def test_without_a_start_steps_are_counted_back(interval: str, end: float, count: int) -> None:
    """Exactly `count` steps, oldest first, none later than the end."""
    steps = plan_steps(interval, start=None, end=end, count=count)
    assert len(steps) == count
    assert steps == sorted(steps)
    assert steps[-1].start <= end < steps[-1].end + 300


def test_the_count_is_ten_by_default_only_without_a_start() -> None:
    """A range that has a start is served whole, up to 10,000 steps."""
    assert len(plan_steps("5m", start=None, end=NOON, count=None)) == 10
    assert len(plan_steps("5m", start=NOON - 86_400, end=NOON, count=None)) == 288
    assert len(plan_steps("5m", start=NOON - 86_400, end=NOON, count=3)) == 3
    assert len(plan_steps("5m", start=0, end=NOON, count=None)) == MAX_COUNT


def test_intraday_is_shorter_than_a_day() -> None:
    """`hourly` and 12h count as intraday, 24h and daily do not."""
    assert [is_intraday(interval) for interval in ("5m", "hourly", "12h", "24h", "daily", "yearly")] == [
        True, True, True, False, False, False,
    ]  # fmt: skip


@given(st.integers(1, 99_999), st.integers(0, 500_000))
def test_stamps_are_at_most_seconds_off_the_grid(coin_id: int, tick: int) -> None:
    """A quote is never earlier than its grid point and less than ten seconds late."""
    grid = 1_600_000_200.0 + 300 * tick
    stamp = stamp_in(Step(grid, grid + 1800), coin_id, is_hole=NO_HOLES, now=NOON * 2)
    assert stamp is not None
    assert grid <= stamp.quote <= stamp.currency < grid + 10


def test_some_stamps_are_off_the_grid_of_either_kind() -> None:
    """Among the quotes of a week some are late themselves, some only in their currency, most are exact."""
    grids = [NOON - 300 * tick for tick in range(2_016)]
    stamps = [stamp_in(Step(grid, grid + 300), 1, is_hole=NO_HOLES, now=NOON * 2) for grid in grids]
    late = [stamp for grid, stamp in zip(grids, stamps, strict=True) if stamp and stamp.quote != grid]
    converted_late = [stamp for stamp in stamps if stamp and stamp.quote != stamp.currency]
    assert 50 < len(late) < 400
    assert 50 < len(converted_late) < 500


def test_a_hole_is_one_hour_long_and_the_next_quote_serves_a_longer_step() -> None:
    """Half-hour steps within the hole are skipped; a two-hour step takes the first quote after it."""
    hour = datetime(2026, 11, 22, 8, 30, tzinfo=timezone.utc)
    is_hole = holes_of({(1, hour)})
    begin = hour.timestamp()
    for start in (begin, begin + 1800):
        assert stamp_in(Step(start, start + 1800), 1, is_hole=is_hole, now=NOON) is None
        assert stamp_in(Step(start, start + 1800), 2, is_hole=is_hole, now=NOON) is not None
    after = stamp_in(Step(begin, begin + 7200), 1, is_hole=is_hole, now=NOON)
    assert after is not None
    assert begin + 3600 <= after.quote < begin + 3610
    assert is_hole(1, hour + timedelta(minutes=59))
    assert not is_hole(1, hour + timedelta(minutes=60))


def test_a_rule_may_say_where_the_holes_are() -> None:
    """A callable is taken as it is."""
    assert holes_of(lambda coin_id, _: coin_id == 7)(7, datetime(2026, 1, 1, tzinfo=timezone.utc))


def test_no_quote_comes_from_the_future() -> None:
    """A step whose quote is not yet taken has none."""
    assert stamp_in(Step(NOON, NOON + 1800), 1, is_hole=NO_HOLES, now=NOON - 1) is None
