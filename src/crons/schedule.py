"""When cron starts a line: schedules of crontab(5), computed on the host's wall clock as cron does."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from itertools import pairwise

from cronsim import CronSim, CronSimError

from adapters._bases.errors import ConfigurationError

DEFAULT_SCHEDULE = "0 * * * *"
HEAL_SCHEDULE = "17 4 * * *"
"""Daily, and away from the full hour: a heal and an hourly run of a job exclude each other."""
BACKUP_SCHEDULE = "47 4 * * *"
"""Daily, half an hour after the heal."""

_FIELD_NAMES = ("minute", "hour", "day of month", "month", "day of week")
_VALUE = r"(?:\d{1,2}|[A-Za-z]{3})"
_TERM = rf"(?:(?:\*|{_VALUE}-{_VALUE})(?:/\d{{1,2}})?|{_VALUE})"
_FIELD = re.compile(rf"{_TERM}(?:,{_TERM})*")
_WEEK = timedelta(days=7)


def check_schedule(schedule: str) -> str:
    """The schedule with single blanks between its fields.

    Args:
        schedule: five fields as crontab(5) has them, in the host's time zone. Words such as ``@hourly`` are refused:
            not every cron knows them, and five fields say the same.

    Raises:
        ConfigurationError: it is not such a schedule, or one that Debian's cron would refuse.
    """
    fields = schedule.split()
    if len(fields) != len(_FIELD_NAMES):
        raise _wrong_schedule(schedule, f"needs five fields: {', '.join(_FIELD_NAMES)}")
    for field, name in zip(fields, _FIELD_NAMES, strict=True):
        if not _FIELD.fullmatch(field):
            raise _wrong_schedule(schedule, f"cron does not know {field!r} as a {name}")
    try:
        CronSim(" ".join(fields), datetime(2000, 1, 1, tzinfo=timezone.utc))
    except CronSimError as exc:
        raise _wrong_schedule(schedule, str(exc)) from exc
    return " ".join(fields)


def next_run(schedule: str, now: datetime) -> datetime:
    """When cron starts a line of a valid schedule next, after `now`, in the host's zone."""
    wall = next(CronSim(schedule, now.astimezone().replace(tzinfo=None)))
    return wall.astimezone()


def longest_interval(schedule: str, now: datetime) -> timedelta:
    """The longest time between two starts by a valid schedule, of those within a week from `now`."""
    wall = now.astimezone().replace(tzinfo=None)
    longest = timedelta()
    for one, following in pairwise(CronSim(schedule, wall)):
        longest = max(longest, following - one)
        if following - wall > _WEEK:
            break
    return longest


def _wrong_schedule(schedule: str, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"schedule {schedule!r}: {reason}", next_step=f'Give five fields, such as "{DEFAULT_SCHEDULE}".'
    )
