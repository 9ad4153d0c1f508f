"""The edge of the program: errors become one line, a next step and an exit code."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from datetime import datetime
from typing import NoReturn

import structlog

from adapters._bases.errors import ConfigurationError, EtlError, LockHeldError, StopError
from configurations.config import SettingsError
from configurations.logs import set_up_logging
from crons.start_up import REMEDY, missing_package
from crons.supervision import SignalledError

DONE, FAILED, USAGE, BUSY, INTERRUPTED, TERMINATED = 0, 1, 2, 75, 130, 143
EXIT_CODES = {
    DONE: "done",
    FAILED: "failed, or something needs attention (status, verify, compare, check)",
    USAGE: "usage or configuration",
    BUSY: "another run holds the lock",
    INTERRUPTED: "ended by Ctrl-C",
    TERMINATED: "ended by SIGTERM",
}
# 128 and SIGPIPE's 13: the reader of the output has gone, as `head` does. A shell shows it only with `pipefail`.
UNREAD = 141
EPILOG = "\n".join(["Exit codes:", *(f"  {code:<4} {meaning}" for code, meaning in EXIT_CODES.items())])

log = structlog.get_logger(__name__)


def guarded(action: Callable[[], int], *, tell: Callable[[EtlError], None], clock: Callable[[], datetime]) -> int:
    """The exit code of ``action``, or of the error that ended it.

    Args:
        tell: shows an expected error to the operator: its message and its next step.
    """
    # What the output's encoding cannot carry is printed as question marks.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    # Before anything can fail: structlog's own set-up would show local variables, and so secrets.
    set_up_logging(None, clock)
    try:
        try:
            code = action()
            # Otherwise the rest of the buffer meets the closed pipe when the interpreter ends, which prints an error.
            sys.stdout.flush()
        except EtlError as error:
            if isinstance(error, SettingsError):
                set_up_logging(error.settings, clock)
            tell(error)
            if isinstance(error, SignalledError):
                return error.exit_code
            return (
                USAGE if isinstance(error, ConfigurationError) else BUSY if isinstance(error, LockHeldError) else FAILED
            )
        except KeyboardInterrupt:
            tell(StopError("ended by Ctrl-C"))
            return INTERRUPTED
    except BrokenPipeError:
        # What is still written, such as when the interpreter ends, goes to the null device.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        return UNREAD
    except Exception as error:  # the one broad catch: the log gets all of it
        if package := missing_package(error):
            tell(StopError(f"the package {package} is missing or outdated", next_step=REMEDY))
        else:
            log.exception("unexpected error", next="this is a bug; please report it with these lines")
        return FAILED
    return code


def leave(code: int) -> NoReturn:
    """End the process at once: a run that was cut short may have left a thread inside the database."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
