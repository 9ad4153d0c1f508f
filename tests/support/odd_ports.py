"""Ports at which something else listens than was expected; each on a free port of the loopback."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TLS = Path(__file__).parent / "tls"
NATIVE = (
    b"HTTP/1.0 400 Bad Request\r\n\r\nPort %d is for clickhouse-client program\r\nYou must use port 8123 for HTTP.\r\n"
)
"""What ClickHouse's own protocol answers to HTTP."""
ALERT = b"\x15\x03\x01\x00\x02\x02\x46"
"""A fatal alert of TLS: the version is not supported."""


@contextmanager
def port_of(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port whose connections are served one after the other, each closed at the end."""

    def loop() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                serve(connection)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=loop, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def answering(answer: bytes) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    return serve


def plain(connection: socket.socket) -> None:
    answering(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")(connection)


def with_tls(connection: socket.socket, certificate: str = "loopback.pem") -> None:
    """Serves TLS, with a certificate that nobody knows; hangs up on anything else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / certificate)
    with context.wrap_socket(connection, server_side=True):
        pass


def with_page(status: str, page: str = "") -> Callable[[socket.socket], None]:
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(page)}\r\nConnection: close\r\n\r\n"
    return answering((head + page).encode())


def hanging_up(connection: socket.socket) -> None:
    connection.recv(65536)
