"""What ClickHouse's errors mean to the program: try again, or stop and do this. Pure."""

from __future__ import annotations

import re

from adapters._bases.errors import EtlError, StorageRejected, StorageUnavailable
from adapters._bases.network_causes import (
    causes,
    has_no_tls,
    innermost_words,
    is_denied_name,
    is_untrusted,
    quotes_tls,
)

_KEEPER = "See whether ClickHouse Keeper is well: the replica takes nothing without it."
_QUORUM = "See system.replicas: fewer replicas are up than CLICKHOUSE_INSERT_QUORUM asks for."
# https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
_PASSING = {
    159: "What it asked for may go on: the next try looks first.",  # TIMEOUT_EXCEEDED, also of ON CLUSTER's queue
    160: "",  # TOO_SLOW
    201: "The user's quota is used up until its interval ends: see SHOW QUOTA.",  # QUOTA_EXCEEDED
    202: "",  # TOO_MANY_SIMULTANEOUS_QUERIES
    203: "",  # NO_FREE_CONNECTION
    209: "",  # SOCKET_TIMEOUT
    210: "",  # NETWORK_ERROR
    225: _KEEPER,  # NO_ZOOKEEPER
    236: "",  # ABORTED
    241: "",  # MEMORY_LIMIT_EXCEEDED
    242: _KEEPER,  # TABLE_IS_READ_ONLY: a replica without Keeper, or one that is starting
    252: "Merges are behind: see system.merges, and the disk of ClickHouse.",  # TOO_MANY_PARTS
    279: "No server behind this one answers: see system.clusters, and the servers.",  # ALL_CONNECTION_TRIES_FAILED
    285: _QUORUM,  # TOO_FEW_LIVE_REPLICAS: nothing was written
    286: _QUORUM,  # UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE: nothing was written
    289: "This replica lags behind: see SELECT * FROM system.replicas.",  # REPLICA_IS_NOT_IN_QUORUM
    319: "The rows may be written: the next try looks first.",  # UNKNOWN_STATUS_OF_INSERT
    341: "The change is accepted, and follows on the replicas that are away: the next try looks first.",  # UNFINISHED
    394: "",  # QUERY_WAS_CANCELLED
    439: "",  # CANNOT_SCHEDULE_TASK
    473: "",  # DEADLOCK_AVOIDED
    999: _KEEPER,  # KEEPER_EXCEPTION
}
"""Errors that may pass, with the next step of those that a person can hasten or should understand."""
ACCESS_DENIED = 497
CONSTRAINT_VIOLATED = 452
"""SETTING_CONSTRAINT_VIOLATION: a profile does not allow the value of a setting."""
READ_ONLY = 164
"""READONLY: a profile or the server takes no writes, or no change of a setting."""
SYNTAX_ERROR = 62
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
_SET_UP = "Make it with `./run.sh setup_db`; if it is there, several servers answer at this address."
_LIMITED = "Have an administrator raise this limit in the user's profile."
_NEXT_STEPS = {
    60: _SET_UP,  # UNKNOWN_TABLE
    81: _SET_UP,  # UNKNOWN_DATABASE
    READ_ONLY: "Give the user of CLICKHOUSE_USER the right to write.",
    158: _LIMITED,  # TOO_MANY_ROWS
    168: _LIMITED,  # TOO_BIG_AST
    191: _LIMITED,  # SET_SIZE_LIMIT_EXCEEDED
    192: _CHECK_LOGIN,  # UNKNOWN_USER
    193: _CHECK_LOGIN,  # WRONG_PASSWORD
    194: _CHECK_LOGIN,  # REQUIRED_PASSWORD
    277: "Have an administrator take force_primary_key and force_index_by_date out of the user's profile.",
    307: _LIMITED,  # TOO_MANY_BYTES
    396: _LIMITED,  # TOO_MANY_ROWS_OR_BYTES
    CONSTRAINT_VIOLATED: "Have an administrator let the user change it.",
    392: "Set <distributed_ddl> in the configuration of each server: docs/cluster.md.",  # QUERY_IS_PROHIBITED
    # REPLICA_ALREADY_EXISTS
    253: "Drop what an earlier table left in Keeper: SYSTEM DROP REPLICA, as docs/cluster.md shows.",
    ACCESS_DENIED: "Give the user of CLICKHOUSE_USER the right to do this.",
    516: _CHECK_LOGIN,  # AUTHENTICATION_FAILED
}
_BY_WORDS = {
    "Max query size exceeded": "Have an administrator raise max_query_size in the user's profile.",
    "DDL queries are prohibited": "Have an administrator set allow_ddl = 1, or run setup_db as another user.",
    "allow_nullable_key": "Have an administrator take data_type_default_nullable out of the user's profile.",
}
"""Of codes that have several causes: a part of the text, and the next step."""
_LACKING_GRANT = re.compile(
    r"(?P<user>\S+): Not enough privileges\. .*\bgrant (?P<rights>.+) ON (?P<of>[^\s,]+?)\.?( \(|$)"
)
_COLUMNS = re.compile(r"\([^)]*\)")
_NOT_ENOUGH_SPACE = 243
# In parseDateTime of ClickHouse before 25 it is also the code of what cannot be parsed: there is no more space to read.
_ABOUT_PARSING = re.compile(r"\bpars(e|ing)\b", re.IGNORECASE)
_FAILED_MUTATION = re.compile(r"during execution of mutations? ")
"""Of 341: no other replica will finish it, and it is to be withdrawn."""
_FREE_SPACE = "Free some disk space where ClickHouse keeps its data."
NATIVE_PORTS = frozenset({9000, 9440})
"""Where a server listens for clickhouse-client, unless it is set up otherwise: without and with TLS."""
_NATIVE = "is for clickhouse-client program"
_PORTS = "8123, or 8443 with TLS; 9000 and 9440 are for clickhouse-client"
_CHECK_SERVER = "Check that ClickHouse is well, and what is between: CLICKHOUSE_HOST, CLICKHOUSE_PORT, a proxy."
_EMPTY_WORDS = frozenset({"", "Error executing HTTP request"})
"""What the driver says when it hides the cause, which the innermost error still tells."""
_TEXT_LIMIT = 400
_CODE_PREFIX = re.compile(
    r"^(Received ClickHouse exception, code: \d+, server response: )?(Code: \d+\. )?(DB::Exception: )?"
)


