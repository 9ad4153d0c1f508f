"""A small ClickHouse server: its HTTP protocol, as clickhouse-connect speaks it, over the embedded engine.

It asks for user and password, counts what it is asked, and can be told to fail. It knows what this project and the
driver use of the protocol and no more: https://clickhouse.com/docs/interfaces/http
"""

from __future__ import annotations

import base64
import re
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import chdb

from adapters._bases.clickhouse_adapter import Server
from tests.support.access import session_statements
from tests.support.eventually import PATIENCE_SECONDS
from tests.support.older_engine import OlderEngine

FaultKind = Literal[
    "reset",
    "execute_then_reset",
    "hang",
    "execute_then_hang",
    "half",
    "cut",
    "error",
    "execute_then_error",
    "forget",
    "redirect",
]
_Settings = tuple[tuple[str, str], ...]
_NOT_SETTINGS = "buffer_size client_protocol_version enable_http_compression http_headers_progress_interval_ms query"
_NOT_SETTINGS += " query_id send_progress_in_http_headers session_id wait_end_of_query"
_CALL = re.compile(r"^SELECT\s+'[0-9a-f]{32}', ")
_INSERT = re.compile(r"\s*(INSERT INTO .+?)\s+FORMAT (\w+)\s*", re.DOTALL)
_STATUS_OF_CODE = {60: 404, 81: 404, 164: 403, 516: 403}


@dataclass
class Fault:
    """One failure to come. After ``execute_then_`` its kind befalls the answer.

    ``reset``: the connection is reset; ``hang``: no answer until it is released, then the honest one; ``half``: the
    body ends in its middle; ``cut``: it ends before its first block, without a length; ``forget``: nothing is executed,
    and the answer is good; ``error``: an answer with `code`; ``redirect``: one with that HTTP status that leads to
    `text`.
    """

    kind: FaultKind
    statement: str = ""  # the beginning of the statements that it befalls, such as ``INSERT``
    body: bytes = b""  # befalls only statements with these bytes among their rows
    times: int = 1
    spared: int = 0  # how many statements are executed before the first that it befalls
    code: int = 0  # ClickHouse's error code, or the HTTP status
    text: str = "injected."  # what the answer says, or the address
    reached: threading.Event = field(default_factory=threading.Event)  # set once a statement hangs in it
    released: threading.Event = field(default_factory=threading.Event)  # lets them go; set when the front is closed

    def wait(self) -> None:
        assert self.reached.wait(PATIENCE_SECONDS)


