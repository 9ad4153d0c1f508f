"""What an error from ClickHouse, or on the way to it, means: retry, or stop and do this. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from adapters._bases.errors import EtlError, StorageRejected, StorageUnavailable, causes, innermost_words
from adapters._bases.wording import one_line

# https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
TIMEOUT_EXCEEDED = 159
# Errors that may pass, with a next step if the operator can help.
_PASSING = {
    # TOO_SLOW, TOO_MANY_SIMULTANEOUS_QUERIES, NO_FREE_CONNECTION, SOCKET_TIMEOUT, NETWORK_ERROR, ABORTED,
    # MEMORY_LIMIT_EXCEEDED, QUERY_WAS_CANCELLED, CANNOT_SCHEDULE_TASK, DEADLOCK_AVOIDED
    **dict.fromkeys((160, 202, 203, 209, 210, 236, 241, 394, 439, 473), ""),
    TIMEOUT_EXCEEDED: "The statement may still be running: the next try looks first.",  # also of ON CLUSTER
    201: "The user's quota is used up until its interval ends: see SHOW QUOTA.",  # QUOTA_EXCEEDED
    252: "Merges are behind: check system.merges, and the disk of ClickHouse.",  # TOO_MANY_PARTS
    279: "No server behind this one answers: check system.clusters, and the servers.",  # ALL_CONNECTION_TRIES_FAILED
    289: "This replica lags: see SELECT * FROM system.replicas.",  # REPLICA_IS_NOT_IN_QUORUM
    319: "The rows may be written: the next try looks first.",  # UNKNOWN_STATUS_OF_INSERT
    341: "The change is queued, and follows on the other replicas: the next try looks first.",  # UNFINISHED
    # NO_ZOOKEEPER, TABLE_IS_READ_ONLY (a replica without Keeper, or one that is starting), KEEPER_EXCEPTION
    **dict.fromkeys((225, 242, 999), "Check ClickHouse Keeper: without it the replica accepts no writes."),
    # TOO_FEW_LIVE_REPLICAS, UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE: nothing was written
    **dict.fromkeys((285, 286), "Check system.replicas: fewer replicas are up than CLICKHOUSE_INSERT_QUORUM requires."),
}
SYNTAX_ERROR = 62
READ_ONLY = 164  # by the profile or the server: no writes, or no change of a setting
CONSTRAINT_VIOLATED = 452  # the profile does not allow this value of a setting
ACCESS_DENIED = 497
NOT_THERE = frozenset({60, 81})  # UNKNOWN_TABLE, UNKNOWN_DATABASE
# A value of a row is refused by a table of the right shape; the other rows are accepted without it.
# CANNOT_PARSE_TEXT, _QUOTED_STRING, _INPUT_ASSERTION_FAILED, _DATE, _DATETIME and _NUMBER, ARGUMENT_OUT_OF_BOUND,
# CANNOT_CONVERT_TYPE, INCORRECT_DATA, VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE, VIOLATED_CONSTRAINT
ABOUT_A_VALUE = frozenset({6, 26, 27, 38, 41, 72, 69, 70, 117, 321, 469})
# A statement is refused for its size or for what it needs; with fewer rows it may pass.
# SYNTAX_ERROR (of a statement beyond max_query_size), TOO_BIG_AST, MEMORY_LIMIT_EXCEEDED, TOO_MANY_PARTS
_ABOUT_SIZE = frozenset({SYNTAX_ERROR, 168, 241, 252})
# The HTTP status of a proxy that refuses a body of this size.
_TOO_LARGE = 413
_NEXT_STEPS = {
    # UNKNOWN_TABLE, UNKNOWN_DATABASE
    **dict.fromkeys(
        NOT_THERE, "Create it with `./run.sh setup_db`; if it exists, several servers answer at this address."
    ),
    # TOO_MANY_ROWS, TOO_BIG_AST, SET_SIZE_LIMIT_EXCEEDED, TOO_MANY_BYTES, TOO_MANY_ROWS_OR_BYTES
    **dict.fromkeys((158, 168, 191, 307, 396), "Have an administrator raise this limit in the user's profile."),
    # UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD, AUTHENTICATION_FAILED
    **dict.fromkeys((192, 193, 194, 516), "Check CLICKHOUSE_USER and CLICKHOUSE_PASSWORD."),
    READ_ONLY: "Give the user of CLICKHOUSE_USER the right to write.",
    243: "Free disk space where ClickHouse keeps its data.",  # NOT_ENOUGH_SPACE
    # REPLICA_ALREADY_EXISTS
    253: "Drop what an earlier table left in Keeper: SYSTEM DROP REPLICA, as docs/cluster.md shows.",
    # INDEX_NOT_USED
    277: "Have an administrator take force_primary_key and force_index_by_date out of the user's profile.",
    392: "Set <distributed_ddl> in the configuration of each server: docs/cluster.md.",  # QUERY_IS_PROHIBITED
    CONSTRAINT_VIOLATED: "Have an administrator let the user change it.",
    ACCESS_DENIED: "Give the user of CLICKHOUSE_USER the right to do this.",
}
# Codes with several causes, by a part of the text.
_NEXT_STEPS_BY_TEXT = {
    "DDL queries are prohibited": "Have an administrator set allow_ddl = 1, or run setup_db as another user.",
    "allow_nullable_key": "Have an administrator take data_type_default_nullable out of the user's profile.",
    "Max query size exceeded": "Have an administrator raise max_query_size in the user's profile.",
}
_LACKING_GRANT = re.compile(
    r"(?P<user>\S+): Not enough privileges\. .*\bgrant (?P<rights>.+) ON (?P<of>[^\s,]+?)\.?( \(|$)"
)
_COLUMNS = re.compile(r"\([^)]*\)")
# Part of error 341 if the mutation fails here too: no replica will finish it.
_FAILED_MUTATION = re.compile(r"during execution of mutations? ")
_TEXT_LIMIT = 400
_STATUS = re.compile(r"HTTP status (\d+)")
_MARKUP = re.compile(r"<[/!]?[A-Za-z][^<>]*>(: )?")  # Python objects too
_CODE_PREFIX = re.compile(
    r"^\s*((Received ClickHouse exception, code: \d+|HTTP driver received HTTP status \d+), server response: )?"
    r"(Code: \d+\. )?(DB::Exception: )?"
)

_PORTS = "8123, or 8443 with TLS; 9000 and 9440 are for clickhouse-client"
_CHECK_SERVER = (
    "Check that ClickHouse is running, and CLICKHOUSE_HOST, CLICKHOUSE_SECURE, any proxy, and CLICKHOUSE_PORT: "
    f"{_PORTS}."
)


_CORRECT_ADDRESS = (
    "Correct CLICKHOUSE_HOST, CLICKHOUSE_PORT and CLICKHOUSE_SECURE, or the proxy in front of ClickHouse."
)


class _Cause(NamedTuple):
    said: str  # searched in the lines ``kind: text`` of an error and its causes
    message: str  # {lowest} is the text of the lowest layer, {status} the HTTP status in brackets, if there is one
    next_step: str
    most_tries: int | None = 1  # 1 for what a retry cannot fix, None for no bound


# The first match counts.
_CAUSES = (
    _Cause(
        r"HTTP status 413\b",
        "a proxy in front of ClickHouse refuses a request of this size{status}",
        "Raise the proxy's limit, such as client_max_body_size of nginx.",
    ),
    _Cause(
        r"HTTP status 40[137]\b",
        "a proxy in front of ClickHouse refuses this user or host{status}",
        "Correct CLICKHOUSE_USER, CLICKHOUSE_PASSWORD and CLICKHOUSE_HOST, or the proxy.",
    ),
    _Cause(
        "Unexpected response to server version query|an HTML page",
        "what answers is not ClickHouse, but an HTML page, another program, or nothing",
        _CORRECT_ADDRESS,
    ),
    _Cause(
        "certificate has expired|certificate is not yet valid",
        "the server's certificate is out of date: {lowest}",
        "Renew the certificate of CLICKHOUSE_HOST, or correct this host's clock.",
    ),
    _Cause(
        "CERTIFICATE_VERIFY_FAILED.*(mismatch|is not valid for|doesn't match)",
        "the server's certificate is for another name: {lowest}",
        "Set CLICKHOUSE_HOST to a name in the certificate.",
    ),
    _Cause(
        "SSLError: .*(PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|UNSUPPORTED_SSL_VERSION|NO_PROTOCOLS_AVAILABLE)",
        "the server offers only an outdated TLS version",
        "Enable TLS 1.2 or later at CLICKHOUSE_HOST, or in the proxy in front of it.",
    ),
    _Cause(
        "SSLCertVerificationError",
        "the server's certificate cannot be verified",
        "Set CLICKHOUSE_CA_FILE to the file of its certificate authority.",
    ),
    _Cause(
        "is for clickhouse-client program",
        "this port is for clickhouse-client, not for HTTP",
        f"Set CLICKHOUSE_PORT to the HTTP port: {_PORTS}.",
    ),
    _Cause(
        "SSLError: .*(WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|HTTP_REQUEST|UNKNOWN_PROTOCOL)",
        "this port does not speak TLS",
        f"Set CLICKHOUSE_SECURE=false, or correct CLICKHOUSE_PORT: {_PORTS}.",
    ),
    _Cause(
        # The last are the first bytes of a TLS alert, quoted by a library that expected HTTP.
        r"HTTP status 400[\s\S]*(HTTPS|SSL|TLS)|HTTP status 426\b|\\x15\\x03",
        "this port requires TLS{status}",
        f"Set CLICKHOUSE_SECURE=true, and CLICKHOUSE_PORT to the HTTPS port: {_PORTS}.",
    ),
    _Cause(r"HTTP status 30\d", "the server answered with a redirect, which is not followed", _CORRECT_ADDRESS),
    _Cause("^(ImportError|ModuleNotFoundError):", "the driver cannot be loaded: {lowest}", "./run.sh install"),
    # EAI_NONAME, EAI_NODATA; 8 on macOS. It may be a slip of the name server, but mostly the name is wrong.
    _Cause(
        r"^gaierror: \[Errno (-2|-5|8)\]",
        "unknown host name ({lowest})",
        "Correct CLICKHOUSE_HOST, or this machine's DNS.",
        most_tries=2,
    ),
    _Cause(
        "^ConnectionRefusedError:",
        "the connection was refused",
        "Start ClickHouse, or correct CLICKHOUSE_HOST and CLICKHOUSE_PORT.",
        most_tries=None,
    ),
    _Cause("^TimeoutError:", "the server did not answer in time", "", most_tries=None),
    # Except those by which a proxy asks for patience: 408 timeout, 425 too early, 429 too many requests.
    _Cause(r"HTTP status 4(?!08|25|29)\d\d", "what answers is not ClickHouse{status}", _CORRECT_ADDRESS),
)
# The driver's classes for errors that a retry does not fix.
_FINAL = re.compile("(Data|Integrity|Interface|Internal|NotSupported|Programming)Error|Warning")


def storage_error(error: BaseException, where: str, *, secret: str = "") -> EtlError:
    """The error of our tree for one of the driver, urllib3 or the OS; a `secret` that its text quotes is masked."""
    lowest = innermost_words(error)
    # The driver hides some causes, which the lowest layer still names.
    text = lowest if str(error) in ("", "Error executing HTTP request") else str(error)
    if secret:
        text, lowest = text.replace(secret, "***"), lowest.replace(secret, "***")
    # A proxy may strip the header with the code; the text has it too.
    found = re.search(r"\bCode: (\d+)\.", text)
    if isinstance(code := getattr(error, "code", None) or (found and int(found[1])), int):
        return _coded_error(code, text, where)
    said = "\n".join(f"{type(cause).__name__}: {cause}" for cause in causes(error))
    status = _STATUS.search(text)
    where, shown = f"ClickHouse ({where})", f" ({status[0]})" if status else ""
    if cause := next((cause for cause in _CAUSES if re.search(cause.said, said, re.MULTILINE)), None):
        message = f"{where}: {cause.message.format(lowest=plain(lowest), status=shown)}"
        if cause.most_tries == 1:
            return StorageRejected(message, next_step=cause.next_step, status=int(status[1]) if status else None)
        return StorageUnavailable(message, next_step=cause.next_step, most_tries=cause.most_tries)
    message = f"{where}: the request failed{shown}: {plain(text)}"
    if any(_FINAL.fullmatch(kind.__name__) for kind in type(error).__mro__):
        return StorageRejected(message)
    return StorageUnavailable(message, next_step=_CHECK_SERVER)


def _coded_error(code: int, text: str, where: str) -> EtlError:
    message = f"ClickHouse ({where}) answered error {code}: {plain(text)}"
    if code in _PASSING and not _FAILED_MUTATION.search(text):
        return StorageUnavailable(message, next_step=_PASSING[code], code=code)
    next_step = next((step for part, step in _NEXT_STEPS_BY_TEXT.items() if part in text), _NEXT_STEPS.get(code, ""))
    if code == ACCESS_DENIED and (lacking := _LACKING_GRANT.search(plain(text))):
        # Of the whole table: rights to single columns would change with the table.
        next_step = grant(f"{_COLUMNS.sub('', lacking['rights'])} ON {lacking['of']}", lacking["user"])
    return StorageRejected(message, next_step=next_step, code=code)


def is_about_size(error: object) -> bool:
    """Whether a statement with fewer rows may pass."""
    return isinstance(error, EtlError) and (error.code in _ABOUT_SIZE or error.status == _TOO_LARGE)


def grant(right: str, user: str) -> str:
    """The next step for a missing right, such as ``SELECT, INSERT ON crypto.*``."""
    name = user if re.fullmatch(r"\w+", user) else f"`{user}`"
    return f"Have an administrator run: GRANT {right} TO {name}"


def plain(text: str) -> str:
    """A text of ClickHouse on one line, without markup and prefixes that repeat the code."""
    return one_line(_CODE_PREFIX.sub("", _MARKUP.sub(" ", text)), _TEXT_LIMIT)
