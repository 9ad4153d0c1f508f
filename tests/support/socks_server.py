"""A SOCKS5 proxy (RFC 1928) on this machine: CONNECT alone, without a password, one thread a connection."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from types import TracebackType

_BY_NAME = 3
_IPV4 = 1


class SocksServer(ThreadingTCPServer):
    """Runs inside ``with``.

    Attributes:
        asked_for: host and port of each connection that was made through it.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Through)
        self.asked_for: list[tuple[str, int]] = []
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> SocksServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()


class _Through(BaseRequestHandler):
    server: SocksServer

    def handle(self) -> None:
        """The greeting, the request, then bytes both ways until one side ends."""
        client: socket.socket = self.request
        _, methods = client.recv(2)
        client.recv(methods)
        client.sendall(b"\x05\x00")
        kind = client.recv(4)[3]
        host = client.recv(client.recv(1)[0]).decode() if kind == _BY_NAME else _plain(client.recv(4), kind)
        (port,) = struct.unpack("!H", client.recv(2))
        self.server.asked_for.append((host, port))
        with socket.create_connection((host, port)) as target:
            client.sendall(b"\x05\x00\x00\x01" + bytes(6))
            back = threading.Thread(target=_pass_on, args=(target, client), daemon=True)
            back.start()
            _pass_on(client, target)
            back.join()


def _plain(packed: bytes, kind: int) -> str:
    assert kind == _IPV4
    return socket.inet_ntoa(packed)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
