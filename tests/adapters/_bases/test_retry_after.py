"""The wait that an answer asks for."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._bases.http_adapter import retry_after_seconds

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "Sun, 22 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Sun, 22 Nov 2026 11:59:30 GMT"}, 0.0),
        ({"retry-after": "Sun, 22 Nov 2026 12:00:30 -0000"}, 30.0),
        ({}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
    ],
)
def test_seconds_and_dates_are_read(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds and HTTP dates are understood, the past is no wait, and nonsense is as no header."""
    assert retry_after_seconds(headers, now=NOW) == seconds


def test_a_date_is_reckoned_from_the_answers_own_clock() -> None:
    """A host clock that is an hour off does not change the wait, if the answer carries its date."""
    headers = {"retry-after": "Sun, 22 Nov 2026 12:00:30 GMT", "date": "Sun, 22 Nov 2026 12:00:00 GMT"}
    assert retry_after_seconds(headers, now=NOW + timedelta(hours=1)) == 30.0


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_header_whatever_raises(value: str, date: str) -> None:
    """Any text gives None or a wait of 0 seconds or more."""
    seconds = retry_after_seconds({"retry-after": value, "date": date}, now=NOW)
    assert seconds is None or seconds >= 0
