"""A host whose clock is wrong is told so before anything is stored."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._bases.errors import ClockError
from adapters._bases.source_clock import TOLERANCE
from adapters.http.coin_market_cap_http_adapter import refuse_wrong_clock

TOLD = datetime(2026, 11, 22, 12, 0, 21, tzinfo=timezone.utc)
apart = st.timedeltas(-timedelta(days=900), timedelta(days=900))


def body(timestamp: object) -> dict[str, object]:
    """An answer whose status has this timestamp."""
    return {"status": {"timestamp": timestamp, "error_code": 0}, "data": []}


@given(apart)
def test_clocks_may_differ_by_the_tolerance_and_no_more(difference: timedelta) -> None:
    """Ahead or behind alike, at any distance."""
    answer = body(TOLD.strftime("%Y-%m-%dT%H:%M:%S.417Z"))
    if abs(difference) <= TOLERANCE:
        refuse_wrong_clock(answer, now=TOLD + difference)
        return
    with pytest.raises(ClockError, match="this host's clock says"):
        refuse_wrong_clock(answer, now=TOLD + difference)


@pytest.mark.parametrize("answer", [None, [], {}, {"status": 7}, body(None), body("soon"), body(5), body("2026-13-01")])
def test_an_answer_without_a_readable_time_passes(answer: object) -> None:
    """It is a check of the clock, not of the answer."""
    refuse_wrong_clock(answer, now=TOLD)
