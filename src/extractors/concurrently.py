"""Concurrent calls to a source, each answer as soon as it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from typing import Any, TypeVar

from adapters._bases.errors import ContractError, EtlError, SourceUnavailable

_AT_A_TIME = 4
# After these seconds a first call no longer holds up the others, and any call is given up.
_FIRST_SECONDS, _LONGEST_SECONDS = 30.0, 900.0
# As many failures in a row concern the source, not its calls.
_ENOUGH = 8

CallT = TypeVar("CallT")
AnswerT = TypeVar("AnswerT")


async def concurrently(
    calls: Iterable[CallT],
    ask: Callable[[CallT], Coroutine[Any, Any, list[AnswerT]]],
    *,
    tolerate: Callable[[CallT, EtlError], bool] = lambda _call, _error: False,
    failed: list[tuple[CallT, EtlError]] | None = None,
) -> AsyncGenerator[AnswerT, None]:
    """The parts of each call's answer, in the order of the answers.

    Calls run one at a time until the first answer, so that a source that refuses all is called once. After a failure
    no further call begins; the answers in flight, which are paid for, are still yielded, then the failure is raised.

    Args:
        tolerate: whether to go on after a call's failure; such a call is not yielded.
        failed: collects other calls without a usable answer, which affect no other call, unless several fail in a row
            or none is answered; None: each is a failure.
    """
    remaining, in_a_row = iter(calls), 0
    pending: dict[asyncio.Task[list[AnswerT]], CallT] = {}
    failure: EtlError | None = None
    at_a_time, answered = 1, False

    def begin() -> None:
        while failure is None and len(pending) < at_a_time and (call := next(remaining, None)) is not None:
            pending[asyncio.create_task(in_time(ask(call), _LONGEST_SECONDS))] = call

    begin()
    try:
        while pending:
            patience = _FIRST_SECONDS if at_a_time == 1 else None
            done, _ = await asyncio.wait(pending, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            # One at a time: the caller stores each answer before the next, and may stop at any of them.
            for task in [task for task in pending if task in done][:1]:
                call = pending.pop(task)
                try:
                    parts = await task
                except EtlError as error:
                    if failed is not None and isinstance(error, SourceUnavailable | ContractError):
                        failed.append((call, error))
                        in_a_row += 1
                        failure = failure or (error if in_a_row >= _ENOUGH else None)
                    elif not tolerate(call, error):
                        failure = failure or error
                else:
                    at_a_time, in_a_row, answered = _AT_A_TIME, 0, True
                    begin()
                    for part in parts:
                        yield part
            at_a_time = at_a_time if done else _AT_A_TIME
            begin()
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
    if failed and not answered:
        failure = failure or failed[0][1]
    if failure:
        raise failure


async def in_time(answer: Coroutine[Any, Any, AnswerT], seconds: float) -> AnswerT:
    """An answer; raises SourceUnavailable if it has not come after a number of seconds."""
    try:
        return await asyncio.wait_for(answer, seconds)
    except asyncio.TimeoutError as error:
        raise SourceUnavailable(f"no answer within {seconds:.0f} seconds", next_step="try again later") from error


async def all_at_once(
    calls: Iterable[CallT], ask: Callable[[CallT], Coroutine[Any, Any, AnswerT]]
) -> tuple[list[tuple[CallT, AnswerT]], list[EtlError]]:
    """Each call that was answered with its answer, and the errors of the others; if all fail, the first is raised."""

    async def outcome(call: CallT) -> AnswerT | EtlError:
        try:
            return await ask(call)
        except EtlError as error:
            return error

    calls = list(calls)
    outcomes = await asyncio.gather(*map(outcome, calls))
    failures = [one for one in outcomes if isinstance(one, EtlError)]
    if failures and len(failures) == len(calls):
        raise failures[0]
    return [(call, one) for call, one in zip(calls, outcomes, strict=True) if not isinstance(one, EtlError)], failures
