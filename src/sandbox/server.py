"""A simulated source over HTTP on a loopback port."""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

JSON_TYPE = "application/json; charset=utf-8"
ServingT = TypeVar("ServingT", bound="Serving")


@dataclass(frozen=True)
class Answer:
    status: int
    document: Any

    def send(self, handler: BaseHTTPRequestHandler) -> None:
        """Send it; raises OSError if the client has closed the connection."""
        body = json.dumps(self.document).encode()
        handler.send_response(self.status)
        handler.send_header("Content-Type", JSON_TYPE)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


class Serving(ThreadingHTTPServer, ABC):
    """A simulated source that is served as a context manager from entry to exit.

    Args:
        clock: the aware time, also for the Date header.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.base_url = f"http://127.0.0.1:{self.server_port}"
        self._clock = clock

    @abstractmethod
    def answer(self, target: str, headers: Mapping[str, str]) -> Answer:
        """The answer to a GET of path and query; header names are in lower case."""

    def __enter__(self: ServingT) -> ServingT:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.shutdown()
        self.server_close()

    def now(self) -> datetime:
        """The present time, in UTC."""
        return self._clock().astimezone(timezone.utc)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # small answers would wait for the client's delayed acknowledgement
    server: Serving

    def do_GET(self) -> None:
        self.server.answer(self.path, {name.lower(): value for name, value in self.headers.items()}).send(self)

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # reset by a client, as after its time limit
            self.close_connection = True

    def date_time_string(self, timestamp: float | None = None) -> str:  # noqa: ARG002 - the signature of the base class
        return format_datetime(self.server.now(), usegmt=True)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        """Log nothing."""
