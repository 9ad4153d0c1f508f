"""What ClickHouse's errors mean to the program: try again, or stop and do this. Pure."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator

from adapters._bases.errors import EtlError, StorageRejected, StorageUnavailable

# https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
_PASSING = frozenset(
    {
        159,  # TIMEOUT_EXCEEDED
        160,  # TOO_SLOW
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        203,  # NO_FREE_CONNECTION
        209,  # SOCKET_TIMEOUT
        210,  # NETWORK_ERROR
        225,  # NO_ZOOKEEPER
        236,  # ABORTED
        241,  # MEMORY_LIMIT_EXCEEDED
        242,  # TABLE_IS_READ_ONLY: a replica that is catching up
        252,  # TOO_MANY_PARTS: merges are behind
        279,  # ALL_CONNECTION_TRIES_FAILED
        285,  # TOO_FEW_LIVE_REPLICAS
        319,  # UNKNOWN_STATUS_OF_INSERT
        394,  # QUERY_WAS_CANCELLED
        439,  # CANNOT_SCHEDULE_TASK
        473,  # DEADLOCK_AVOIDED
        999,  # KEEPER_EXCEPTION
    }
)
NOT_THERE = frozenset({60, 81})
"""UNKNOWN_TABLE and UNKNOWN_DATABASE: there is nothing to read yet."""
ABOUT_A_VALUE = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        26,  # CANNOT_PARSE_QUOTED_STRING
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        38,  # CANNOT_PARSE_DATE
        41,  # CANNOT_PARSE_DATETIME
        69,  # ARGUMENT_OUT_OF_BOUND
        70,  # CANNOT_CONVERT_TYPE
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        469,  # VIOLATED_CONSTRAINT
    }
)
"""A value of a row that is written to a table of the right shape is refused; without it the others are taken."""
_CHECK_LOGIN = "Check CLICKHOUSE_USER and CLICKHOUSE_PASSWORD."
_SET_UP = "Make it with `./run.sh setup_db`."
_NEXT_STEPS = {
    60: _SET_UP,  # UNKNOWN_TABLE
    81: _SET_UP,  # UNKNOWN_DATABASE
    164: "Give the user of CLICKHOUSE_USER the right to write.",  # READONLY
    192: _CHECK_LOGIN,  # UNKNOWN_USER
    193: _CHECK_LOGIN,  # WRONG_PASSWORD
    194: _CHECK_LOGIN,  # REQUIRED_PASSWORD
    243: "Free some disk space where ClickHouse keeps its data.",  # NOT_ENOUGH_SPACE
    497: "Give the user of CLICKHOUSE_USER the right to do this.",  # ACCESS_DENIED
    516: _CHECK_LOGIN,  # AUTHENTICATION_FAILED
}
_TEXT_LIMIT = 400
_CODE_PREFIX = re.compile(
    r"^(Received ClickHouse exception, code: \d+, server response: )?(Code: \d+\. )?(DB::Exception: )?"
)


def coded_error(code: int, text: str, where: str) -> EtlError:
    """The error for an answer of ClickHouse itself, by its error code."""
    message = f"ClickHouse ({where}) answered error {code}: {one_line(text)}"
    if code in _PASSING:
        return StorageUnavailable(message)
    return StorageRejected(message, next_step=_NEXT_STEPS.get(code, ""), code=code)


def uncoded_error(error: BaseException, text: str, where: str, *, passing: bool) -> EtlError:
    """The error for a failure on the way to ClickHouse or in its client.

    Args:
        text: what the error says, free of secrets.
        passing: whether to retry when the error's causes do not decide it.
    """
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return StorageRejected(
            f"the certificate of ClickHouse ({where}) cannot be verified",
            next_step="Name the file of its certificate authority in CLICKHOUSE_CA_FILE.",
        )
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return StorageUnavailable(
            f"nothing answers at {where}: the connection was refused",
            next_step="Start ClickHouse, or correct CLICKHOUSE_HOST and CLICKHOUSE_PORT.",
        )
    if any(isinstance(cause, TimeoutError) for cause in causes):
        return StorageUnavailable(f"ClickHouse ({where}) did not answer in time")
    message = f"ClickHouse ({where}) could not be asked: {one_line(text) or type(error).__name__}"
    return StorageUnavailable(message) if passing else StorageRejected(message)


def one_line(text: str) -> str:
    """The text on one line, without the prefixes that repeat the code, cut after some hundred characters."""
    line = _CODE_PREFIX.sub("", " ".join(text.split()))
    return line if len(line) <= _TEXT_LIMIT else line[: _TEXT_LIMIT - 1] + "…"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, its cause, and so on, in `reason` too, where urllib3 keeps that of its last try."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop()
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None)]
