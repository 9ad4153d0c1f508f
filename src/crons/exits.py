"""The edge of the program: errors become one line, a next step and an exit code."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from datetime import datetime

import structlog

from adapters._bases.errors import ConfigurationError, EtlError, LockHeldError, StopError
from configurations.config import SettingsError
from configurations.logs import set_up_logging
from crons.set_up_guard import REMEDY, lacks
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
UNREAD = 141
"""The reader of the output has gone, as ``head`` does: a shell's 128 and 13 for a program that SIGPIPE ended.

Not in `EXIT_CODES`: a shell shows it only with ``pipefail``.
"""
EPILOG = "\n".join(["Exit codes:", *(f"  {code:<4} {meaning}" for code, meaning in EXIT_CODES.items())])

log = structlog.get_logger(__name__)


def guarded(
    action: Callable[[], int],
    *,
    tell: Callable[[EtlError], None],
    clock: Callable[[], datetime],
) -> int:
    """The exit code of ``action``, or of the error that ended it.

    The log is set up before anything can fail, because structlog's own would show local variables, and so secrets. The
    action sets it up again once it has the settings; until then no exception's own text is shown.

    What the output's encoding cannot carry is printed as question marks. When the reader of the output has gone, the
    command ends quietly by `UNREAD`. A SIGTERM outside a supervised job ends the process by the system's default: 143
    to a shell as well.

    Args:
        tell: shows an expected error to the operator: its message and its next step.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    set_up_logging(level="INFO", form="console", secrets=None, clock=clock)
    try:
        try:
            code = action()
            # Otherwise the rest of the buffer meets the closed pipe when the interpreter ends, which prints an error.
            sys.stdout.flush()
        except EtlError as error:
            if isinstance(error, SettingsError):
                set_up_logging(level="INFO", form=error.settings.log_format, secrets=None, clock=clock)
            tell(error)
            return exit_code(error)
        except KeyboardInterrupt:
            tell(StopError("ended by Ctrl-C"))
            return INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return UNREAD
    except Exception as error:  # whatever else it is, the log has all of it and the exit code says so
        if package := lacks(error):
            tell(StopError(f"the set-up lacks {package}, or has another version of it", next_step=REMEDY))
            return FAILED
        log.exception("unexpected error", next="this is a defect of the program: report it with these lines")
        return FAILED
    return code


def _discard_output() -> None:
    """Send what is still written, such as when the interpreter ends, to the null device."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def exit_code(error: EtlError) -> int:
    """The exit code of an expected error: 128 and the signal's number where a signal ended the run."""
    if isinstance(error, SignalledError):
        return error.exit_code
    if isinstance(error, ConfigurationError):
        return USAGE
    return BUSY if isinstance(error, LockHeldError) else FAILED
