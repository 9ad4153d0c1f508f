"""What lies at the bottom of a failed exchange, whichever library tells of it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress

_DENIED = {getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA") if hasattr(socket, name)}
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNKNOWN_PROTOCOL")
_ALERT = r"\x15\x03"
"""How a TLS server's first bytes read, quoted by a library that had expected HTTP."""
_PROBE_SECONDS = 2.0


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what caused it, and so on, the innermost last; urllib3 keeps the cause of its last try in `reason`."""
    seen: set[int] = set()
    cause: object = error
    while isinstance(cause, BaseException) and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        reason = getattr(cause, "reason", None)
        # A context that is suppressed counts: httpcore raises its errors again "from None".
        cause = reason if isinstance(reason, BaseException) else cause.__cause__ or cause.__context__


def innermost_words(error: BaseException) -> str:
    """What the lowest layer says that says anything, such as ``Connection reset by peer``; the kind where none does."""
    said = [(cause.strerror if isinstance(cause, OSError) else None) or str(cause) for cause in causes(error)]
    return next((" ".join(words.split()) for words in reversed(said) if words.strip()), type(error).__name__)


def is_denied_name(error: BaseException) -> bool:
    """Whether the host's name was looked up, and the answer was that there is none."""
    return any(isinstance(cause, socket.gaierror) and cause.errno in _DENIED for cause in causes(error))


def is_untrusted(error: BaseException) -> bool:
    """Whether the other side's certificate was refused."""
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes(error))


def has_no_tls(error: BaseException) -> bool:
    """Whether TLS was spoken to a port that does not speak it."""
    return any(
        isinstance(cause, ssl.SSLError) and any(word in str(cause) for word in _NO_TLS) for cause in causes(error)
    )


def quotes_tls(error: BaseException) -> bool:
    """Whether plain HTTP was answered in TLS."""
    return any(_ALERT in str(cause) for cause in causes(error))


def speaks_tls(host: str, port: int) -> bool:
    """Whether a TLS server listens there. Connects once, sends nothing but a greeting, and takes some two seconds."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        suppress(OSError),
        socket.create_connection((host, port), _PROBE_SECONDS) as connection,
        context.wrap_socket(connection, server_hostname=host),
    ):
        return True
    return False
