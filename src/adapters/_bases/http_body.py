"""An HTTP body put together within bounds, and the JSON in it. Pure: no network, no HTTP library."""

from __future__ import annotations

import json
import zlib

from adapters._bases.errors import ContractError, SourceRejected, SourceUnavailable

_PLAIN = frozenset({"", "identity"})
_ZIPPED = frozenset({"gzip", "x-gzip", "deflate"})
_CLIENT_ERRORS = range(400, 500)
_FORBIDDEN = 403
# The 4xx that say "not now" or "not you" by a gatekeeper, rather than "never": RFC 9110 408, RFC 8470 425,
# RFC 6585 429, and 403, with which Cloudflare's page of HTML answers before the service is reached.
_PASSING_STATUSES = frozenset({_FORBIDDEN, 408, 425, 429})


class BoundedBody:
    """A body that grows piece by piece and never past its bound.

    The bound holds for the pieces as they came and for what they decompress to, and is checked before memory is taken:
    a few kilobytes of gzip that stand for gigabytes cost no more than the bound.

    Args:
        where: host and path of the question, for messages.
        content_encoding: the header of that name; gzip, deflate or none. A chain of several is refused: each link
            multiplies what a hostile body can grow to.
        max_bytes: the most that the body may hold, before and after decompression.

    Raises:
        ContractError: from the constructor, for an encoding that was not asked for.
    """

    def __init__(self, *, where: str, content_encoding: str, max_bytes: int) -> None:
        encoding = content_encoding.strip().lower()
        if encoding not in _PLAIN | _ZIPPED:
            raise ContractError(f"{where}: the answer is compressed in a way that was not asked for")
        # 32 added to the window size: zlib tells gzip and deflate apart by itself.
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 32) if encoding in _ZIPPED else None
        self._where = where
        self._max_bytes = max_bytes
        self._received = 0
        self._body = bytearray()

    def add(self, piece: bytes) -> None:
        """Takes the next piece as it came from the network.

        Raises:
            ContractError: the bound is passed.
            SourceUnavailable: the compressed data are garbled.
        """
        self._received += len(piece)
        if self._received <= self._max_bytes:
            self._body += self._inflated(piece)
        if max(self._received, len(self._body)) > self._max_bytes:
            raise ContractError(
                f"{self._where}: the answer is larger than {self._max_bytes} bytes, more than is ever due"
            )

    def content(self) -> bytes:
        """The whole body, decompressed.

        Raises:
            SourceUnavailable: the compressed data end before their end mark.
        """
        if self._inflater is not None and self._received and not self._inflater.eof:
            raise SourceUnavailable(f"{self._where}: the answer was cut short")
        return bytes(self._body)

    def _inflated(self, piece: bytes) -> bytes:
        if self._inflater is None:
            return piece
        try:
            return self._inflater.decompress(piece, self._max_bytes - len(self._body) + 1)
        except zlib.error as exc:
            raise SourceUnavailable(
                f"{self._where}: the answer is garbled, its compressed data cannot be read"
            ) from exc


def json_answer(content: bytes, *, status: int, where: str) -> object:
    """The JSON value in a body; NaN and Infinity, which Python's reader knows, are let through.

    Args:
        content: the whole body, decompressed.
        status: the HTTP status it came with.
        where: host and path of the question, for messages.

    Raises:
        SourceUnavailable: no JSON, though it may come another time (an overloaded server's page, a body cut short).
        SourceRejected: no JSON, and a status that says the address or the question is wrong.
    """
    try:
        value: object = json.loads(content)
    except (ValueError, RecursionError) as exc:
        found = f"HTTP {status} with {_nature(content)} instead of JSON"
        if status in _CLIENT_ERRORS and status not in _PASSING_STATUSES:
            raise SourceRejected(
                f"{where}: {found}", next_step="check the base URL in the settings", status=status
            ) from exc
        sender = ": from a gatekeeper such as Cloudflare, not from the service" if status == _FORBIDDEN else ""
        raise SourceUnavailable(f"{where}: {found}{sender}", next_step="try again later", status=status) from exc
    return value


def _nature(content: bytes) -> str:
    start = content[:64].strip()
    if not start:
        return "an empty body"
    if start.startswith(b"<"):
        return "a page of HTML"
    return "JSON that breaks off" if start[:1] in (b"{", b"[") else "a text"
