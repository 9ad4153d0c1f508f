"""How the program ends: errors become one line, a next step and an exit code; limits and signals abandon a run."""

from __future__ import annotations

import asyncio
import errno
import faulthandler
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

import structlog

from adapters._bases.durable import fix_for
from adapters._bases.errors import ConfigurationError, EtlError, LockHeldError, StateError
from configurations.config import ENV_FILE, PROJECT_ROOT, SettingsError, nearly_right
from configurations.logs import set_up_logging
from crons.start_up import import_fault, unwritten

DONE, FAILED, USAGE, BUSY, INTERRUPTED, TERMINATED = 0, 1, 2, 75, 130, 143
EXIT_CODES = {
    DONE: "done",
    FAILED: "failed, or something needs attention (status, verify, compare, check)",
    USAGE: "usage or configuration",
    BUSY: "another run holds the lock",
    INTERRUPTED: "ended by Ctrl-C",
    TERMINATED: "ended by SIGTERM",
}
EPILOG = "\n".join(["Exit codes:", *(f"  {code:<4} {meaning}" for code, meaning in EXIT_CODES.items())])

_GRACE_SECONDS = 10.0  # beyond a limit, before the process is ended from outside of Python

log = structlog.get_logger(__name__)


@dataclass(eq=False, repr=False, kw_only=True)
class CutShortError(EtlError):
    """A limit or a signal ended the work, which may still go on in a thread, perhaps inside the database."""

    signal: int = 0  # that ended it; 0 for the time limit


def guarded(action: Callable[[], int], *, tell: Callable[[EtlError], None], clock: Callable[[], datetime]) -> int:
    """The exit code of ``action``, or of the error that ended it; ``tell`` shows an expected error to the operator."""
    # Before anything can fail: structlog's own set-up would show local variables, and so secrets.
    set_up_logging(None, clock)
    try:
        try:
            return action()
        except SettingsError as error:
            set_up_logging(error.settings, clock)
            raise
        finally:
            for name, meant in nearly_right(ENV_FILE).items():
                log.warning("unknown setting in .env", name=name, hint=f"did you mean {meant}?")
    except EtlError as error:
        tell(error)
        if isinstance(error, CutShortError) and error.signal:
            return 128 + error.signal
        return USAGE if isinstance(error, ConfigurationError) else BUSY if isinstance(error, LockHeldError) else FAILED
    except KeyboardInterrupt:
        tell(EtlError("ended by Ctrl-C"))
        return INTERRUPTED
    except (OSError, MemoryError) as error:
        fault = error if isinstance(error, OSError) else OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        where = f"{fault.filename}: " if fault.filename else ""
        tell(StateError(f"{where}{fault.strerror or fault}", next_step=fix_for(fault)))
        return FAILED
    except Exception as error:  # the one broad catch: the log gets all of it
        if missing := import_fault(error):
            tell(missing)
        else:
            log.exception("unexpected error", next="this is a bug; please report it with these lines")
        return FAILED


def supervise(work: Coroutine[Any, Any, None], *, limit: tuple[float, str], step: Callable[[], str]) -> None:
    """Do ``work``, and raise what it raises, unless the limit or a signal comes first.

    Work that is cut short is abandoned, not unwound, and the caller must end the process by ``os._exit``: a thread
    inside the database cannot be interrupted, and closing a connection under it could hang.

    Args:
        limit: seconds for all of it, and the variable that sets them.
        step: says what is being done now.

    Raises:
        CutShortError: the limit was reached, or SIGTERM or SIGINT came.
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
    # A thread that hangs inside the engine may hold Python's own lock, and then nothing below is executed.
    faulthandler.dump_traceback_later(limit_seconds + _GRACE_SECONDS, exit=True, file=2)
    loop.run_until_complete(asyncio.wait(waited, timeout=limit_seconds, return_when=asyncio.FIRST_COMPLETED))
    faulthandler.cancel_dump_traceback_later()
    if task.done():
        # An answer abandoned half way leaves readers behind, which would complain of a closed loop.
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
        task.result()
        return
    if stop.done():
        ended_by = signal.Signals(stop.result())
        kept = "nothing is lost: what was fetched is stored by the next run"
        raise CutShortError(f"ended by {ended_by.name} while {step()}", next_step=kept, signal=ended_by)
    raise CutShortError(
        f"not done within {limit_seconds:g} s; it was {step()}",
        next_step=f"see why that takes so long, or raise {setting}",
    )


def become(module: str, *arguments: str) -> NoReturn:
    """Continue as another program of this Python, so that signals reach it and its exit code is this one's."""
    sys.stdout.flush()
    os.chdir(PROJECT_ROOT)
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 - no shell is wanted


def leave(code: int) -> NoReturn:
    """End the process at once: a run that was cut short may have left a thread inside the database.

    Output that could not be written makes a success a failure, with a line on the other stream.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    for number, error in list(unwritten.items()):
        name, other = ("stdout", sys.stderr) if number == 1 else ("stderr", sys.stdout)
        other.write(f"error: {name} could not be written: {error.strerror}\n")
        other.flush()
    os._exit(code or (FAILED if unwritten else DONE))
