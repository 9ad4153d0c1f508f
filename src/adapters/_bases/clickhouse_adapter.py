"""The door to ClickHouse: a server over HTTP, or the engine inside this process.

The only importer of clickhouse_connect (https://clickhouse.com/docs/integrations/python), which is loaded on first use,
and the embedded engine only when that is the one asked for.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, cast

from adapters._bases.clickhouse_address import EmbeddedEngine, Server
from adapters._bases.clickhouse_errors import NOT_THERE, coded_error, uncoded_error
from adapters._bases.clickhouse_redirects import refuse_redirects
from adapters._bases.embedded_folder import prepare_embedded_folder
from adapters._bases.errors import EtlError, StorageRejected

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client
    from urllib3 import PoolManager

_PIECE_BYTES = 1 << 20
_STATEMENT_BYTES = 64 << 20
_WHOLE_ANSWER = {"wait_end_of_query": 1}


class ClickHouseAdapter:
    """A connection that is made on first use.

    Every method that speaks to ClickHouse raises `StorageUnavailable` when no answer came (what was done before that is
    unknown) and `StorageRejected` when it refused. Nothing that writes is ever sent twice by this class.

    Args:
        address: of a server, or the folder of the engine inside this process.
        connect_timeout_seconds: to reach the server; rounded to whole seconds, at least one.
        query_timeout_seconds: for one statement; rounded likewise.
        guard: held from the first use until `close`: a lock that keeps other processes from the embedded folder.
    """

    def __init__(
        self,
        *,
        address: EmbeddedEngine | Server,
        connect_timeout_seconds: float,
        query_timeout_seconds: float,
        guard: AbstractContextManager[object] | None = None,
    ) -> None:
        self.address = address
        self._guard = nullcontext() if guard is None else guard
        self._held = ExitStack()
        self._connect_timeout_seconds = max(1, round(connect_timeout_seconds))
        self._query_timeout_seconds = max(1, round(query_timeout_seconds))
        self._client: Client | None = None

    def server_version(self) -> tuple[int, ...]:
        """Such as ``(26, 9, 2, 1)``."""
        return tuple(int(part) for part in re.findall(r"\d+", self._connected().server_version or "")[:4])

    def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[tuple[object, ...]]:
        """The rows that a SELECT brings.

        Args:
            sql: one statement; ``{name:Type}`` stands for a parameter.
            parameters: bound by the server, never pasted into the text.
        """
        client = self._connected()
        with self._translated_errors():
            return [tuple(row) for row in client.query(sql, parameters=dict(parameters or {})).result_rows]

    def query_if_there(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[tuple[object, ...]]:
        """As `query`; no rows where the table, the database or the embedded engine's folder is not there yet.

        Nothing is made: that folder stays away, which a connection would make.
        """
        if isinstance(self.address, EmbeddedEngine) and not self.address.path.exists():
            return []
        try:
            return self.query(sql, parameters)
        except StorageRejected as error:
            if error.code in NOT_THERE:
                return []
            raise

    def command(self, sql: str) -> None:
        """Run one statement that brings no rows; it is complete when this returns."""
        client = self._connected()
        with self._translated_errors():
            client.command(sql, settings=_WHOLE_ANSWER)

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """One INSERT, complete when this returns; each month's rows are stored all or none.

        The driver's own insert is sent again by the driver when the connection drops, also when the server had executed
        it: the rows would stand twice. A body that is an iterator cannot be sent again.

        Args:
            table: quoted, with its database.
            columns: plain names.
            rows: values in the order of `columns`; held in memory.
        """
        body = json.dumps(list(rows), separators=(",", ":"), allow_nan=False)[1:-1].encode()
        client = self._connected()
        with self._translated_errors():
            client.raw_insert(table, columns, _once(body), fmt="JSONCompactEachRow", settings=_WHOLE_ANSWER)

    @contextmanager
    def native_stream(self, sql: str) -> Iterator[Iterator[bytes]]:
        """The rows that a SELECT brings, in ClickHouse's Native format, piece by piece.

        A failure in mid-stream may show only as an end that comes too early: count the rows.
        """
        client = self._connected()
        with self._translated_errors():
            stream = cast("BinaryIO", client.raw_stream(sql, fmt="Native"))
        try:
            yield self._pieces(stream)
        finally:
            stream.close()

    def close(self) -> None:
        """Let go of the connection, and of the embedded engine's folder; harmless twice."""
        self._client = None
        self._held.close()

    def __enter__(self) -> ClickHouseAdapter:
        """The adapter itself, not connected yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def _pieces(self, stream: BinaryIO) -> Iterator[bytes]:
        while True:
            with self._translated_errors():
                piece = stream.read(_PIECE_BYTES)
            if not piece:
                return
            yield piece

    def _connected(self) -> Client:
        if self._client is None:
            # What the driver has to say is said by the translated error.
            logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
            with ExitStack() as held:
                held.enter_context(self._guard)
                client = self._opened(held)
                held.callback(client.close)
                with self._translated_errors():
                    self._set_up_session(client)
                self._client = client
                self._held = held.pop_all()
        return self._client

    def _opened(self, held: ExitStack) -> Client:
        if isinstance(self.address, Server):
            return self._open_server(self.address, held.enter_context(_pool(self.address)))
        return self._open_embedded(self.address)

    def _open_embedded(self, engine: EmbeddedEngine) -> Client:
        import clickhouse_connect  # noqa: PLC0415 - half the start-up time of a command that needs no database

        prepare_embedded_folder(engine.path)
        with self._translated_errors():
            return clickhouse_connect.get_client(
                interface="chdb", path=str(engine.path), show_clickhouse_errors="scrub"
            )

    def _open_server(self, server: Server, pool: PoolManager) -> Client:
        import clickhouse_connect  # noqa: PLC0415 - as above

        with self._translated_errors():
            client = clickhouse_connect.get_client(
                interface=server.scheme,
                host=server.host,
                port=server.port,
                username=server.user,
                password=server.password,
                connect_timeout=self._connect_timeout_seconds,
                send_receive_timeout=self._query_timeout_seconds,
                query_retries=0,
                autogenerate_session_id=False,
                show_clickhouse_errors="scrub",
                pool_mgr=pool,
            )
        client.http_retries = 0  # type: ignore[attr-defined]  # one retry policy, and it is not urllib3's
        return client

    def _set_up_session(self, client: Client) -> None:
        """Settings that every statement relies on; those that the server does not know or allow stay as they are."""
        wanted = {
            "async_insert": 0,
            # Less than the driver waits: what took too long has then ended at the server before it is looked at again.
            "max_execution_time": max(1, self._query_timeout_seconds * 3 // 4),
            "max_partitions_per_insert_block": 0,
            "max_query_size": _STATEMENT_BYTES,
            "precise_float_parsing": 1,
        }
        for name, value in wanted.items():
            known = client.server_settings.get(name)
            if known is not None and not known.readonly:
                client.set_client_setting(name, value)

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Turn every error of the driver, of the engine and of the network into one of our tree."""
        from clickhouse_connect.driver.exceptions import ClickHouseError, StreamCompleteException  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - comes with the driver, leaks from its streams

        try:
            yield
        except (ClickHouseError, StreamCompleteException, HTTPError, OSError, ImportError) as error:
            secret = self.address.password if isinstance(self.address, Server) else ""
            raise storage_error(error, str(self.address), secret=secret) from error