@dataclass
class ClickHouseFront:
    """A server on a free port of the loopback; a context manager."""

    path: Path  # the folder of the embedded engine's data
    user: str = "default"
    password: str = ""
    certificate: Path | None = None  # PEM with a certificate and its key; given, the front speaks HTTPS
    readonly: bool = False  # whether the user's profile has ``readonly = 1``: then no request may bring a setting
    role: str = ""  # whose rights the user has, of `tests.support.access`; empty for all of them
    profile: str = ""  # that of the user's settings, of `tests.support.access`; empty for none
    statements: list[str] = field(default_factory=list)  # all that was asked, in order, the driver's handshake too
    faults: list[Fault] = field(default_factory=list)  # each goes once it has befallen its statements
    cached: bool = False  # whether a SELECT is answered as it was before, by its text and its URL without the id
    most_bytes: int = 0  # what a request may have as its body before a proxy refuses it; 0 for any number
    bare: bool = False  # whether a proxy strips ClickHouse's headers from the answers
    dropped: tuple[str, ...] = ()  # settings that do not reach the engine
    shown: str = ""  # the condition of the rows of prices that SELECTs show, as a row policy has one; empty for all
    # The beginning of statements to what is executed in their place, for what this engine cannot be.
    replacements: dict[str, str] = field(default_factory=dict)
    engine: OlderEngine | None = None  # of another version, in a process of its own
    port: int = 0
    settings: list[_Settings] = field(default_factory=list)  # those that each executed statement came with
    is_closed: bool = False
    _server: _Server | None = None
    _kept_port: socket.socket | None = None
    _hanging: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _executing: threading.Lock = field(default_factory=threading.Lock)
    _sessions: dict[tuple[str, str, _Settings], Any] = field(default_factory=dict)
    _answers: dict[tuple[str, _Settings], bytes] = field(default_factory=dict)

    def __enter__(self) -> ClickHouseFront:
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_closed = True
        for fault in self._hanging:
            fault.released.set()
        self.refuse()
        self._let_port_go()
        with self._executing:
            while self._sessions:
                self._sessions.popitem()[1].close()

    @property
    def address(self) -> Server:
        return Server("127.0.0.1", self.port, self.user, self.password, secure=self.certificate is not None)

    def variables(self, database: str) -> dict[str, str]:
        names = ("HOST", "PORT", "USER", "PASSWORD", "DB")
        values = ("127.0.0.1", str(self.port), self.user, self.password, database)
        return {f"CLICKHOUSE_{name}": value for name, value in zip(names, values, strict=True)}

    def fail(self, kind: FaultKind, statement: str = "", **details: Any) -> Fault:
        """Let the next statements that begin so fail; details as of `Fault`."""
        self.faults.append(fault := Fault(kind, statement, **details))
        return fault

    def asked(self, beginning: str) -> list[str]:
        return [statement for statement in self.statements if statement.lstrip().startswith(beginning)]

    def listen(self) -> None:
        """Take connections, on the same port as before if there was one."""
        self._let_port_go()
        server = _Server(("127.0.0.1", self.port), _handler(self))
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        self.port = server.server_address[1]
        self._server = server
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def refuse(self) -> None:
        """Take no connection any more, and close those there are; harmless twice."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._server = None
        # Bound, and not listening: connections are refused, and no other process gets the port meanwhile.
        self._kept_port = socket.socket()
        self._kept_port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._kept_port.bind(("127.0.0.1", self.port))

    def _let_port_go(self) -> None:
        if self._kept_port is not None:
            self._kept_port.close()
            self._kept_port = None

    def take_fault(self, statement: str, body: bytes) -> Fault | None:
        with self._lock:
            statement = without_call(statement)
            self.statements.append(statement)
            for fault in self.faults:
                if not statement.lstrip().startswith(fault.statement) or fault.body not in body:
                    continue
                if fault.spared:
                    fault.spared -= 1
                    continue
                fault.times -= 1
                if fault.times == 0:
                    self.faults.remove(fault)
                self._hanging.append(fault)
                return fault
        return None

    def execute(self, statement: str, body: bytes, parameters: dict[str, str]) -> bytes:
        form, plain = statement.rpartition(" FORMAT "), without_call(statement)
        for old, new in self.replacements.items():
            if plain.startswith(old):
                statement = as_called(f"{new} FORMAT {form[2]}" if form[0] else new, statement)
        if self.shown and plain.startswith("SELECT"):
            statement = statement.replace("`crypto_prices` WHERE ", f"`crypto_prices` WHERE ({self.shown}) AND ")
        asked = (statement, tuple(pair for pair in parameters.items() if pair[0] != "query_id"))
        if self.cached and asked in self._answers:
            return self._answers[asked]
        bound = {name[6:]: value for name, value in parameters.items() if name.startswith("param_")}
        passed = {*parameters} - {*_NOT_SETTINGS.split()} - {f"param_{name}" for name in bound} - {*self.dropped}
        settings = tuple((name, value) for name, value in parameters.items() if name in passed)
        if insert := _INSERT.fullmatch(statement):
            with tempfile.NamedTemporaryFile() as file:
                file.write(body)
                file.flush()
                stored = f"{insert[1]} FROM INFILE '{file.name}' COMPRESSION 'none' FORMAT {insert[2]}"
                return self._query(stored, settings, {})
        answer = self._query(statement, settings, bound)
        if self.cached and statement.lstrip().startswith("SELECT"):
            self._answers[asked] = answer
        return answer

    def _query(self, statement: str, settings: _Settings, bound: dict[str, str]) -> bytes:
        with self._executing:
            self.settings.append(settings)
            if self.engine is not None:
                return self.engine.query(statement, settings, bound)
            return bytes(self._session(settings).query(statement, "TabSeparated", params=bound).bytes() or b"")

    def _session(self, settings: _Settings) -> Any:
        """A connection to the engine; one for each set of settings, for setting them costs more than a statement."""
        key = (self.role, self.profile, settings)
        if key not in self._sessions:
            connect: Any = chdb.connect  # its package is typed in one of its two distributions only
            connection = connect(str(self.path))
            try:
                for statement in self._beginning(settings):
                    connection.query(statement)
            except RuntimeError:
                connection.close()
                raise
            self._sessions[key] = connection
        return self._sessions[key]

    def _beginning(self, settings: _Settings) -> list[str]:
        named = [f"USE `{value}`" for name, value in settings if name == "database"]
        named += session_statements(self.role, self.profile) + (["SET readonly = 1"] if self.readonly else [])
        return named + [f"SET {name} = '{value}'" for name, value in settings if name != "database"]


def without_call(statement: str) -> str:
    """A statement on one line, without the column by which each call of it differs."""
    return " ".join(_CALL.sub("SELECT ", statement).split())


def as_called(statement: str, other: str) -> str:
    """A SELECT with that column of another statement, if that has it."""
    call = _CALL.match(other)
    return statement.replace("SELECT ", call[0], 1) if call else statement


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = True
    allow_reuse_address = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        for connection in list(self._connections):
            with suppress(OSError):  # the client may have closed it already
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or was sent away, is what these tests are about."""


