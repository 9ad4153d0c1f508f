"""Formatted numbers, and the packed data of the chart."""

from __future__ import annotations

import base64
import gzip
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.price_report import (
    change_text,
    duration_text,
    packed_json,
    percent_text,
    period_text,
    price_text,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (87654.32, "87,654.32"),
        (131.2468, "131.247"),
        (1.0, "1.00000"),
        (0.27435, "0.274350"),
        (0.0000078911, "0.00000789110"),
        (0.0, "0.00000"),
        (None, "–"),  # noqa: RUF001 - the dash it is
    ],
)
def test_prices_have_six_digits_and_no_powers(value: float | None, text: str) -> None:
    """Large and tiny prices alike."""
    assert price_text(value) == text


@given(st.floats(min_value=1e-12, max_value=1e12))
def test_a_price_reads_back(value: float) -> None:
    """What is shown is the price, but for its last digits."""
    assert float(price_text(value).replace(",", "")) == pytest.approx(value, rel=1e-2 if value < 1e-9 else 1e-5)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0, "0 s"), (59, "59 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],  # noqa: RUF001
)
def test_durations(seconds: float | None, text: str) -> None:
    """Seconds, minutes, hours; a dash for an unknown one."""
    assert duration_text(seconds) == text


def test_percentages() -> None:
    """A change has its sign, a true minus."""
    assert change_text(-1234.5) == "−1,234.50 %"  # noqa: RUF001 - a minus sign
    assert change_text(0.5) == "+0.50 %"
    assert change_text(None) == percent_text(None)
    assert percent_text(99.9) == "99.9 %"


@pytest.mark.parametrize(
    ("hours", "text"),
    [(24, "24 h"), (48, "48 h"), (72, "3 d"), (100, "100 h"), (168, "7 d"), (720, "30 d"), (24000, "1,000 d")],
)
def test_periods(hours: int, text: str) -> None:
    """Days where they are whole and more than two, else hours."""
    assert period_text(hours) == text


def test_packed_data_holds_no_markup() -> None:
    """It is base64 to a parser, and unpacks to the same data; NaN is an error."""
    foreign = ["</script>", "<!--", "\u2028", "\N{ROCKET}", "&lt;"]
    assert json.loads(gzip.decompress(base64.b64decode(packed_json(foreign), validate=True))) == foreign
    with pytest.raises(ValueError, match="JSON"):
        packed_json([math.nan])