def coded_error(code: int, text: str, where: str) -> EtlError:
    """The error for an answer of ClickHouse itself, by its error code."""
    message = f"ClickHouse ({where}) answered error {code}: {one_line(text)}"
    if code in _PASSING and not _FAILED_MUTATION.search(text):
        return StorageUnavailable(message, next_step=_PASSING[code])
    next_step = next((step for part, step in _BY_WORDS.items() if part in text), _NEXT_STEPS.get(code, ""))
    if code == ACCESS_DENIED and (lacking := _LACKING_GRANT.search(one_line(text))):
        # Of a whole table, for the rights to single columns change with the table.
        rights = _COLUMNS.sub("", lacking["rights"])
        next_step = grant(rights, lacking["of"], lacking["user"])
    if code == _NOT_ENOUGH_SPACE and not _ABOUT_PARSING.search(text):
        next_step = _FREE_SPACE
    return StorageRejected(message, next_step=next_step, code=code)


def grant(rights: str, what: str, user: str) -> str:
    """The next step where a right is lacking.

    Args:
        rights: such as ``SELECT, INSERT``.
        what: such as ``crypto.*``.
    """
    name = user if re.fullmatch(r"\w+", user) else f"`{user}`"
    return f"Have an administrator run: GRANT {rights} ON {what} TO {name}"


def uncoded_error(error: BaseException, text: str, where: str, *, passing: bool) -> EtlError:
    """The error for a failure on the way to ClickHouse or in its client.

    Args:
        text: what the error says, free of secrets.
        passing: whether to retry when the error's causes do not decide it.
    """
    verdict = _for_a_person(error, where) or _on_the_way(error, where)
    if verdict is not None:
        return verdict
    message = f"ClickHouse ({where}) could not be asked: {one_line(text)}"
    return StorageUnavailable(message, next_step=_CHECK_SERVER) if passing else StorageRejected(message)


def _for_a_person(error: BaseException, where: str) -> StorageRejected | None:
    """What no try mends: a port, or a certificate."""
    if is_untrusted(error):
        return StorageRejected(
            f"the certificate of ClickHouse ({where}) cannot be verified",
            next_step="Name the file of its certificate authority in CLICKHOUSE_CA_FILE.",
        )
    if isinstance(error, ImportError):
        return StorageRejected(f"the driver of ClickHouse cannot be loaded: {error}", next_step="./run.sh install")
    if _NATIVE in str(error):
        return native_port(where)
    if has_no_tls(error):
        return StorageRejected(
            f"ClickHouse ({where}): TLS was spoken to a port that does not speak it",
            next_step=f"Set CLICKHOUSE_SECURE=false, or correct CLICKHOUSE_PORT: {_PORTS}.",
        )
    return asked_in_the_clear(where) if quotes_tls(error) else None


def _on_the_way(error: BaseException, where: str) -> StorageUnavailable | None:
    """What stood in the way, if the causes tell."""
    if is_denied_name(error):
        return StorageUnavailable(
            f"ClickHouse ({where}): there is no host of this name ({innermost_words(error)})",
            next_step="Correct CLICKHOUSE_HOST, or this machine's DNS.",
            most_tries=2,
        )
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes(error)):
        return StorageUnavailable(
            f"nothing answers at {where}: the connection was refused",
            next_step="Start ClickHouse, or correct CLICKHOUSE_HOST and CLICKHOUSE_PORT.",
        )
    if any(isinstance(cause, TimeoutError) for cause in causes(error)):
        return StorageUnavailable(f"ClickHouse ({where}) did not answer in time")
    return None


def native_port(where: str) -> StorageRejected:
    """The error for a port of clickhouse-client's protocol."""
    return StorageRejected(
        f"ClickHouse ({where}): this port is for clickhouse-client, not for HTTP",
        next_step=f"Set CLICKHOUSE_PORT to the HTTP port: {_PORTS}.",
    )


def asked_in_the_clear(where: str) -> StorageRejected:
    """The error for a port that speaks TLS only."""
    return StorageRejected(
        f"ClickHouse ({where}): this port speaks TLS, and was asked without",
        next_step=f"Set CLICKHOUSE_SECURE=true, and CLICKHOUSE_PORT to the HTTPS port: {_PORTS}.",
    )


def words_of(error: BaseException) -> str:
    """What an error says; where that hides the cause, what the lowest layer says."""
    text = str(error)
    return innermost_words(error) if text in _EMPTY_WORDS else text


def one_line(text: str) -> str:
    """The text on one line, without the prefixes that repeat the code, cut after some hundred characters."""
    line = _CODE_PREFIX.sub("", " ".join(text.split()))
    return line if len(line) <= _TEXT_LIMIT else line[: _TEXT_LIMIT - 1] + "…"
