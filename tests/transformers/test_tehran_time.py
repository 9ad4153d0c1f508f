"""Tehran hours: keys, ranges, and the hour that came twice."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from itertools import pairwise

import jdatetime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._bases.errors import ConfigurationError
from adapters._bases.tehran_time import (
    HOUR,
    from_text,
    hour_key,
    hour_ranges,
    hour_start,
    hours_before,
    hours_between,
    jalali_date,
    tehran_text,
    time_bound,
    time_span,
)

UTC = timezone.utc
seconds = st.integers(
    int(datetime(2015, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2035, 1, 1, tzinfo=UTC).timestamp())
)
instants = seconds.map(lambda second: datetime.fromtimestamp(second, UTC))


def test_hour_in_tehran_starts_at_half_past_in_utc() -> None:
    assert hour_key(datetime(2026, 7, 1, 10, 29, 59, tzinfo=UTC)) == "2026-07-01 13:00:00"
    assert hour_key(datetime(2026, 7, 1, 10, 30, tzinfo=UTC)) == "2026-07-01 14:00:00"


def test_repeated_hour_has_one_key() -> None:
    """On 2022-09-21 two instants an hour apart share the key 23:00, and the text means the earlier."""
    first = datetime(2022, 9, 21, 18, 30, tzinfo=UTC)
    assert hour_key(first) == hour_key(first + HOUR) == "2022-09-21 23:00:00"
    assert from_text("2022-09-21 23:00:00").astimezone(UTC) == first


@pytest.mark.parametrize("function", [hour_key, hour_start, tehran_text, lambda now: hours_before(now, 1)])
def test_naive_time_is_rejected(function: object) -> None:
    with pytest.raises(ValueError, match="naive"):
        function(datetime(2026, 1, 1))  # type: ignore[operator]  # noqa: DTZ001 - that is the point


@given(instants)
def test_hour_start_is_in_the_same_hour(instant: datetime) -> None:
    start = hour_start(instant)
    assert timedelta() <= instant - start.astimezone(UTC) < HOUR
    assert (start.minute, start.second, start.microsecond) == (0, 0, 0)
    assert hour_key(start) == hour_key(instant) == tehran_text(instant)[:13] + ":00:00"


@given(instants, st.integers(1, 1000))
def test_hours_before_are_adjacent(now: datetime, count: int) -> None:
    starts = [start.astimezone(UTC) for start in hours_before(now, count)]
    present = hour_start(now).astimezone(UTC)
    assert starts == [present - HOUR * number for number in range(count, 0, -1)]


@given(instants)
def test_text_round_trip(instant: datetime) -> None:
    """Text read back is the same second, or the hour before where the wall hour came twice."""
    whole = instant.replace(microsecond=0)
    assert whole - from_text(tehran_text(instant)).astimezone(UTC) in {timedelta(), HOUR}


@given(st.sets(st.integers(0, 200)))
def test_ranges_cover_each_hour_once(numbers: set[int]) -> None:
    base = datetime(2026, 1, 1, 20, 30, tzinfo=UTC)
    ranges = hour_ranges(base + HOUR * number for number in numbers)
    covered = [first + HOUR * step for first, last in ranges for step in range((last - first) // HOUR + 1)]
    assert covered == sorted(base + HOUR * number for number in numbers)
    assert all(later[0] - earlier[1] > HOUR for earlier, later in pairwise(ranges))


def test_range_continues_after_a_repeated_hour() -> None:
    """Whether both hours of the key are there or the earlier alone; where the key is missing, the range ends."""
    first = datetime(2022, 9, 21, 17, 30, tzinfo=UTC)  # 22:00 in Tehran; 23:00 comes one and two hours later
    hours = [first + HOUR * number for number in range(4)]
    assert hour_ranges(hours) == hour_ranges([*hours[:2], hours[3]]) == [(hours[0], hours[3])]
    assert hour_ranges([hours[0], hours[3]]) == [(hours[0], hours[0]), (hours[3], hours[3])]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-01", datetime(2026, 10, 31, 20, 30, tzinfo=UTC)),
        ("2026-11-01 05", datetime(2026, 11, 1, 1, 30, tzinfo=UTC)),
        (" 2026-11-01T05:00 ", datetime(2026, 11, 1, 1, 30, tzinfo=UTC)),
        ("2026-11-01 05:10:59", datetime(2026, 11, 1, 1, 40, 59, tzinfo=UTC)),
        ("2021-09-21 23:00", datetime(2021, 9, 21, 18, 30, tzinfo=UTC)),  # came twice
        ("2021-03-22", datetime(2021, 3, 21, 20, 30, tzinfo=UTC)),  # its 00:00 was left out
        ("1405-08-10", datetime(2026, 10, 31, 20, 30, tzinfo=UTC)),
        ("1403-12-30 05:00", datetime(2025, 3, 20, 1, 30, tzinfo=UTC)),  # of a leap year
        ("۱۴۰۵-۰۲-۳۱", datetime(2026, 5, 20, 20, 30, tzinfo=UTC)),
    ],
)
def test_day_or_hour_text_to_instant(text: str, instant: datetime) -> None:
    """Of Tehran's clock; of a repeated hour the earlier one, for one that was left out the one that follows."""
    assert time_bound(text) == instant


def test_jalali_dates_are_those_of_jdatetime() -> None:
    """Every day from 2009 to 2078, in both directions."""
    for number in range(date(2009, 1, 1).toordinal(), date(2079, 1, 1).toordinal()):
        day = date.fromordinal(number)
        text = f"{jdatetime.date.fromgregorian(date=day):%Y-%m-%d}"
        assert (jalali_date(day), time_bound(text, UTC).date()) == (text, day)


@pytest.mark.parametrize(
    "text",
    [
        *("", "yesterday", "2026-13-01", "2026-02-30", "01.11.2026", "2026-11-01 25:00"),
        *("1404-12-30", "1405-13-01", "1405-00-01", "1405-07-31"),  # days that do not exist
        *("1379-12-29", "1501-01-01", "2008-12-31", "0001-01-01"),  # of no calendar that is meant
    ],
)
def test_invalid_day_or_hour_is_rejected(text: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        time_bound(text)
    assert time_bound("2026-11-01") == time_bound("2026-11-01 00:00")
    assert refused.value.next_step.startswith("give ")


def test_span_in_the_jalali_calendar_is_shown_in_both() -> None:
    assert time_span("2026-11-01", "2026-11-02")[2] == ""
    assert time_span("1405-09-01", None)[2] == "2026-11-22 00:00 (1405-09-01)"
    assert (
        time_span("2026-11-22", "1405-09-08 05")[2] == "2026-11-22 00:00 (1405-09-01) to 2026-11-29 05:00 (1405-09-08)"
    )


@given(first=instants, hours=st.integers(0, 100), late=st.integers(0, 3599))
def test_hours_between_includes_the_first_and_excludes_the_last(first: datetime, hours: int, late: int) -> None:
    start = hour_start(first).astimezone(UTC)
    found = hours_between(start - timedelta(seconds=late), start + HOUR * hours)
    assert [one.astimezone(UTC) for one in found] == [start + HOUR * number for number in range(hours)]
