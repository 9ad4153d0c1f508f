"""Tehran hours: hour keys, ranges of hours, text to aware datetime and back. Pure: no clock.

Since 2022 Tehran is UTC+03:30 all year, so an hour starts at half past in UTC. Before, its clocks moved: on 2022-09-21
the wall hour 23:00 came twice, and both instants have one key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone, tzinfo
from importlib.resources import files
from zoneinfo import ZoneInfo

from adapters._bases.errors import ConfigurationError

HOUR = timedelta(hours=1)
TEXT_FORMAT = "%Y-%m-%d %H:%M:%S"
_TEXT_LENGTH = 19
_JALALI_YEARS = range(1380, 1501)
_FIRST_YEAR = 2009  # of the oldest cryptocurrency
_DATE = re.compile(r"\s*(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)")
_DAY_ZERO = date(2009, 3, 21).toordinal() - 506_957  # before the first day of the Jalali year 0
_BOUND_FORMS = ("%Y-%m-%d", "%Y-%m-%d %H", "%Y-%m-%d %H:%M", TEXT_FORMAT)


# From the locked tzdata package: ZoneInfo("Asia/Tehran") prefers the host's data, which may be older than 2022.
with (files("tzdata.zoneinfo.Asia") / "Tehran").open("rb") as _data:
    TEHRAN = ZoneInfo.from_file(_data, key="Asia/Tehran")


def in_tehran(instant: datetime) -> datetime:
    """The same instant on Tehran's clock. Raises ValueError if it is naive, like the functions below."""
    if instant.tzinfo is None:
        raise ValueError(f"naive time: {instant!r}")
    return instant.astimezone(TEHRAN)


def tehran_text(instant: datetime) -> str:
    """An aware instant as Tehran wall time, ``YYYY-MM-DD HH:MM:SS``, its fraction of a second cut off."""
    # Faster than strftime; called for each time of each row.
    return in_tehran(instant).isoformat(" ", "seconds")[:_TEXT_LENGTH]


def hour_start(instant: datetime) -> datetime:
    """The start of the Tehran hour that holds an aware instant, on Tehran's clock."""
    return in_tehran(instant).replace(minute=0, second=0, microsecond=0)


def hour_key(instant: datetime) -> str:
    """The table's key for an aware instant: the start of its Tehran hour as ``YYYY-MM-DD HH:00:00``."""
    return f"{tehran_text(instant)[:13]}:00:00"


def hours_before(now: datetime, hours: int) -> list[datetime]:
    """The starts of that many Tehran hours before the current one, oldest first."""
    # Arithmetic on a zoned datetime counts wall hours; in UTC it counts real ones.
    current = hour_start(now).astimezone(timezone.utc)
    return hours_between(current - HOUR * hours, current)


