"""What the page says of a symbol's hours."""

from __future__ import annotations

from reports.price_summary import SymbolSummary, shown_hours, summarize
from tests.support.report_contents import hour_keys, stored_price
from transformers.coverage import Share

HOURS = hour_keys(5)


def summary(
    stored: dict[int, bool], *, holes: tuple[int, ...] = (), first: int | None = 0, hours: int = 5
) -> SymbolSummary:
    """Of BTC; stored maps the place of an hour to whether it was updated, the others are places too."""
    keys = hour_keys(hours)
    prices = [stored_price(hour=keys[place], is_updated=updated) for place, updated in stored.items()]
    [found] = summarize(
        keys,
        prices,
        holes={"BTC": {keys[place] for place in holes}, "ETH": set(keys)},
        followed=["BTC"],
        first_hours={} if first is None else {"BTC": keys[first]},
    )
    return found


def test_each_state_has_its_hour() -> None:
    """Stored, updated, without a quote, missing, and the hour in progress that has no row yet."""
    assert summary({0: False, 1: True}, holes=(2,)).states == "sunmmw"


def test_the_hour_in_progress_may_be_stored() -> None:
    """A row of the present hour is a row."""
    assert summary({5: False}).states == "mmmmms"


def test_the_hour_in_progress_is_no_hole() -> None:
    """Whatever was remembered of it, it may still come."""
    assert summary({0: False}, holes=(5,)).states == "smmmmw"


def test_nothing_is_expected_before_the_first_hour() -> None:
    """Hours before that are not missing, and rows among them are stored all the same."""
    assert summary({1: False, 4: False}, first=3).states == "-s-msw"


def test_a_coin_that_never_had_a_price_is_expected_at_no_hour() -> None:
    """Nor at the present one, nor when all that is stored is of an hour to come."""
    assert (summary({}, first=None).states, summary({}, first=None).never_stored) == ("------", True)


def test_a_hole_that_was_filled_is_stored() -> None:
    """A hole is a note; a price stored later counts."""
    assert summary({2: False}, holes=(2,)).states == "mmsmmw"


def test_counts_leave_out_the_hour_in_progress() -> None:
    """Updated hours are stored ones; the last hour, whatever it is, does not count."""
    found = summary({0: False, 1: True, 5: True}, holes=(2,), hours=5)
    assert (found.coverage, found.updated) == (Share(stored=2, missing=2, without_quote=1), 1)
    found = summary({0: False}, hours=1)
    assert (found.states, found.coverage) == ("sw", Share(stored=1))


def test_the_longest_gap_is_of_missing_hours_in_a_row() -> None:
    """An hour without a quote ends a gap: there is nothing to fill there."""
    assert summary({2: False, 8: False}, holes=(6,), hours=9).states == "mmsmmmnmsw"
    assert summary({2: False, 8: False}, holes=(6,), hours=9).longest_gap == 3
    assert summary({0: False, 1: True}, hours=2).longest_gap == 0


def test_hours_are_shown_from_the_first_that_counts() -> None:
    """Stored or expected; a day and the present hour stay, and all where nothing is left out."""
    keys = hour_keys(100)
    assert shown_hours(keys, [stored_price(hour=keys[30])], [keys[40]]) == keys[30:]
    assert shown_hours(keys, [stored_price(hour=keys[40])], [keys[30]]) == keys[30:]
    assert shown_hours(keys, [stored_price(hour=keys[-1])], []) == keys[-25:]
    assert shown_hours(keys, [], ["2020-01-01 00:00:00"]) == keys
    assert shown_hours(keys, [], []) == keys
    assert shown_hours(keys[:5], [stored_price(hour=keys[4])], []) == keys[:5]


def test_an_earlier_price_is_for_the_changes_alone() -> None:
    """A coin whose rows all lie before these hours is shown only where it is followed, without a price."""
    earlier = stored_price("OLD", "2026-11-20 00:00:00")
    found = summarize(HOURS, [earlier], holes={}, followed=[], first_hours={})
    assert found == []
    [found_followed] = summarize(HOURS, [earlier], holes={}, followed=["OLD"], first_hours={"OLD": earlier.datetime})
    assert (found_followed.rows, found_followed.last_hour, found_followed.change_24h) == (0, "", None)


def test_a_change_needs_two_prices_that_are_numbers() -> None:
    """From zero, NaN or infinity nothing is a change."""
    for before in (0.0, -1.0, float("nan"), float("inf"), 5e-324):
        prices = [stored_price(hour=HOURS[-1], price=1e300), stored_price(hour="2026-11-22 12:00:00", price=before)]
        [found] = summarize(HOURS, prices, holes={}, followed=["BTC"], first_hours={"BTC": HOURS[0]})
        assert found.change_24h is None