def _handler(front: ClickHouseFront) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else every answer waits for the kernel, 40 ms

        def do_POST(self) -> None:
            parameters = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
            body = self._body()
            if 0 < front.most_bytes < len(body):
                self._send(413, b"<html><head><title>413 Request Entity Too Large</title></head></html>", {})
                return
            statement = parameters.pop("query", "")
            if not statement:
                statement, body = _split(body)
            login = base64.b64encode(f"{front.user}:{front.password}".encode()).decode()
            if self.headers.get("Authorization", "") != f"Basic {login}":
                self._refuse(
                    516, f"Code: 516. DB::Exception: {front.user}: Authentication failed. (AUTHENTICATION_FAILED)"
                )
                return
            fault = front.take_fault(statement, body)
            try:
                if fault is None:
                    self._answer(front.execute(statement, body, parameters))
                else:
                    self._fail(fault, lambda: front.execute(statement, body, parameters))
            except RuntimeError as error:
                found = re.search(r"Code: (\d+)", str(error))
                self._refuse(int(found[1]) if found else 1001, str(error))

        do_GET = do_POST  # noqa: N815 - the base class calls it so

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

        def _fail(self, fault: Fault, execute: Callable[[], bytes]) -> None:
            kind = fault.kind.removeprefix("execute_then_")
            if kind != fault.kind:
                execute()
            if kind == "hang":
                fault.reached.set()
                fault.released.wait()
            if kind == "hang" and not front.is_closed:
                self._answer(execute())
            elif kind == "error":
                self._refuse(fault.code, f"Code: {fault.code}. DB::Exception: {fault.text} (INJECTED)")
            elif kind == "redirect":
                self._send(fault.code, b"", {"Location": fault.text})
            elif kind == "forget":
                self._answer(b"")
            elif kind == "cut":
                self.send_response(200)
                self.end_headers()
                self.close_connection = True
            else:
                if kind == "half":
                    self._answer(execute(), half=True)
                # The connection ends the hard way: no answer, not even its beginning.
                self.close_connection = True
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()

        def _answer(self, answer: bytes, *, half: bool = False) -> None:
            headers = {} if front.bare else {"X-ClickHouse-Summary": "{}"}
            if "lz4" in self.headers.get("Accept-Encoding", ""):
                # Comes with clickhouse-connect, which needs none from Python 3.14 on; it has no types.
                import lz4.frame  # type: ignore[import-untyped]  # noqa: PLC0415

                answer, headers["Content-Encoding"] = lz4.frame.compress(answer), "lz4"
            headers["Content-Length"] = str(len(answer))
            self._send(200, answer[: len(answer) // 2] if half else answer, headers)

        def _refuse(self, code: int, text: str) -> None:
            headers = {} if front.bare else {"X-ClickHouse-Exception-Code": str(code)}
            self._send(_STATUS_OF_CODE.get(code, 500), text.encode(), headers)

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

    return Handler


def _split(body: bytes) -> tuple[str, bytes]:
    """The statement and the rows of a body; the driver's INSERT has both in it, apart by the end of the first line."""
    first, _, rest = body.partition(b"\n")
    if first.startswith(b"INSERT INTO") and first.endswith(b"FORMAT Native"):
        return first.decode(), rest
    return body.decode(), b""
