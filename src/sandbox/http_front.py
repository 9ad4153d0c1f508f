"""The HTTP server on a loopback port."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from sandbox.bodies import JsonObject

JSON_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True)
class Answer:
    """What a request is answered with: status, JSON body, and the credits to charge."""

    status: int
    document: JsonObject
    credits: int = 0

    def send(self, handler: BaseHTTPRequestHandler) -> None:
        """Send it, with gzip if the client takes that.

        Raises:
            OSError: the client is gone.
        """
        body = json.dumps(self.document).encode()
        handler.send_response(self.status)
        handler.send_header("Content-Type", JSON_TYPE)
        if takes_gzip(handler):
            body = gzip.compress(body, compresslevel=1, mtime=0)
            handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


def takes_gzip(handler: BaseHTTPRequestHandler) -> bool:
    """Whether the client accepts a compressed body."""
    return "gzip" in handler.headers.get("Accept-Encoding", "")


class HttpFront(ThreadingHTTPServer):
    """Serves one connection a thread, and remembers the open ones so that closing ends the idle ones too.

    Args:
        port: of 127.0.0.1; 0 for a free one.
        answer: called with the target and the headers (names in lower case) of each GET.
        date: gives the Date header.
    """

    daemon_threads = False  # so that closing waits for the handlers
    request_queue_size = 128

    def __init__(self, *, port: int, answer: Callable[[str, dict[str, str]], Answer], date: Callable[[], str]) -> None:
        self.answer = answer
        self.date = date
        self._open: set[object] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    def get_request(self) -> tuple[socket.socket, object]:
        """Accept a connection and remember it."""
        connection, address = super().get_request()
        with self._lock:
            self._open.add(connection)
        return connection, address

    def close_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Close a connection and forget it."""
        with self._lock:
            self._open.discard(request)
        super().close_request(request)

    def close_connections(self) -> None:
        """End every open connection, so that their handlers see the end of the stream."""
        with self._lock:
            still_open = [connection for connection in self._open if isinstance(connection, socket.socket)]
        for connection in still_open:
            with contextlib.suppress(OSError):  # the other side was quicker
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # small answers would wait for the client's delayed acknowledgement
    server: HttpFront

    def do_GET(self) -> None:
        answer = self.server.answer(self.path, {name.lower(): value for name, value in self.headers.items()})
        try:
            answer.send(self)
        except OSError:  # the client has gone, as clients with a time limit do
            self.close_connection = True

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # reset by the client between two requests
            self.close_connection = True

    def date_time_string(self, timestamp: float | None = None) -> str:  # noqa: ARG002 - the signature of the base class
        return self.server.date()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        """Log nothing."""
