"""An answer that is not delivered as an honest server would, with the connection in the fault's hands."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

from sandbox.server import JSON_TYPE, Answer


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
class SpoiltAnswer(Answer):
    """An answer with bytes, headers or a delivery of its own.

    Attributes:
        text: sent as the body in place of `document`; None sends the document.
        headers: added to the usual ones, or in their place; an empty value leaves the header out.
        deliver: how it is sent.
    """

    text: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    deliver: Delivery = whole

    def send(self, handler: BaseHTTPRequestHandler) -> None:
        """As in the base class."""
        body = json.dumps(self.document).encode() if self.text is None else self.text
        usual = {"Date": handler.date_time_string(), "Content-Type": JSON_TYPE, "Content-Length": str(len(body))}
        wire = Wire(handler.connection)
        self.deliver(wire, _head(self.status, {**usual, **self.headers}), body)
        if wire.closed or self.headers.get("Connection") == "close":
            handler.close_connection = True


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items() if value]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
