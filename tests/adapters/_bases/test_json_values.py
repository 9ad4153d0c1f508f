"""Lenient reading of what JSON holds."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._bases.json_values import instant, json_value, whole
from adapters._bases.wording import shown

NOTHING: list[object] = [None, [], {}]


@pytest.mark.parametrize(
    ("value", "number"),
    [
        *((form, 7) for form in (7, 7.0, "7", " 7", "7.0", "7.", "+7", "007")),
        *((form, 1) for form in (True, 1, "1")),
        *((form, 0) for form in (False, 0, -0.0, "0", "-0")),
        (-3, -3),
        ("-3", -3),
        (2**70, 2**70),
        *((form, None) for form in (7.5, "7.5", "seven", "", "7 8", "\u0667", "1e3", math.nan, math.inf)),
        *((form, None) for form in NOTHING),
        ("9" * 5000, None),
    ],
)
def test_a_whole_number_is_read_in_every_form(value: object, number: int | None) -> None:
    """As a number, a float, a text or a truth value; what is not whole is not guessed."""
    assert whole(value) == number
    assert type(whole(value)) in (int, type(None))


@pytest.mark.parametrize("sign", ["", "-"])
def test_number_beyond_a_double_is_a_text(sign: str) -> None:
    """On every version of Python; what stands beside it is read, as is JSON outside the standard."""
    text = f'{{"endless": {sign}{"9" * 5000}, "large": {sign}1e999, "long": {"9" * 400}, "short": 7.5}}'
    value = {"endless": f"{sign}{'9' * 5000}", "large": f"{sign}1e999", "long": int("9" * 400), "short": 7.5}
    assert json_value(text.encode()) == value
    # A byte order mark, half a character, a broken byte and a literal.
    assert json_value(b'\xef\xbb\xbf["\\ud800", "\xff", NaN]') == ["?", "\ufffd", "NaN"]


def test_foreign_values_are_shown_short_and_printable() -> None:
    values = ({"a": 1}, [1], None, "é" * 99, 2**128 - 1, 2**128)
    assert list(map(shown, values)) == [
        *("an object", "a list", "None", ascii("é" * 40), str(2**128 - 1), "a huge number")
    ]


SECOND = datetime(2026, 11, 22, 11, 59, 59, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-22T11:59:59Z", SECOND),
        ("2026-11-22T11:59:59.123Z", SECOND + timedelta(microseconds=123_000)),
        ("2026-11-22T11:59:59.9999999Z", SECOND + timedelta(microseconds=999_999)),
        ("2026-11-22T11:59:59.123456789Z", SECOND + timedelta(microseconds=123_456)),
        ("2026-11-22T11:59:59", SECOND),
        ("2026-11-22T15:29:59+03:30", SECOND),
        ("2026-11-22T06:59:59-05:00", SECOND),
        *((text, None) for text in ("", "2026-11-22", "2026-11-22T25:00:00Z", "2026-02-30T00:00:00Z", "1763812799")),
        *((text, None) for text in ("0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z")),
    ],
)
def test_a_time_is_read_in_every_form(text: str, time: datetime | None) -> None:
    """Cut, never rounded, so that no price moves to the next hour; a zero time or half a time is none."""
    assert instant(text) == time


@given(
    st.datetimes(datetime(2009, 1, 2), datetime(2099, 1, 1)),  # noqa: DTZ001 - the zone is drawn beside it
    st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_what_python_writes_is_read_back(wall: datetime, zone: timezone) -> None:
    time = wall.replace(tzinfo=zone)
    read = instant(time.isoformat())
    assert (read, read and read.utcoffset()) == (time, timedelta(0))


@given(st.text(max_size=40))
def test_no_text_raises(text: str) -> None:
    instant(text)
    whole(text)
    assert json_value(json.dumps(text).encode()) == text