def hours_between(first: datetime, end: datetime) -> list[datetime]:
    """The starts of the Tehran hours from `first` on, before `end`, oldest first."""
    start = hour_start(first).astimezone(timezone.utc)
    if start < first:
        start += HOUR
    count = max(0, -((start - end) // HOUR))
    return [(start + HOUR * number).astimezone(TEHRAN) for number in range(count)]


def hour_ranges(hours: Iterable[datetime]) -> list[tuple[datetime, datetime]]:
    """Join distinct hour starts into ranges without gaps, in UTC, oldest first, each as its first and last hour.

    A range continues if only the later of the two hours of one key is missing.
    """
    ranges: list[tuple[datetime, datetime]] = []
    # In UTC, because datetimes of one zone are compared by wall time.
    for hour in sorted(hour.astimezone(timezone.utc) for hour in hours):
        if ranges and (hour - ranges[-1][1] == HOUR or hour_key(hour - HOUR) == hour_key(ranges[-1][1])):
            ranges[-1] = (ranges[-1][0], hour)
        else:
            ranges.append((hour, hour))
    return ranges


def describe_hours(hours: Iterable[datetime]) -> str:
    """Hour starts as ``2026-11-22 14:00, 2026-11-22 18:00 to 2026-11-23 02:00``, in Tehran time."""
    named = [(tehran_text(first)[:16], tehran_text(last)[:16]) for first, last in hour_ranges(hours)]
    return ", ".join(first if first == last else f"{first} to {last}" for first, last in named)


def _days_before(year: int) -> int:
    # As in sql/parts/jalali.sql: 8 leap days in each 33 years, which is exact from 1178 to 1633.
    return (12053 * year + 21) // 33


def jalali_date(day: date) -> str:
    """The day in the Jalali calendar, ``YYYY-MM-DD``."""
    number = day.toordinal() - _DAY_ZERO
    year = (33 * number + 11) // 12053
    of_year = number - _days_before(year)
    before, length = (0, 31) if of_year < 6 * 31 else (6, 30)
    months, rest = divmod(of_year - before * 31, length)
    return f"{year:04}-{before + months + 1:02}-{rest + 1:02}"


def describe_alike(hours: Mapping[str, Iterable[datetime]]) -> dict[tuple[str, ...], str]:
    """Symbols with the same hours, to a description of these."""
    symbols: dict[str, list[str]] = {}
    for symbol, of_symbol in hours.items():
        symbols.setdefault(describe_hours(of_symbol), []).append(symbol)
    return {tuple(names): ranges for ranges, names in symbols.items()}


def time_bound(text: str, zone: tzinfo = TEHRAN) -> datetime:
    """The instant, in UTC, of a day or hour in the form ``2026-11-01``, ``2026-11-01 05`` or ``2026-11-01 05:00``.

    A year from 1380 to 1500 is of the Jalali calendar. A day means its beginning, a repeated wall hour the earlier one,
    a skipped hour the one that follows. Raises ConfigurationError.
    """
    gregorian = text
    if (found := _DATE.match(text)) and int(found[1]) in _JALALI_YEARS:
        year, month, number = map(int, found.groups())
        day = date.fromordinal(_DAY_ZERO + _days_before(year) + 31 * (month - 1) - max(0, month - 7) + number - 1)
        if jalali_date(day) != f"{year}-{month:02}-{number:02}":
            raise ConfigurationError(
                f"{text!r} does not exist in the Jalali calendar", next_step="give a day that does, such as 1405-08-10"
            )
        gregorian = f"{day}{text[found.end() :]}"
    for form in _BOUND_FORMS:
        with suppress(ValueError):
            at = datetime.strptime(gregorian.strip().replace("T", " "), form).replace(tzinfo=zone)
            if at.year < _FIRST_YEAR:
                raise ConfigurationError(
                    f"{text!r} is before {_FIRST_YEAR}, and its year is not a Jalali one",
                    next_step="give a year from 2009 on, or a Jalali year from 1380 to 1500",
                )
            return at.astimezone(timezone.utc)
    raise ConfigurationError(
        f"{text!r} is not a day or an hour", next_step="give it as 2026-11-01 or '2026-11-01 05:00', or as 1405-08-10"
    )


def time_span(
    first: str | None, end: str | None, zone: tzinfo = TEHRAN
) -> tuple[datetime | None, datetime | None, str]:
    """Both bounds, and the two in both calendars if one is Jalali. Raises ConfigurationError."""
    bounds = [None if text is None else time_bound(text, zone) for text in (first, end)]
    if bounds[0] and bounds[1] and bounds[0] >= bounds[1]:
        raise ConfigurationError(f"no hour from {first} to {end}", next_step="give a --to that is after --from")
    given = [(text, at.astimezone(zone)) for text, at in zip((first, end), bounds, strict=True) if text and at]
    is_jalali = any(int(text.strip()[:4]) in _JALALI_YEARS for text, _ in given)
    lines = [f"{at:%Y-%m-%d %H:%M} ({jalali_date(at)})" for _, at in given] if is_jalali else []
    return bounds[0], bounds[1], " to ".join(lines)


def from_text(text: str) -> datetime:
    """The aware instant of a stored text in `TEXT_FORMAT`, else ValueError; of a repeated wall hour the earlier one."""
    return datetime.strptime(text, TEXT_FORMAT).replace(tzinfo=TEHRAN)
