"""The HTTP server on a loopback port."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, TypeVar

JSON_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True)
class Answer:
    """What a request is answered with: status, JSON body, the credits to charge, and headers of the source's own."""

    status: int
    document: Any
    credits: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)

    def send(self, handler: BaseHTTPRequestHandler) -> None:
        """Send it, with gzip if the client takes that.

        Raises:
            OSError: the client is gone.
        """
        body = json.dumps(self.document).encode()
        handler.send_response(self.status)
        handler.send_header("Content-Type", JSON_TYPE)
        for name, value in self.headers.items():
            handler.send_header(name, value)
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


_Served = TypeVar("_Served", bound="Serving")


class Serving:
    """Serves a simulated source on a loopback port, as a context manager from entry to exit.

    Args:
        port: of 127.0.0.1; 0 for a free one.
        answer: called with the target and the headers (names in lower case) of each GET.
        clock: gives the aware time, which the Date header says too.
    """

    def __init__(
        self, *, port: int, answer: Callable[[str, dict[str, str]], Answer], clock: Callable[[], datetime]
    ) -> None:
        self._clock = clock
        self._server = HttpFront(port=port, answer=answer, date=lambda: format_datetime(self.now(), usegmt=True))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self: _Served) -> _Served:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.close_connections()
        self._server.server_close()

    @property
    def base_url(self) -> str:
        """The address in place of the source's own, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def now(self) -> datetime:
        """The present time, in UTC."""
        return self._clock().astimezone(timezone.utc)
