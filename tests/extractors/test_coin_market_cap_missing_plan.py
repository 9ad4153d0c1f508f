"""Which calls bring scattered missing hours, and how far a budget of credits goes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from hypothesis import given, settings
from hypothesis import strategies as st

from extractors.coin_market_cap_plan import (
    MAX_IDS,
    MAX_POINTS,
    STEP,
    BackfillPlan,
    plan_backfill,
    plan_missing,
    within_credits,
)
from extractors.coin_market_cap_quote import Coin

START = datetime(2026, 11, 1, 20, 30, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
SPAN = 200

Missing = dict[int, set[datetime]]
few_hours = st.sets(st.integers(0, SPAN - 1), max_size=12)
any_missing = st.dictionaries(st.integers(1, 900), few_hours, max_size=40)


def hours_of(missing: dict[int, set[int]]) -> Missing:
    """Numbers of hours since `START` as their starts."""
    return {cmc_id: {START + HOUR * number for number in numbers} for cmc_id, numbers in missing.items()}


def covered(plan: BackfillPlan) -> Iterator[tuple[int, datetime]]:
    """Each coin and hour that a plan asks for, both half hours of it."""
    for call in plan.calls:
        for number in range((call.time_end - call.time_start) // HOUR):
            yield from ((cmc_id, call.time_start + STEP + HOUR * number) for cmc_id in call.ids)


def pairs(missing: Missing) -> set[tuple[int, datetime]]:
    """What is missing, pair by pair."""
    return {(cmc_id, hour) for cmc_id, hours in missing.items() for hour in hours}


@settings(max_examples=150, deadline=None)
@given(numbers=any_missing)
def test_every_missing_hour_is_asked_for(numbers: dict[int, set[int]]) -> None:
    """Whatever is missing, some call brings it, and no call is over the bounds of the API."""
    missing = hours_of(numbers)
    plan = plan_missing(missing)
    assert pairs(missing) <= set(covered(plan))
    for call in plan.calls:
        assert 1 <= len(call.ids) <= MAX_IDS
        assert 1 <= call.points < call.limit <= MAX_POINTS


@settings(max_examples=150, deadline=None)
@given(numbers=any_missing)
def test_it_never_costs_more_than_asking_for_everything(numbers: dict[int, set[int]]) -> None:
    """The whole span of all coins that miss anything is the dearest that a plan gets."""
    missing = hours_of({cmc_id: hours for cmc_id, hours in numbers.items() if hours})
    everything = plan_backfill([Coin("C", cmc_id) for cmc_id in missing], start=START, end=START + HOUR * SPAN)
    assert plan_missing(missing).credits <= everything.credits


@settings(max_examples=150, deadline=None)
@given(numbers=any_missing, most=st.integers(0, 40))
def test_a_budget_is_kept_and_used(numbers: dict[int, set[int]], most: int) -> None:
    """A plan within a budget never costs more, asks for nothing else, and is the plan itself where that fits."""
    plan = plan_missing(hours_of(numbers))
    within = within_credits(plan, most)
    assert within.credits <= most
    assert set(covered(within)) <= set(covered(plan))
    assert (within == plan) == (plan.credits <= most)
    for call in within.calls:
        assert 1 <= call.points < call.limit <= MAX_POINTS


def test_an_outage_of_all_coins_is_one_call() -> None:
    """Hours that are missing for every coin alike are asked for together."""
    plan = plan_missing(hours_of({cmc_id: {5, 6, 7} for cmc_id in range(1, 101)}))
    assert [(len(call.ids), call.points) for call in plan.calls] == [(100, 600)]


def test_near_hours_of_a_coin_are_one_call() -> None:
    """Two hours a day apart cost one credit together and two apart."""
    plan = plan_missing(hours_of({1: {0, 24}}))
    assert (len(plan.calls), plan.credits) == (1, 1)


def test_distant_hours_are_not_joined() -> None:
    """What lies between two outages of a hundred coins is not paid for."""
    plan = plan_missing(hours_of({cmc_id: {0, 150} for cmc_id in range(1, 101)}))
    assert (len(plan.calls), plan.credits) == (2, 4)


def test_nothing_missing_costs_nothing() -> None:
    """No coin, or coins that miss nothing: no call."""
    assert plan_missing({}).calls == plan_missing({1: set()}).calls == ()


def test_a_budget_too_small_for_a_call_takes_a_part_of_it() -> None:
    """Of a call that costs three credits, one credit brings as many coins as it pays for."""
    plan = plan_missing(hours_of({cmc_id: {0} for cmc_id in range(1, 151)}))
    assert plan.credits == 3
    assert [len(call.ids) for call in within_credits(plan, 1).calls] == [50]
