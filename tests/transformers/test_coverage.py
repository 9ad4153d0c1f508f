"""How much of a span of hours is stored."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._bases.tehran_time import hour_key, hours_before
from transformers.coverage import SPANS, Share, cover, sparkline

NOW = datetime(2026, 11, 23, 12, 7, tzinfo=timezone.utc)
HOURS = hours_before(NOW, 720)
KEYS = [hour_key(hour) for hour in HOURS]


def test_a_full_month_is_a_hundred_percent() -> None:
    """Every hour stored: nothing is missing in any span."""
    coverage = cover(HOURS, set(KEYS), set(), stored_before=True)
    assert [share.percent for share in coverage.shares.values()] == [100.0, 100.0, 100.0]
    assert (coverage.missing, coverage.without_quote, coverage.counted_from) == ([], [], HOURS[0])


def test_counting_starts_with_the_first_stored_hour() -> None:
    """A symbol that is followed for two days is not reproached with the weeks before."""
    coverage = cover(HOURS, set(KEYS[-48:]), set(), stored_before=False)
    assert coverage.shares["30d"] == Share(48, 48)
    assert coverage.counted_from == HOURS[-48]


def test_a_symbol_stored_before_the_span_is_counted_from_its_start() -> None:
    """What was there before and is no more is missing."""
    coverage = cover(HOURS, set(KEYS[-48:]), set(), stored_before=True)
    assert coverage.shares["30d"] == Share(48, 720)
    assert len(coverage.missing) == 672


def test_nothing_stored_expects_nothing() -> None:
    """Before the first price there is no percentage."""
    coverage = cover(HOURS, set(), set(), stored_before=False)
    assert {share.percent for share in coverage.shares.values()} == {None}
    assert coverage.counted_from is None


def test_one_missing_hour_is_never_rounded_to_a_hundred() -> None:
    """719 of 720 hours are 99.8 percent."""
    assert cover(HOURS, set(KEYS[1:]), set(), stored_before=True).shares["30d"].percent == 99.8


@given(stored=st.sets(st.sampled_from(KEYS)), holes=st.sets(st.sampled_from(KEYS)))
def test_each_hour_is_stored_missing_or_without_a_quote(stored: set[str], holes: set[str]) -> None:
    """Of the hours that count each is in exactly one of the three, and a stored hour is never a hole."""
    coverage = cover(HOURS, stored, holes, stored_before=True)
    missing, without = set(map(hour_key, coverage.missing)), set(map(hour_key, coverage.without_quote))
    assert missing | without | stored == set(KEYS)
    assert missing & stored == without & stored == missing & without == set()
    assert coverage.shares["30d"].stored == len(stored)
    assert list(coverage.shares) == list(SPANS)


@pytest.mark.parametrize(
    ("values", "line"),
    [([], ""), ([None, None], "··"), ([1.0, 1.0], "▄▄"), ([1.0, None, 2.0], "▁·█"), ([3.0, 2.0, 1.0], "█▅▁")],
)
def test_sparkline(values: list[float | None], line: str) -> None:
    """The lowest value is the lowest block, the highest the highest, no value a dot."""
    assert sparkline(values) == line
