"""The edge of the program: errors become one line, a next step and an exit code. The only broad catch is here."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from adapters._bases.errors import ConfigurationError, EtlError, LockHeldError, StopError
from crons.supervision import SignalledError

DONE, FAILED, USAGE, BUSY, INTERRUPTED, TERMINATED = 0, 1, 2, 75, 130, 143
EXIT_CODES = {
    DONE: "done",
    FAILED: "the job failed",
    USAGE: "usage or configuration",
    BUSY: "another run holds the lock",
    INTERRUPTED: "ended by Ctrl-C",
    TERMINATED: "ended by SIGTERM",
}
EPILOG = "Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())

log = structlog.get_logger(__name__)


def guarded(action: Callable[[], int], *, tell: Callable[[EtlError], None]) -> int:
    """The exit code of ``action``, or of the error that ended it.

    A SIGTERM that comes while no job is supervised ends the process as the system does: 143 to a shell as well.

    Args:
        action: returns an exit code.
        tell: shows an expected error to the operator: its message and its next step.
    """
    try:
        return action()
    except EtlError as error:
        tell(error)
        return exit_code(error)
    except KeyboardInterrupt:
        tell(StopError("ended by Ctrl-C"))
        return INTERRUPTED
    except Exception:  # whatever else it is, the log has all of it and the exit code says so
        log.exception("unexpected error", next="this is a defect of the program: report it with these lines")
        return FAILED


def exit_code(error: EtlError) -> int:
    """The exit code of an expected error; 128 and the signal's number where a signal ended the run."""
    if isinstance(error, SignalledError):
        return error.exit_code
    if isinstance(error, ConfigurationError):
        return USAGE
    return BUSY if isinstance(error, LockHeldError) else FAILED
