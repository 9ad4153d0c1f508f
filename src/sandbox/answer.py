"""One answer on its way to a client: what it says, and how its bytes are delivered."""

from __future__ import annotations

import gzip
import json
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from sandbox.bodies import JsonObject

JSON_TYPE = "application/json; charset=utf-8"


class Wire:
    """The server's side of one connection.

    Args:
        connection: the open socket.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.closed = False

    def send(self, data: bytes) -> None:
        """Sends all of it.

        Raises:
            OSError: the client is gone.
        """
        self._connection.sendall(data)

    def reset(self) -> None:
        """Ends the connection at once with a TCP reset; what was not yet delivered is lost."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Handler and server hold references that would keep the descriptor open: give it a socket of its own.
        socket.socket(fileno=self._connection.detach()).close()
        self.closed = True


Delivery = Callable[[Wire, bytes, bytes], None]
"""Called with the wire, the head and the body as bytes; sends as much of both as it likes."""


def whole(wire: Wire, head: bytes, body: bytes) -> None:
    """The ordinary delivery: everything at once."""
    wire.send(head + body)


@dataclass(frozen=True)
class Answer:
    """What a request is answered with.

    Attributes:
        status: the HTTP status.
        document: the JSON body.
        text: sent as the body in place of `document`; None sends the document.
        credits: charged for it.
        headers: added to the usual ones, or in their place; an empty value leaves the header out.
        deliver: how it is sent.
    """

    status: int
    document: JsonObject
    text: bytes | None = None
    credits: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    deliver: Delivery = whole

    def send(self, wire: Wire, *, date: str, zipped: bool) -> None:
        """Sends it, with gzip if the client takes that.

        Args:
            wire: where to.
            date: the Date header.
            zipped: whether the body may be compressed; one with a Content-Encoding of its own is sent as it is.

        Raises:
            OSError: the client is gone.
        """
        body = json.dumps(self.document).encode() if self.text is None else self.text
        usual = {"Date": date, "Content-Type": JSON_TYPE}
        if body and zipped and "Content-Encoding" not in self.headers:
            body = gzip.compress(body, compresslevel=1, mtime=0)
            usual["Content-Encoding"] = "gzip"
        usual["Content-Length"] = str(len(body))
        self.deliver(wire, _head(self.status, {**usual, **self.headers}), body)

    @property
    def keeps_open(self) -> bool:
        """Whether the connection may serve another request afterwards."""
        return self.headers.get("Connection") != "close"


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items() if value]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
