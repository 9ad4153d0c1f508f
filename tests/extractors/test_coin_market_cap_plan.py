"""Which calls bring the wanted hours, and how far a budget of credits goes."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._bases.tehran_time import HOUR
from extractors.coin_market_cap_plan import (
    MAX_IDS,
    MAX_POINTS,
    HistoricalCall,
    credits_of,
    plan_calls,
    within_credits,
)

START = datetime(2026, 11, 1, 20, 30, tzinfo=timezone.utc)
SPAN = 200

Wanted = dict[int, set[datetime]]


def hours(*numbers: int) -> set[datetime]:
    """The starts of hours by their distance to `START`."""
    return {START + HOUR * number for number in numbers}


few_hours = st.sets(st.integers(0, SPAN - 1), max_size=12).map(lambda numbers: hours(*numbers))
any_wanted = st.dictionaries(st.integers(1, 900), few_hours, max_size=40)


def covered(calls: list[HistoricalCall]) -> Counter[tuple[int, datetime]]:
    return Counter(
        (cmc_id, call.start + HOUR * number)
        for call in calls
        for number in range((call.end - call.start) // HOUR)
        for cmc_id in call.ids
    )


@given(wanted=any_wanted)
def test_every_wanted_hour_is_in_a_call_within_bounds(wanted: Wanted) -> None:
    calls = plan_calls(wanted)
    assert {(cmc_id, hour) for cmc_id, starts in wanted.items() for hour in starts} <= set(covered(calls))
    assert [call.start for call in calls] == sorted(call.start for call in calls)
    for call in calls:
        assert 1 <= len(call.ids) <= MAX_IDS
        assert 1 <= call.points < call.limit <= MAX_POINTS
    whole = hours(*range(SPAN))
    assert credits_of(calls) <= credits_of(plan_calls({cmc_id: whole for cmc_id, one in wanted.items() if one}))


@given(number=st.integers(0, 400), count=st.integers(1, 48))
def test_unbroken_span_is_requested_once(number: int, count: int) -> None:
    span = hours(*range(count))
    calls = plan_calls(dict.fromkeys(range(1, number + 1), span))
    assert covered(calls) == Counter((cmc_id, hour) for cmc_id in range(1, number + 1) for hour in span)
    assert credits_of(calls) == sum((call.points + 99) // 100 for call in calls)
    assert sum(call.points for call in calls) == 2 * number * (count + 1)


@pytest.mark.parametrize(
    ("wanted", "shape"),
    [
        ({}, []),
        ({1: hours()}, []),
        (dict.fromkeys(range(100), hours(5, 6, 7)), [(100, 3, 8)]),
        ({1: hours(0, 24)}, [(1, 25, 1)]),
        (dict.fromkeys(range(100), hours(0, 150)), [(100, 1, 4), (100, 1, 4)]),
        ({1: hours(0), 2: hours(3)}, [(2, 4, 1)]),
    ],
    ids=["none", "no hour", "an outage", "near hours", "distant hours", "near hours of two coins"],
)
def test_ranges_are_joined_if_free(wanted: Wanted, shape: list[tuple[int, int, int]]) -> None:
    assert [(len(call.ids), (call.end - call.start) // HOUR, call.credits) for call in plan_calls(wanted)] == shape


@given(wanted=any_wanted, most=st.integers(0, 40))
def test_budget_is_kept(wanted: Wanted, most: int) -> None:
    calls = plan_calls(wanted)
    within = within_credits(calls, most)
    assert credits_of(within) <= most
    assert set(covered(within)) <= set(covered(calls))
    assert (within == calls) == (credits_of(calls) <= most)
    assert all(call.points >= 1 for call in within)


@pytest.mark.parametrize(
    ("coins", "count", "most", "shape"),
    [(150, 1, 1, [(25, 1)]), (150, 1, 2, [(50, 1)]), (3, 120, 1, [(1, 49)]), (3, 120, 3, [(1, 120)]), (3, 1, 0, [])],
)
def test_budget_too_small_for_a_call_takes_a_part_of_it(
    coins: int, count: int, most: int, shape: list[tuple[int, int]]
) -> None:
    """As many coins as it pays for, else as many hours of one coin: (coins, hours)."""
    within = within_credits(plan_calls(dict.fromkeys(range(coins), hours(*range(count)))), most)
    assert [(len(call.ids), (call.end - call.start) // HOUR) for call in within] == shape
    assert all(call.start == START for call in within)
