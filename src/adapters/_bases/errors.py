"""Every error of the program, by what to do about it.

    EtlError                    a message of one line, and the next step for the operator
    ├── RetryableError          retry: the same call may succeed later
    │   ├── SourceUnavailable     time-outs, resets, 429, 5xx, HTML where JSON was due
    │   └── StorageUnavailable    refused, reset, timed out
    ├── StopError               stop: repeating it changes nothing
    │   ├── SourceRejected        a bad key, a bad parameter, a plan or its credits exhausted
    │   ├── ContractError         an answer that is not as documented
    │   ├── StorageRejected       schema, type, syntax, rights
    │   ├── StateError            a file of our own that cannot be read or written
    │   ├── ClockError            this host's clock is wrong
    │   ├── ConfigurationError    a wrong setting or argument (exit code 2)
    │   ├── LockHeldError         another run is going on (exit code 75)
    │   └── RunTimedOutError      the run's time limit was reached
    └── InvalidRowError         reject this row, say why, go on with the others

Errors of other libraries are translated where they appear, once, with ``raise ... from exc``.
"""

from __future__ import annotations


class EtlError(Exception):
    """Root of the tree.

    Args:
        message: one line for the operator: what failed and why; never a secret.
        next_step: one line: what to do about it; empty when the message says it all.
    """

    def __init__(self, message: str, *, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step


class RetryableError(EtlError):
    """The same call may succeed later.

    Args:
        retry_after_seconds: the least wait that the other side asked for; None when it named none.
        most_tries: tries in all that it is worth, where a person has probably to act; None for as many as there is time
            for.
    """

    def __init__(
        self,
        message: str,
        *,
        next_step: str = "",
        retry_after_seconds: float | None = None,
        most_tries: int | None = None,
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.retry_after_seconds = retry_after_seconds
        self.most_tries = most_tries


class SourceUnavailable(RetryableError):  # noqa: N818 - the name says the state, as in the tree above
    """The source did not answer, or asked for patience.

    Args:
        message: as in `EtlError`.
        next_step: as in `EtlError`.
        retry_after_seconds: as in `RetryableError`.
        most_tries: as in `RetryableError`.
        status: the HTTP status; None when no answer came.
        code: the source's own error code; None when it gave none.
    """

    def __init__(
        self,
        message: str,
        *,
        next_step: str = "",
        retry_after_seconds: float | None = None,
        most_tries: int | None = None,
        status: int | None = None,
        code: int | None = None,
    ) -> None:
        super().__init__(message, next_step=next_step, retry_after_seconds=retry_after_seconds, most_tries=most_tries)
        self.status = status
        self.code = code


class StorageUnavailable(RetryableError):  # noqa: N818 - as above
    """The database did not answer. What it did before that is unknown."""


class StopError(EtlError):
    """Repeating the call changes nothing until the operator acts."""


class SourceRejected(StopError):  # noqa: N818 - as above
    """The source refused the request for good. `status` and `code` are those of `SourceUnavailable`."""

    def __init__(
        self, message: str, *, next_step: str = "", status: int | None = None, code: int | None = None
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.status = status
        self.code = code


class ContractError(StopError):
    """The source answered, but not as documented.

    Args:
        json_path: where in the body, such as ``data[3].quote``; empty for the body as a whole.
    """

    def __init__(self, message: str, *, next_step: str = "", json_path: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.json_path = json_path


class StorageRejected(StopError):  # noqa: N818 - as above
    """The database refused the statement for good. `code` is ClickHouse's, None when it gave none."""

    def __init__(self, message: str, *, next_step: str = "", code: int | None = None) -> None:
        super().__init__(message, next_step=next_step)
        self.code = code


class StateError(StopError):
    """A file of our own cannot be read or written."""


class ClockError(StopError):
    """This host's clock is wrong, so that no price can be put under its hour."""


class ConfigurationError(StopError):
    """One or more settings or arguments are wrong. The message has one line for each."""


class LockHeldError(StopError):
    """Another run holds the lock. The message names its pid, start and task."""


class RunTimedOutError(StopError):
    """The run's time limit was reached. The message names what was being waited for."""


class InvalidRowError(EtlError):
    """One row cannot be stored. The message is the reason."""
