"""Concurrent calls: which are made, and what becomes of answers and failures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing, nullcontext

import pytest

from adapters._bases.errors import EtlError, SourceRejected, SourceUnavailable
from extractors.concurrently import concurrently

CALLS = 20


class Source:
    """Answers a call with its own number, except for calls that `hang`."""

    def __init__(self, error_of: Callable[[int], EtlError | None], *, hang: int | None = None) -> None:
        self.made: list[int] = []
        self.cancelled: list[int] = []
        self.found: dict[int, object] = {}
        self._error_of, self._hang = error_of, hang

    async def ask(self, number: int) -> int:
        self.made.append(number)
        if number == self._hang:
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled.append(number)
        if error := self._error_of(number):
            raise error
        return number

    async def ask_all(self, *, until: int | None = None, spare_refused: bool = False) -> None:
        async with aclosing(
            concurrently(range(CALLS), self.ask, most_failures=8, spare_refused=spare_refused)
        ) as answers:
            async for number, answer in answers:
                self.found[number] = answer
                if len(self.found) == until:
                    break


@pytest.mark.parametrize(("bad", "calls"), [({3}, 20), ({0}, 20), (set(range(8)), 8), (set(range(20)), 8)])
async def test_call_that_fails_affects_no_other_unless_many_fail_in_a_row(bad: set[int], calls: int) -> None:
    source = Source(lambda number: SourceUnavailable("down") if number in bad else None)
    with pytest.raises(SourceUnavailable) if calls < CALLS else nullcontext():
        await source.ask_all()
    named = {number for number, answer in source.found.items() if isinstance(answer, SourceUnavailable)}
    assert (named, len(source.made)) == (bad if calls == CALLS else set(range(7)), calls)


async def test_paid_answers_are_yielded_before_a_failure() -> None:
    """The second of many calls fails: those under way still come, no other is made, then the error is raised."""
    source = Source(lambda number: SourceRejected("no credits", code=1010) if number == 1 else None)
    with pytest.raises(SourceRejected):
        await source.ask_all(spare_refused=True)
    assert (list(source.found), source.made) == ([0, 2, 3, 4], [0, 1, 2, 3, 4])


@pytest.mark.parametrize("error", [SourceRejected("bad", status=400), SourceRejected("bad", status=200, code=400)])
@pytest.mark.parametrize("answered", [0, 1])
async def test_bad_requests_are_spared_unless_all_are_refused(error: SourceRejected, answered: int) -> None:
    source = Source(lambda number: error if number >= answered else None)
    with nullcontext() if answered else pytest.raises(SourceRejected):
        await source.ask_all(spare_refused=True)
    assert [*source.found.values()][answered:] == [error] * (CALLS - answered)


async def test_answer_does_not_wait_for_that_of_an_earlier_call() -> None:
    """The second call hangs: the others' answers come; leaving early cancels what is under way."""
    source = Source(lambda _number: None, hang=1)
    await source.ask_all(until=CALLS - 1)
    assert (sorted(source.found), source.cancelled) == ([0, *range(2, CALLS)], [1])