def storage_error(error: Exception, where: str, *, secret: str = "") -> EtlError:
    """The error of our tree for one of the driver, of its engine or of the network.

    Args:
        error: a clickhouse_connect, urllib3 or OS error, or a missing module.
        where: which ClickHouse, for the message.
        secret: replaced by ``***`` in what ClickHouse says; it may echo what it was sent.
    """
    from clickhouse_connect.driver import exceptions as driver  # noqa: PLC0415 - loaded when it comes to this

    code = getattr(error, "code", None)
    text = str(error).replace(secret, "***") if secret else str(error)
    if isinstance(error, driver.Error) and code is not None:
        return coded_error(code, text, where)
    ours = (
        driver.Warning,
        driver.InterfaceError,
        driver.DataError,
        driver.IntegrityError,
        driver.InternalError,
        driver.ProgrammingError,
        driver.NotSupportedError,
        ImportError,
    )
    return uncoded_error(error, text, where, passing=not isinstance(error, ours))


def _pool(server: Server) -> PoolManager:
    """Connections of one adapter's own: through a proxy where the environment names one, certificates verified."""
    from clickhouse_connect.driver.httputil import check_env_proxy, get_pool_manager  # noqa: PLC0415 - as above

    if server.ca_file is not None and not server.ca_file.is_file():
        raise StorageRejected(f"there is no file {server.ca_file}", next_step="Correct CLICKHOUSE_CA_FILE.")
    proxy = check_env_proxy(server.scheme, server.host, server.port)
    pool: PoolManager = get_pool_manager(
        verify=True,
        ca_cert=None if server.ca_file is None else str(server.ca_file),
        http_proxy=None if server.secure else proxy,
        https_proxy=proxy if server.secure else None,
    )
    return refuse_redirects(pool, str(server))


def _once(body: bytes) -> Generator[bytes, None, None]:
    yield body
