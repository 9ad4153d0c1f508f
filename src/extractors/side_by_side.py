"""Calls of a source side by side, their answers as they come."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from itertools import islice
from typing import Any, TypeVar

from adapters._bases.errors import EtlError

_CALLS_AHEAD = 4

CallT = TypeVar("CallT")
AnswerT = TypeVar("AnswerT")


async def side_by_side(
    calls: Iterable[CallT],
    ask: Callable[[CallT], Coroutine[Any, Any, AnswerT]],
    *,
    forgives: Callable[[CallT, EtlError], bool],
) -> AsyncGenerator[tuple[CallT, AnswerT], None]:
    """Each call with its answer, as the answers come.

    A few calls are under way ahead of the reader. An answer never waits for that of an earlier call: it is paid for,
    and only the reader can store it. Until one is answered, calls go alone: what refuses them all is met by one. When a
    call fails no further one begins, those under way, which are paid for, are still yielded, and then the first failure
    is raised. The calls under way bound the memory, however many follow.

    Args:
        calls: in the order to make them.
        ask: makes one.
        forgives: whether a call's failure is no reason to stop; it has no answer then.

    Raises:
        EtlError: a call failed that is not forgiven.
    """
    waiting = iter(calls)
    under_way: deque[tuple[CallT, asyncio.Task[AnswerT]]] = deque()
    failure: EtlError | None = None
    at_most = 1

    def begin() -> None:
        for call in islice(waiting, at_most - len(under_way)):
            under_way.append((call, asyncio.create_task(ask(call))))

    begin()
    try:
        while under_way:
            call, task = await _first_through(under_way)
            try:
                answer = await task
            except EtlError as error:
                if not forgives(call, error):
                    failure = failure or error
                if failure is None:
                    begin()
                continue
            at_most = _CALLS_AHEAD
            if failure is None:
                begin()
            yield call, answer
    finally:
        await _abandon([task for _, task in under_way])
    if failure is not None:
        raise failure


async def _first_through(
    under_way: deque[tuple[CallT, asyncio.Task[AnswerT]]],
) -> tuple[CallT, asyncio.Task[AnswerT]]:
    """The first finished call, removed from those under way."""
    await asyncio.wait([task for _, task in under_way], return_when=asyncio.FIRST_COMPLETED)
    through = next(one for one in under_way if one[1].done())
    under_way.remove(through)
    return through


async def _abandon(tasks: Sequence[asyncio.Task[AnswerT]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
