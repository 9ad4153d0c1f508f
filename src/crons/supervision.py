"""Supervision of a job: a time limit and signals, which abandon work that does not return."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from adapters._bases.errors import RunTimedOutError, StopError

T = TypeVar("T")


class SignalledError(StopError):
    """A signal ended the run. The exit code is 128 and its number."""

    def __init__(self, number: int, step: str) -> None:
        name = signal.Signals(number).name
        super().__init__(
            f"ended by {name} while {step}", next_step="nothing is lost: what was fetched is stored by the next run"
        )
        self.exit_code = 128 + number


# The errors after which work may still go on in a thread, perhaps inside the database.
LEFT_BEHIND = (RunTimedOutError, SignalledError)


def supervise(work: Coroutine[Any, Any, T], *, limit: tuple[float, str], step: Callable[[], str]) -> T:
    """What ``work`` returns or raises, unless the limit or a signal comes first.

    Work that is cut short is abandoned, not unwound, and the caller must end the process by ``os._exit``: a thread
    inside the database cannot be interrupted, and closing a connection under it could hang.

    Args:
        limit: seconds for all of it, and the variable that sets them.
        step: what is being done now.

    Raises:
        RunTimedOutError: the limit was reached.
        SignalledError: SIGTERM or SIGINT came.
    """
    limit_seconds, setting = limit
    loop = asyncio.new_event_loop()
    task = loop.create_task(work)
    stop: asyncio.Future[int] = loop.create_future()

    def end(number: int) -> None:
        if not stop.done():
            stop.set_result(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, number)
    waited: set[asyncio.Future[Any]] = {task, stop}
    loop.run_until_complete(asyncio.wait(waited, timeout=limit_seconds, return_when=asyncio.FIRST_COMPLETED))
    if task.done():
        # An answer abandoned half way leaves readers behind, which would complain of a closed loop.
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
        return task.result()
    if stop.done():
        raise SignalledError(stop.result(), step())
    raise RunTimedOutError(
        f"not done within {limit_seconds:g} s; it was {step()}",
        next_step=f"see why that takes so long, or raise {setting}",
    )
