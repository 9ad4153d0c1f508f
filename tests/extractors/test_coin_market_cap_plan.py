"""Which calls bring a span of hours."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters._bases.tehran_time import TEHRAN, hours_before
from extractors.coin_market_cap_plan import MAX_IDS, MAX_POINTS, STEP, plan_backfill
from extractors.coin_market_cap_quote import Coin

END = datetime(2026, 11, 22, 12, 30, tzinfo=timezone.utc)


def coins_of(number: int) -> list[Coin]:
    """Coins with the ids 1 to ``number``."""
    return [Coin(f"C{cmc_id}", cmc_id) for cmc_id in range(1, number + 1)]


@settings(max_examples=60, deadline=None)
@given(number=st.integers(0, 400), hours=st.integers(0, 48))
def test_every_half_hour_of_every_coin_is_in_exactly_one_call(number: int, hours: int) -> None:
    """The calls cover [start, end) without gap or overlap, time_start being exclusive and time_end inclusive."""
    start = END - timedelta(hours=hours)
    plan = plan_backfill(coins_of(number), start=start, end=END)
    asked: Counter[tuple[int, datetime]] = Counter()
    for call in plan.calls:
        steps = (call.time_end - call.time_start) // STEP
        asked.update((cmc_id, call.time_start + STEP * step) for cmc_id in call.ids for step in range(1, steps + 1))
    wanted = {(coin.cmc_id, start + STEP * step) for coin in coins_of(number) for step in range(2 * hours)}
    assert set(asked) == wanted
    assert set(asked.values()) <= {1}
    assert plan.points == len(wanted)


@settings(max_examples=100, deadline=None)
@given(number=st.integers(1, 1500), hours=st.integers(1, 20_000))
def test_no_call_passes_the_bounds(number: int, hours: int) -> None:
    """Whatever is asked for, a call has at most 250 ids and 10,000 points, and the credits add up call by call."""
    plan = plan_backfill(coins_of(number), start=END - timedelta(hours=hours), end=END)
    for call in plan.calls:
        assert 1 <= len(call.ids) <= MAX_IDS
        assert 1 <= call.points < call.limit <= MAX_POINTS
    assert plan.points == sum(call.points for call in plan.calls) == number * hours * 2
    assert plan.credits == sum((call.points + 99) // 100 for call in plan.calls)


@pytest.mark.parametrize(("number", "hours", "calls"), [(100, 168, 4), (3, 48, 1), (250, 1, 1), (1000, 720, 167)])
def test_the_number_of_calls(number: int, hours: int, calls: int) -> None:
    """Coins and hours are batched together, never a call an hour."""
    assert len(plan_backfill(coins_of(number), start=END - timedelta(hours=hours), end=END).calls) == calls


@pytest.mark.parametrize("now", [datetime(2022, 9, 22, 12, tzinfo=TEHRAN), datetime(2022, 3, 22, 12, tzinfo=TEHRAN)])
def test_hours_are_real_ones_where_tehrans_clocks_moved(now: datetime) -> None:
    """24 hours over the change of the clocks are 48 half hours, and all of them within the call's bounds."""
    plan = plan_backfill(coins_of(3), start=hours_before(now, 24)[0], end=now)
    (call,) = plan.calls
    assert call.points == plan.points == 3 * 48
    assert call.time_end - call.time_start == timedelta(hours=24)
    assert call.time_end == now - STEP


def test_an_id_under_two_symbols_is_asked_for_once() -> None:
    """A coin is paid for once."""
    plan = plan_backfill([Coin("A", 7), Coin("B", 7)], start=END - timedelta(hours=1), end=END)
    assert [call.ids for call in plan.calls] == [(7,)]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (END.replace(tzinfo=None), END),
        (END, END.replace(tzinfo=None)),
        (END - timedelta(minutes=30), END),
    ],
)
def test_bounds_that_are_no_hours_are_refused(start: datetime, end: datetime) -> None:
    """Naive bounds and broken hours are mistakes of the caller."""
    with pytest.raises(ValueError, match=r"bounds|span"):
        plan_backfill(coins_of(1), start=start, end=end)
