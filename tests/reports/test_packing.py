"""The page's data as they are packed."""

from __future__ import annotations

import base64
import gzip
import json
import math
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.packing import packed_json, price_steps

FOREIGN = ["</script>", "<!--", "\u2028", "\N{ROCKET}", "&lt;"]


def test_it_unpacks_and_holds_no_markup() -> None:
    """Whatever texts there are, base64 is all that a parser sees; the same data make the same text."""
    packed = packed_json(FOREIGN)

    assert json.loads(gzip.decompress(base64.b64decode(packed, validate=True))) == FOREIGN
    assert packed_json(FOREIGN) == packed


def test_it_refuses_what_json_cannot_carry() -> None:
    """A NaN that got this far is an error, not a page that no browser reads."""
    with pytest.raises(ValueError, match="JSON"):
        packed_json([math.nan])


def test_steps_are_from_price_to_price() -> None:
    """Over a missing one too."""
    assert price_steps([None, 87654.32, None, 87654.30]) == {"places": 3, "steps": [None, 87654320, None, -20]}
    assert price_steps([None]) == {"places": 0, "steps": [None]}
    assert price_steps([0.0]) == {"places": 0, "steps": [0]}


@given(st.lists(st.floats(min_value=1e-12, max_value=1e12), min_size=1), st.integers(-3, 3))
def test_steps_add_up_to_the_prices(prices: list[float], sign: int) -> None:
    """To the eighth digit of the largest one."""
    shown = [math.copysign(price, sign) for price in prices]
    found = price_steps(shown)
    steps, places = found["steps"], found["places"]
    assert isinstance(steps, list)
    assert isinstance(places, int)

    sums = accumulate(step for step in steps if step is not None)
    assert [total / 10.0**places for total in sums] == pytest.approx(shown, rel=1e-12, abs=1e-7 * max(prices))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_any_finite_number_has_steps(prices: list[float]) -> None:
    """Those at the ends of what a double holds too."""
    assert packed_json(price_steps(prices))
