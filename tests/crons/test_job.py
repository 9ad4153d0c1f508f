"""Thousand things of one reason are one line; few keep a line each."""

from __future__ import annotations

import pytest

from crons.job import ReasonGroups

HOURS = [f"2026-11-{day:02d} 15:00:00" for day in (22, 21, 23)]


@pytest.mark.parametrize(
    "reason",
    [
        "no price (null)",
        "stale: last updated 2026-11-2{0} 11:35:07",
        "data[{0}].quotes[7].price is not a number: 'x{0}'",
    ],
)
def test_a_reason_that_many_coins_have_is_one_line(reason: str) -> None:
    groups = ReasonGroups()
    for number in range(1000):
        for hour in HOURS:
            groups.add(f"C{number} (id {number})", reason.format(number), hour)
    [line] = groups
    assert line.startswith("1,000 coins, 3,000 quotes, 2026-11-21 15:00:00 to 2026-11-23 15:00:00: ")
    assert reason.format(0) in line
    assert line.endswith("C9 (id 9) and 990 more")


def test_the_points_of_a_coin_are_one_line() -> None:
    groups = ReasonGroups()
    for point in range(336):
        groups.add("ETH (id 1027)", f"data[2].quotes[{point}] has no timestamp that can be read", HOURS[point % 3])
    [line] = groups
    assert "336 quotes: data[2].quotes[0] has no timestamp" in line
