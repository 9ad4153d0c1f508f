"""Which hours are missing, decided once for heal, status, report and verify."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._bases.tehran_time import hour_key, hours_before
from transformers.coverage import (
    SPANS,
    HourState,
    Share,
    count_expected,
    cover,
    hour_states,
    hours_by_key,
    missing_among,
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


def letters(*, stored: set[int], holes: tuple[int, ...] = (), first: int | None = 0) -> str:
    """The letters of five hours, each named by its place; the symbol's first hour likewise."""
    keys = KEYS[:5]
    begin = None if first is None else KEYS[first]
    states = hour_states(keys, {KEYS[place] for place in stored}, {KEYS[place] for place in holes}, first=begin)
    return "".join(state.value for state in states)


def test_each_state_has_its_hour() -> None:
    """Stored, without a quote at the source, or missing."""
    assert letters(stored={0, 1}, holes=(2,)) == "ssnmm"


def test_hours_before_the_first_stored_one_are_not_expected() -> None:
    """They are neither missing nor without a quote, whatever was remembered of them."""
    assert letters(stored={3}, holes=(1,), first=3) == "---sm"


def test_a_symbol_that_was_never_stored_misses_nothing() -> None:
    """Without a first hour no hour is expected, remembered holes or not."""
    assert letters(stored=set(), holes=(1,), first=None) == "-----"


def test_a_stored_hour_is_stored_though_none_is_expected() -> None:
    """What a symbol that nobody follows has is there all the same."""
    assert letters(stored={1, 4}, first=None) == "-s--s"


def test_a_hole_that_was_filled_is_stored() -> None:
    """A hole is a note; a price stored later counts."""
    assert letters(stored={0, 2}, holes=(2,)) == "smsmm"


def test_hours_after_the_last_stored_one_are_missing() -> None:
    """A symbol that breaks off is expected all the same."""
    assert letters(stored={0, 1}) == "ssmmm"


def test_the_present_hour_is_in_no_span() -> None:
    """The hour in progress is never among the hours before it, so that it can be neither missing nor counted."""
    assert hour_key(NOW) not in HOURS
    assert cover(HOURS, {*KEYS, hour_key(NOW)}, (), first=LONG_AGO).shares["30d"] == Share(stored=720)


def test_a_heal_misses_what_lies_before_the_first_hour_too() -> None:
    """Unless a first hour is named, every hour without a price or a hole is missing."""
    hours = dict(list(HOURS.items())[:5])
    assert list(missing_among(hours, {KEYS[3]}, {KEYS[1]})) == [KEYS[0], KEYS[2], KEYS[4]]
    assert list(missing_among(hours, {KEYS[3]}, {KEYS[1]}, first=KEYS[3])) == [KEYS[4]]


def test_the_doubled_hour_is_one() -> None:
    """In an autumn until 2022 two hours have one key: it is missing once, at its earlier start, or stored once."""
    hours = hours_by_key(AUTUMN)
    assert list(hours) == sorted({hour_key(start) for start in AUTUMN})
    assert hours[DOUBLED] == AUTUMN[3]
    assert hours[DOUBLED].fold == 0
    missing = missing_among(hours, set(hours) - {DOUBLED}, ())
    assert list(missing.items()) == [(DOUBLED, AUTUMN[3])]
    assert not missing_among(hours, set(hours), ())
    assert not missing_among(hours, set(hours) - {DOUBLED}, {DOUBLED})


def test_the_doubled_hour_counts_once() -> None:
    """Six hours that share five keys are five, stored or missing."""
    hours = hours_by_key(AUTUMN)
    assert cover(hours, set(hours), (), first=LONG_AGO).shares["24h"] == Share(stored=5)
    assert cover(hours, set(hours) - {DOUBLED}, (), first=LONG_AGO).shares["24h"] == Share(stored=4, missing=1)
    assert cover(hours, {DOUBLED, KEYS[0]}, (), first=DOUBLED).counted_from == AUTUMN[3]


def test_a_full_month_is_a_hundred_percent() -> None:
    """Every hour stored: nothing is missing in any span."""
    coverage = cover(HOURS, set(KEYS), set(), first=LONG_AGO)
    assert [share.percent for share in coverage.shares.values()] == [100.0, 100.0, 100.0]
    assert (coverage.missing, coverage.without_quote, coverage.counted_from) == ([], [], STARTS[0])


def test_counting_starts_with_the_first_stored_hour() -> None:
    """A symbol that is followed for two days is not reproached with the weeks before."""
    coverage = cover(HOURS, set(KEYS[-48:]), set(), first=KEYS[-48])
    assert coverage.shares["30d"] == Share(stored=48)
    assert coverage.counted_from == STARTS[-48]


def test_a_symbol_stored_before_the_span_is_counted_from_its_start() -> None:
    """What was there before and is no more is missing."""
    coverage = cover(HOURS, set(KEYS[-48:]), set(), first=LONG_AGO)
    assert coverage.shares["30d"] == Share(stored=48, missing=672)
    assert (coverage.shares["30d"].expected, coverage.missing) == (720, STARTS[:672])


@pytest.mark.parametrize("first", [None, hour_key(NOW)], ids=["never", "in the present hour"])
def test_nothing_stored_expects_nothing(first: str | None) -> None:
    """Before the first price there is no percentage."""
    coverage = cover(HOURS, set(), set(), first=first)
    assert {share.percent for share in coverage.shares.values()} == {None}
    assert coverage.counted_from is None


def test_one_missing_hour_is_never_rounded_to_a_hundred() -> None:
    """719 of 720 hours are 99.8 percent."""
    assert cover(HOURS, set(KEYS[1:]), set(), first=LONG_AGO).shares["30d"].percent == 99.8


def test_percent_is_cut_off_not_rounded() -> None:
    """One missing hour of 10,000 is not 100 %; where nothing is expected there is no percentage."""
    assert Share(stored=9999, missing=1).percent == 99.9
    assert Share(stored=2, missing=1, without_quote=1).percent == 50.0
    assert Share(stored=3).percent == 100.0
    assert Share().percent is None


@given(stored=st.sets(st.sampled_from(KEYS)), holes=st.sets(st.sampled_from(KEYS)))
def test_each_hour_is_stored_missing_or_without_a_quote(stored: set[str], holes: set[str]) -> None:
    """Of the hours that count each is in exactly one of the three, and a stored hour is never a hole."""
    coverage = cover(HOURS, stored, holes, first=LONG_AGO)
    missing, without = set(map(hour_key, coverage.missing)), set(map(hour_key, coverage.without_quote))
    assert missing | without | stored == set(KEYS)
    assert missing & stored == without & stored == missing & without == set()
    assert coverage.shares["30d"] == Share(len(stored), len(missing), len(without))
    assert list(coverage.shares) == list(SPANS)
    assert missing_among(HOURS, stored, holes).keys() == missing


@given(st.lists(st.sampled_from(HourState)))
def test_counts_add_up(states: list[HourState]) -> None:
    """Stored, missing and without a quote are the hours that were expected."""
    counted = count_expected(states)
    assert counted.expected == sum(one is not HourState.NOT_EXPECTED for one in states)
    assert counted.plus(Share()) == counted


@pytest.mark.parametrize(
    ("values", "line"),
    [([], ""), ([None, None], "··"), ([1.0, 1.0], "▄▄"), ([1.0, None, 2.0], "▁·█"), ([3.0, 2.0, 1.0], "█▅▁")],
)
def test_sparkline(values: list[float | None], line: str) -> None:
    """The lowest value is the lowest block, the highest the highest, no value a dot."""
    assert sparkline(values) == line
