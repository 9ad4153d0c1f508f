"""The simulated plan: who is let in, how often, and for how many credits."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from sandbox.account import Account, months_before, next_month
from sandbox.api_error import ApiError

NOW = datetime(2026, 11, 30, 23, 59, 30, tzinfo=timezone.utc)


def _account(**changed: int) -> Account:
    plan = {"requests_per_minute": 2, "credits_monthly": 10, "months_of_history": 1, **changed}
    return Account(
        key="right",
        requests_per_minute=plan["requests_per_minute"],
        credits_monthly=plan["credits_monthly"],
        months_of_history=plan["months_of_history"],
    )


@pytest.mark.parametrize(("key", "code"), [(None, 1002), ("", 1002), ("wrong", 1001)])
def test_a_wrong_key_is_not_let_in(key: str | None, code: int) -> None:
    """A missing key is 1002, a wrong one 1001, and neither is counted."""
    account = _account()
    with pytest.raises(ApiError) as caught:
        account.admit(key, keyless=False, now=NOW)
    assert (caught.value.code, caught.value.status) == (code, 401)
    assert account.requests_in_minute(NOW) == 0


@pytest.mark.parametrize(("keyless", "code"), [(False, 1008), (True, "1022")])
def test_the_limit_is_for_each_calendar_minute(*, keyless: bool, code: int | str) -> None:
    """The third request of a minute is refused with 429; the next minute begins afresh."""
    account = _account()
    for _ in range(2):
        account.admit("right", keyless=keyless, now=NOW)
    with pytest.raises(ApiError) as caught:
        account.admit("right", keyless=keyless, now=NOW)
    assert (caught.value.code, caught.value.status) == (code, 429)
    account.admit("right", keyless=keyless, now=NOW + timedelta(seconds=30))


def test_keyless_requests_are_counted_apart() -> None:
    """Anonymous use does not eat into the plan's minute."""
    account = _account()
    for _ in range(2):
        account.admit(None, keyless=True, now=NOW)
    account.admit("right", keyless=False, now=NOW)
    assert account.requests_in_minute(NOW) == 1


def test_credits_are_of_the_calendar_month() -> None:
    """What is used on the last day of a month is gone; the first of the next month has all credits again."""
    account = _account()
    account.charge(4, now=NOW - timedelta(days=1))
    account.charge(6, now=NOW)
    assert (account.credits_today(NOW), account.credits_this_month(NOW), account.credits_left(NOW)) == (6, 10, 0)
    with pytest.raises(ApiError) as caught:
        account.check_credits(1, now=NOW)
    assert (caught.value.code, caught.value.status) == (1010, 429)
    tomorrow = NOW + timedelta(days=1)
    account.check_credits(10, now=tomorrow)
    assert account.credits_used == 10


def test_months_are_calendar_months() -> None:
    """A month before the 31st of March is the last of February."""
    march = datetime(2027, 3, 31, 8, tzinfo=timezone.utc)
    assert months_before(march, 1) == datetime(2027, 2, 28, 8, tzinfo=timezone.utc)
    assert months_before(march, 15) == datetime(2025, 12, 31, 8, tzinfo=timezone.utc)
    assert next_month(datetime(2026, 12, 31, 23, tzinfo=timezone.utc)) == datetime(2027, 1, 1, tzinfo=timezone.utc)
