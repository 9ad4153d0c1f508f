"""Schedules: which ones cron takes, and when they come up."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pytest

from adapters._bases.errors import ConfigurationError
from crons.schedule import DEFAULT_SCHEDULE, HEAL_SCHEDULE, check_schedule, longest_interval, next_run

MONDAY = datetime(2026, 11, 23, 12, 7, 9, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "schedule", ["0 * * * *", "*/5 0-6/2 1,15 JAN-mar sun", "0 0 * * 7", "59 23 31 12 *", " 0\t* * * * "]
)
def test_schedule_of_five_fields_is_taken(schedule: str) -> None:
    """Every form of crontab(5) is taken, with its blanks made single."""
    assert check_schedule(schedule) == " ".join(schedule.split())


@pytest.mark.parametrize(
    "schedule",
    [
        "",
        "@hourly",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "0 24 * * *",
        "0 0 0 * *",
        "0 0 L * *",
        "0 0 * * 5#2",
        "5/15 * * * *",
        "*/0 * * * *",
        "0 * * * * id;",
        "0 * * *\n* id",
        "% * * * *",
        "0 * * * foo",
        "9-5 * * * *",
    ],
)
def test_schedule_that_cron_would_refuse_is_refused(schedule: str) -> None:
    """A wrong schedule is told in one line, with an example of a right one."""
    with pytest.raises(ConfigurationError, match="schedule") as caught:
        check_schedule(schedule)
    assert "\n" not in caught.value.message
    assert DEFAULT_SCHEDULE in caught.value.next_step


@pytest.mark.parametrize(("zone", "due"), [("UTC", "13:00"), ("Asia/Tehran", "12:30"), ("Asia/Kathmandu", "12:15")])
def test_the_next_run_is_the_next_full_hour_of_the_host(zone: str, due: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cron goes by the host's wall clock, whose hours begin at another minute in another zone."""
    with monkeypatch.context() as environment:
        environment.setenv("TZ", zone)
        time.tzset()
        told = next_run(DEFAULT_SCHEDULE, MONDAY)
    time.tzset()
    assert told.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S") == f"2026-11-23 {due}:00"


@pytest.mark.parametrize(
    ("schedule", "longest"),
    [
        (DEFAULT_SCHEDULE, timedelta(hours=1)),
        (HEAL_SCHEDULE, timedelta(days=1)),
        ("*/10 8-17 * * *", timedelta(hours=14, minutes=10)),
        ("0 9 * * 1-5", timedelta(days=3)),
        ("0 0 1 1 *", timedelta(days=365)),
    ],
)
def test_the_longest_interval_is_that_of_the_quietest_time(schedule: str, longest: timedelta) -> None:
    """A schedule that pauses by night, at weekends or for a year is judged by its pause."""
    assert longest_interval(schedule, MONDAY) == longest
