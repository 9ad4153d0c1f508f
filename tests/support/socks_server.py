"""A SOCKS5 proxy (RFC 1928) on this machine: CONNECT alone, without a password, one thread a connection."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer

_BY_NAME = 3


class SocksServer(ThreadingTCPServer):
    """Runs inside ``with``.

    Attributes:
        asked_for: host and port of each connection that was made through it.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Through)
        self.address = f"127.0.0.1:{self.server_address[1]}"
        self.asked_for: list[tuple[str, int]] = []

    def __enter__(self) -> SocksServer:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Through(StreamRequestHandler):
    server: SocksServer

    def handle(self) -> None:
        """The greeting, the request, then bytes both ways until one side ends."""
        client: socket.socket = self.request
        self.rfile.read(self.rfile.read(2)[1])
        client.sendall(b"\x05\x00")
        if self.rfile.read(4)[3] == _BY_NAME:
            host = self.rfile.read(self.rfile.read(1)[0]).decode()
        else:
            host = socket.inet_ntoa(self.rfile.read(4))
        (port,) = struct.unpack("!H", self.rfile.read(2))
        self.server.asked_for.append((host, port))
        with socket.create_connection((host, port)) as target:
            client.sendall(b"\x05\x00\x00\x01" + bytes(6))
            back = threading.Thread(target=_pass_on, args=(target, client), daemon=True)
            back.start()
            _pass_on(client, target)
            back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
