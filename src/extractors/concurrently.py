"""Concurrent calls to a source, each answer as soon as it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from typing import Any, TypeVar

from adapters._bases.errors import ContractError, EtlError, SourceRejected, SourceUnavailable

_AT_A_TIME = 4
# After these seconds a first call no longer holds up the others, and any call is given up.
_FIRST_SECONDS, _LONGEST_SECONDS = 30.0, 900.0
_BAD_REQUEST = 400

CallT = TypeVar("CallT")
AnswerT = TypeVar("AnswerT")


async def concurrently(
    calls: Iterable[CallT],
    ask: Callable[[CallT], Coroutine[Any, Any, AnswerT]],
    *,
    most_failures: int,
    spare_refused: bool,
) -> AsyncGenerator[tuple[CallT, AnswerT | EtlError], None]:
    """Each call with its answer, in the order of the answers, or with an error that concerns it alone.

    Calls run one at a time until the first answer, so that a source that refuses all is called once. After any other
    error no further call begins; the answers in flight, which are paid for, are still yielded, then it is raised. If no
    call is answered, the first error is raised.

    Args:
        most_failures: as many calls in a row without a usable answer concern the source, not the calls.
        spare_refused: whether a refusal as a bad request concerns its call alone.
    """
    remaining, pending = iter(calls), dict[asyncio.Task[AnswerT], CallT]()
    failure: EtlError | None = None  # which ends it
    first_error: EtlError | None = None
    at_a_time, in_a_row, answered = 1, 0, False
    try:
        while True:
            while failure is None and len(pending) < at_a_time and (call := next(remaining, None)) is not None:
                pending[asyncio.create_task(in_time(ask(call), _LONGEST_SECONDS))] = call
            if not pending:
                break
            patience = _FIRST_SECONDS if at_a_time == 1 else None
            done, _ = await asyncio.wait(pending, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                at_a_time = _AT_A_TIME
                continue
            # One at a time: the caller stores each answer before the next, and may stop at any of them.
            task = next(task for task in pending if task in done)
            call = pending.pop(task)
            try:
                answer = await task
            except EtlError as error:
                first_error = first_error or error
                is_failure = isinstance(error, SourceUnavailable | ContractError)
                in_a_row += is_failure
                # A 200 may hide the refusal in its code.
                is_refused = isinstance(error, SourceRejected) and _BAD_REQUEST in (error.status, error.code)
                if in_a_row < most_failures and (is_failure or (spare_refused and is_refused)):
                    yield call, error
                else:
                    failure = failure or error
            else:
                at_a_time, in_a_row, answered = _AT_A_TIME, 0, True
                yield call, answer
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
    if first_error and (failure or not answered):
        raise failure or first_error


async def in_time(answer: Coroutine[Any, Any, AnswerT], seconds: float) -> AnswerT:
    """An answer; raises SourceUnavailable if it has not come after a number of seconds."""
    try:
        return await asyncio.wait_for(answer, seconds)
    except asyncio.TimeoutError as error:
        raise SourceUnavailable(f"no answer within {seconds:.0f} seconds", next_step="try again later") from error


async def all_at_once(
    calls: Iterable[CallT], ask: Callable[[CallT], Coroutine[Any, Any, AnswerT]]
) -> tuple[list[AnswerT], list[EtlError]]:
    """The answers to calls, and the errors of the others; if all fail, the first is raised."""
    answers, failures = list[AnswerT](), list[EtlError]()
    for outcome in await asyncio.gather(*map(ask, calls), return_exceptions=True):
        if isinstance(outcome, EtlError):
            failures.append(outcome)
        elif isinstance(outcome, BaseException):
            raise outcome
        else:
            answers.append(outcome)
    if failures and not answers:
        raise failures[0]
    return answers, failures
