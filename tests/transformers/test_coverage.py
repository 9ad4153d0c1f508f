"""Which hours are missing, decided once for heal, status, report and verify."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._bases.tehran_time import HOUR, hour_key, hours_before
from transformers.coverage import (
    SPANS,
    Share,
    cover,
    hour_states,
    hours_by_key,
    is_whole,
    missing_among,
    reach,
    sparkline,
)

NOW = datetime(2026, 11, 23, 12, 7, tzinfo=timezone.utc)
HOURS = hours_by_key(hours_before(NOW, 720))
KEYS = list(HOURS)
STARTS = list(HOURS.values())
LONG_AGO = "2020-01-01 00:00:00"

AUTUMN = hours_before(datetime(2022, 9, 21, 22, 7, tzinfo=timezone.utc), 6)
"""Before the hour of 01:00 on 2022-09-22 in Tehran: 20:00, 21:00, 22:00, 23:00, 23:00 again and 00:00."""
DOUBLED = "2022-09-21 23:00:00"


@pytest.mark.parametrize(
    ("stored", "holes", "first", "states"),
    [
        ({0, 1}, (2,), 0, "ssnmm"),
        ({3}, (1,), 3, "---sm"),  # before the first stored hour none is expected, remembered holes or not
        (set(), (1,), None, "-----"),  # nor of a symbol that was never stored
        ({1, 4}, (), None, "-s--s"),  # but what is stored is stored
        ({0, 2}, (2,), 0, "smsmm"),  # a hole is a note; a price stored later counts
        ({0, 1}, (), 0, "ssmmm"),  # a symbol that breaks off is expected all the same
    ],
)
def test_state_of_each_hour(stored: set[int], holes: tuple[int, ...], first: int | None, states: str) -> None:
    """Of five hours, each named by its place; the symbol's first hour likewise."""
    begin = None if first is None else KEYS[first]
    found = hour_states(KEYS[:5], {KEYS[place] for place in stored}, {KEYS[place] for place in holes}, first=begin)
    assert found == states


def test_hours_before_the_first_stored_one_are_missing_for_a_heal() -> None:
    hours = dict(list(HOURS.items())[:5])
    assert list(missing_among(hours, {KEYS[3]}, {KEYS[1]})) == [KEYS[0], KEYS[2], KEYS[4]]


def test_repeated_hour_is_one_key() -> None:
    """Six hours that share five keys are five, stored or missing, the doubled one at its earlier start."""
    hours = hours_by_key(AUTUMN)
    assert list(hours) == sorted({hour_key(start) for start in AUTUMN})
    assert (hours[DOUBLED], hours[DOUBLED].fold) == (AUTUMN[3], 0)
    assert missing_among(hours, set(hours) - {DOUBLED}, ()) == {DOUBLED: AUTUMN[3]}
    assert cover(hours, set(hours), (), first=LONG_AGO).shares["24h"] == Share(stored=5)
    assert cover(hours, set(hours) - {DOUBLED}, (), first=LONG_AGO).shares["24h"] == Share(stored=4, missing=1)
    assert cover(hours, {DOUBLED, KEYS[0]}, (), first=DOUBLED).counted_from == AUTUMN[3]


@pytest.mark.parametrize(
    ("stored", "first", "share", "counted_from"),
    [
        (KEYS, LONG_AGO, Share(stored=720), STARTS[0]),
        (KEYS[-48:], KEYS[-48], Share(stored=48), STARTS[-48]),
        (KEYS[-48:], LONG_AGO, Share(stored=48, missing=672), STARTS[0]),
        ([], None, Share(), None),
        ([], hour_key(NOW), Share(), None),
    ],
    ids=["a full month", "new for two days", "stored before, then not", "never stored", "stored in the present hour"],
)
def test_counting_starts_with_the_first_stored_hour(
    stored: list[str], first: str | None, share: Share, counted_from: datetime | None
) -> None:
    """A new symbol is not missing the weeks before; what was stored before the span and is no more is missing."""
    coverage = cover(HOURS, set(stored), set(), first=first)
    assert (coverage.shares["30d"], coverage.counted_from) == (share, counted_from)
    assert coverage.missing == (STARTS[:672] if share.missing else [])


def test_each_span_counts_its_latest_hours() -> None:
    shares = cover(hours_by_key(hours_before(NOW, 1000)), set(KEYS[-48:]), set(), first=LONG_AGO).shares
    assert list(shares.items()) == [
        ("24h", Share(stored=24)),
        ("7d", Share(stored=48, missing=120)),
        ("30d", Share(stored=48, missing=672)),
    ]


def test_no_hour_of_an_absence_is_expected() -> None:
    absent = [(KEYS[1], KEYS[2])]
    assert hour_states(KEYS[:5], {KEYS[4]}, (), first=LONG_AGO, absent=absent) == "m--ms"
    assert list(missing_among(dict(list(HOURS.items())[:5]), {KEYS[4]}, (), absent)) == [KEYS[0], KEYS[3]]


@pytest.mark.parametrize(
    ("points", "whole"),
    [
        ([1, 2, 3.9, 4], True),
        ([1, 3, 5], True),  # the source lacks 2 and 4: it gave something before and after
        ([2, 3, 5], False),
        ([0, 1, 3], False),
        ([], False),
        ([1.5] * 99 + [5], False),  # 100 points, perhaps a limit
        ([1.5] * 100 + [5], True),
    ],
)
def test_whole_answer(points: list[float], *, whole: bool) -> None:
    """About the hours 1 to 4 of a day; points are at numbers of hours."""
    assert is_whole(STARTS[1:5], [STARTS[0] + point * HOUR for point in points]) is whole


@pytest.mark.parametrize(
    ("share", "percent"),
    [
        (Share(stored=719, missing=1), 99.8),
        (Share(stored=9999, missing=1), 99.9),
        (Share(stored=2, missing=1, without_quote=1), 50.0),
        (Share(stored=3), 100.0),
        (Share(), None),
    ],
)
def test_percent_is_rounded_down(share: Share, percent: float | None) -> None:
    assert share.percent == percent


@pytest.mark.parametrize(
    ("hours", "back"),
    [([NOW], 1), ([], 1), (STARTS[-1:], 1), (STARTS[-7:-3], 7), (hours_before(NOW, 60_000)[:1], 60_000)],
)
def test_reach_includes_every_hour(hours: list[datetime], back: int) -> None:
    assert reach(hours, NOW) == back


@given(stored=st.sets(st.sampled_from(KEYS)), holes=st.sets(st.sampled_from(KEYS)))
def test_each_hour_is_stored_missing_or_without_a_quote(stored: set[str], holes: set[str]) -> None:
    coverage = cover(HOURS, stored, holes, first=LONG_AGO)
    missing, without = set(map(hour_key, coverage.missing)), set(map(hour_key, coverage.without_quote))
    assert missing | without | stored == set(KEYS)
    assert missing & stored == without & stored == missing & without == set()
    assert coverage.shares["30d"] == Share(len(stored), len(missing), len(without))
    assert list(coverage.shares) == list(SPANS)
    assert missing_among(HOURS, stored, holes).keys() == missing


@pytest.mark.parametrize(
    ("values", "line"),
    [([], ""), ([None, None], "··"), ([1.0, 1.0], "▄▄"), ([1.0, None, 2.0], "▁·█"), ([3.0, 2.0, 1.0], "█▅▁")],
)
def test_sparkline(values: list[float | None], line: str) -> None:
    assert sparkline(values) == line
