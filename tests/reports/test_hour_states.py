"""The states of hours and their counts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reports.price_summary import Coverage, HourState, count_states, hour_states, longest_gap
from tests.support.report_contents import hour_keys, stored_price

HOURS = hour_keys(5)


def states_of(text: str) -> list[HourState]:
    """States by their letters."""
    return [HourState(letter) for letter in text]


def letters(*, stored: dict[int, bool], holes: tuple[int, ...] = (), expected_from: int = 0) -> str:
    """The letters of BTC's hours; stored maps the place of an hour to whether it was updated."""
    rows = {HOURS[place]: stored_price(hour=HOURS[place], is_updated=updated) for place, updated in stored.items()}
    keys = {("BTC", HOURS[place]) for place in holes}
    found = hour_states("BTC", HOURS, rows, holes=keys, expected_from=expected_from)
    return "".join(state.value for state in found)


def test_each_state_has_its_hour() -> None:
    """Stored, updated, without a quote, missing, and the hour in progress that has no row yet."""
    assert letters(stored={0: False, 1: True}, holes=(2,)) == "sunmmw"


def test_the_hour_in_progress_may_be_stored() -> None:
    """A row of the present hour is a row."""
    assert letters(stored={5: False}) == "mmmmms"


def test_nothing_is_expected_before_the_first_hour() -> None:
    """Hours before that are not missing, and rows among them are stored all the same."""
    assert letters(stored={1: False, 4: False}, expected_from=3) == "-s-msw"


def test_a_hole_that_was_filled_is_stored() -> None:
    """A hole is a note; a price stored later counts."""
    assert letters(stored={2: False}, holes=(2,)) == "mmsmmw"


def test_a_hole_of_another_symbol_is_none_of_this_one() -> None:
    """Holes are by symbol and hour."""
    found = hour_states("ETH", HOURS, {}, holes={("BTC", HOURS[0])}, expected_from=0)

    assert found[0] is HourState.MISSING


def test_counts_leave_out_the_hour_in_progress() -> None:
    """Updated hours are stored ones; the last hour, whatever it is, does not count."""
    assert count_states(states_of("sunm-s")) == Coverage(stored=2, updated=1, missing=1, without_quote=1)
    assert count_states(states_of("sw")) == Coverage(stored=1)


def test_percent_is_cut_off_not_rounded() -> None:
    """One missing hour of 10,000 is not 100 %; where nothing is expected there is no percentage."""
    assert Coverage(stored=9999, missing=1).percent == 99.9
    assert Coverage(stored=2, missing=1, without_quote=1).percent == 50.0
    assert Coverage(stored=3).percent == 100.0
    assert Coverage().percent is None


def test_the_longest_gap_is_of_missing_hours_in_a_row() -> None:
    """An hour without a quote ends a gap: there is nothing to fill there."""
    assert longest_gap(states_of("mmsmmmnms")) == 3
    assert longest_gap(states_of("su")) == 0


@given(st.lists(st.sampled_from(HourState), min_size=1))
def test_counts_add_up(states: list[HourState]) -> None:
    """Stored, missing and without a quote are the hours that were not left out."""
    counted = count_states(states)
    left_out = {HourState.NOT_EXPECTED, HourState.IN_PROGRESS}

    assert counted.stored + counted.missing + counted.without_quote == sum(one not in left_out for one in states[:-1])
    assert counted.plus(Coverage()) == counted
