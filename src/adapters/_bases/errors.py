"""Every error of the program, by what to do about it: retry the call, stop, or leave out the row.

Errors of other libraries are translated where they appear, once, with ``raise ... from exc``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass


@dataclass(eq=False, repr=False)
class EtlError(Exception):
    """Root of the tree. Unless it is a `RetryableError`, repeating the call changes nothing until the operator acts."""

    message: str  # one line for the operator: what failed and why, without secrets
    _: KW_ONLY
    next_step: str = ""  # one line: what to do about it; empty if the message says it all
    status: int | None = None  # the HTTP status, if there is one
    code: int | None = None  # the error code of the source or of ClickHouse, if there is one

    def __str__(self) -> str:
        return self.message


@dataclass(eq=False, repr=False, kw_only=True)
class RetryableError(EtlError):
    """The same call may succeed later."""

    retry_after_seconds: float | None = None  # the least wait that the other side asked for
    most_tries: int | None = None  # fewer than usual, where the operator probably has to act


class SourceUnavailable(RetryableError):  # noqa: N818 - the name says the state
    """The source did not answer, or asked for patience, as by 429, 5xx, or HTML instead of JSON."""


class StorageUnavailable(RetryableError):  # noqa: N818 - as above
    """The database did not answer. What it did before that is unknown."""


class SourceRejected(EtlError):  # noqa: N818 - as above
    """The source refused the request for good: a bad key or parameter, a plan or its credits exhausted."""


class ContractError(EtlError):
    """The source answered, but not as documented."""


class StorageRejected(EtlError):  # noqa: N818 - as above
    """The database refused the statement for good: schema, type, syntax, rights."""


class StateError(EtlError):
    """One of our own files cannot be read or written."""


class ClockError(EtlError):
    """This host's clock is wrong, so no price can be stored under its hour."""


class ConfigurationError(EtlError):
    """One or more settings or arguments are wrong, each on a line of the message; exit code 2."""


@dataclass(eq=False, repr=False, kw_only=True)
class LockHeldError(EtlError):
    """Another run holds the lock; exit code 75. The message names its pid, start and task."""

    since: str = ""  # Tehran text; empty if that is not known


class InvalidRowError(EtlError):
    """One row cannot be stored; the others can. The message is the reason."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, its cause, and so on, the innermost last; urllib3 keeps the cause of its last try in `reason`."""
    seen: set[int] = set()
    cause: object = error
    while isinstance(cause, BaseException) and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        reason = getattr(cause, "reason", None)
        # A suppressed context counts: httpcore raises its errors again "from None".
        cause = reason if isinstance(reason, BaseException) else cause.__cause__ or cause.__context__


def innermost_words(error: BaseException) -> str:
    """The text of the lowest layer that has one, such as ``Connection reset by peer``; else the error's type."""
    said = [(cause.strerror if isinstance(cause, OSError) else None) or str(cause) for cause in causes(error)]
    return next((" ".join(words.split()) for words in reversed(said) if words.strip()), type(error).__name__)
