"""A simulated source over HTTP on a loopback port."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import format_datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, TypeVar

JSON_TYPE = "application/json; charset=utf-8"
_ServingT = TypeVar("_ServingT", bound="Serving")


@dataclass(frozen=True)
class Answer:
    """An answer to a request: HTTP status, JSON document, credits to charge, headers besides the usual ones."""

    status: int
    document: Any
    credits: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)

    def send(self, handler: BaseHTTPRequestHandler) -> None:
        """Send it, gzipped if the client accepts that; raises OSError if the client has closed the connection."""
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
    """Whether the client accepts a gzipped body."""
    return "gzip" in handler.headers.get("Accept-Encoding", "")


class Serving:
    """Serves a simulated source, as a context manager from entry to exit.

    Args:
        respond: called with the target and the headers (names in lower case) of each GET.
        clock: gives the aware time, also for the Date header.
    """

    def __init__(self, *, respond: Callable[[str, dict[str, str]], Answer], clock: Callable[[], datetime]) -> None:
        self.respond = respond
        self._clock = clock
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self: _ServingT) -> _ServingT:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def base_url(self) -> str:
        """The address that replaces the source's own, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def now(self) -> datetime:
        """The present time, in UTC."""
        return self._clock().astimezone(timezone.utc)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # small answers would wait for the client's delayed acknowledgement

    def __init__(self, serving: Serving, *connection: Any) -> None:
        self._serving = serving
        super().__init__(*connection)

    def do_GET(self) -> None:
        self._serving.respond(self.path, {name.lower(): value for name, value in self.headers.items()}).send(self)

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # reset by a client, as after its time limit
            self.close_connection = True

    def date_time_string(self, timestamp: float | None = None) -> str:  # noqa: ARG002 - the signature of the base class
        return format_datetime(self._serving.now(), usegmt=True)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        """Log nothing."""
