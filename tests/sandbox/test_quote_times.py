"""Steps, stamps and holes of the simulated history."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from sandbox.quote_times import INTERVALS, MAX_COUNT, HoleRule, Step, plan_steps, stamp_in

NOON = datetime(2026, 11, 22, 12, tzinfo=timezone.utc).timestamp()
NO_HOLES: HoleRule = lambda _coin_id, _instant: False  # noqa: E731 - a rule in a line


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(sep=" ")[:16]


def test_the_start_is_exclusive_and_the_end_inclusive() -> None:
    """Half-hour steps after 11:00 up to 12:00 are 11:30 and 12:00."""
    steps = plan_steps(1800, start=NOON - 3600, end=NOON, count=MAX_COUNT)
    assert [step.start for step in steps] == [NOON - 1800, NOON]


def test_intervals_are_anchored_on_the_start() -> None:
    """An hourly step counted from a half hour stays on half hours."""
    steps = plan_steps(3600, start=NOON - 1800 - 7200, end=NOON, count=MAX_COUNT)
    assert [_utc(step.start) for step in steps] == ["2026-11-22 10:30", "2026-11-22 11:30"]


@given(st.sampled_from(sorted(INTERVALS)), st.integers(0, 2 * 10**9), st.integers(0, 10**7), st.integers(1, 20))
def test_the_first_steps_of_a_range_are_served(interval: str, start: int, reach: int, count: int) -> None:
    """Oldest first and side by side, later than the start, none later than the end, `count` of them if they fit."""
    length, end = INTERVALS[interval], start + reach
    steps = plan_steps(length, start=start, end=end, count=count)
    assert len(steps) == min(count, (end - start) // length)
    assert all(step.end == step.start + length for step in steps)
    assert [step.start for step in steps] == [start + length * number for number in range(1, len(steps) + 1)]
    assert not steps or start < steps[0].start <= steps[-1].start <= end


def test_a_range_that_ends_before_a_step_has_none() -> None:
    """From 11:45 by half hours there is nothing up to 12:00, nor up to an earlier time."""
    for end in (NOON, NOON - 3600):
        assert plan_steps(1800, start=NOON - 900, end=end, count=MAX_COUNT) == []


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


def test_the_next_quote_after_a_hole_serves_a_longer_step() -> None:
    """Half-hour steps within the hole are skipped; a two-hour step takes the first quote after it."""
    hour = datetime(2026, 11, 22, 8, 30, tzinfo=timezone.utc)
    is_hole: HoleRule = lambda coin_id, at: coin_id == 1 and hour <= at < hour + timedelta(hours=1)  # noqa: E731 - as above
    begin = hour.timestamp()
    for start in (begin, begin + 1800):
        assert stamp_in(Step(start, start + 1800), 1, is_hole=is_hole, now=NOON) is None
        assert stamp_in(Step(start, start + 1800), 2, is_hole=is_hole, now=NOON) is not None
    after = stamp_in(Step(begin, begin + 7200), 1, is_hole=is_hole, now=NOON)
    assert after is not None
    assert begin + 3600 <= after.quote < begin + 3610


def test_no_quote_comes_from_the_future() -> None:
    """A step whose quote is not yet taken has none."""
    assert stamp_in(Step(NOON, NOON + 1800), 1, is_hole=NO_HOLES, now=NOON - 1) is None
