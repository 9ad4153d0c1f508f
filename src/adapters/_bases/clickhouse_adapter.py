"""The connection to ClickHouse: a server over HTTP, or the engine inside this process.

The only importer of clickhouse_connect (https://clickhouse.com/docs/integrations/python).
"""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from uuid import uuid4

import structlog

from adapters._bases.clickhouse_errors import (
    CONSTRAINT_VIOLATED,
    NOT_THERE,
    READ_ONLY,
    SYNTAX_ERROR,
    grant,
    storage_error,
)
from adapters._bases.clickhouse_settings import NEWER, NOT_DEDUPLICATED, PINNED, WANTED, harmful, refuse_harmful
from adapters._bases.embedded_engine import (
    EmbeddedEngine,
    engine_failure,
    engine_zone,
    import_engine,
    name_foreign_file,
    prepare_embedded_folder,
)
from adapters._bases.errors import ConfigurationError, StorageRejected, StorageUnavailable, causes
from adapters._bases.sql_files import query_text

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client
    from clickhouse_connect.driver.models import SettingDef
    from clickhouse_connect.driver.query import QueryResult
    from urllib3 import PoolManager

log = structlog.get_logger(__name__)

_PIECE_BYTES = 1 << 20
_WHOLE_ANSWER = {"wait_end_of_query": 1}
_SELECT = re.compile(r"\ASELECT\s+(DISTINCT\s+)?")


def quoted_name(database: str, name: str) -> str:
    """The name of a table or view with its database: words of letters, digits and underscores, perhaps keywords."""
    return f"`{database}`.`{name}`"


def quoted_text(text: str) -> str:
    """A String literal. Every character survives, NUL and line ends too."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0") + "'"


@dataclass(frozen=True)
class Server:
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    secure: bool = False  # whether to use HTTPS; the certificate is always verified
    ca_file: Path | None = None  # a trusted authority's certificates, PEM; None trusts those of the system

    @property
    def scheme(self) -> str:
        return "https" if self.secure else "http"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


class ClickHouseAdapter:
    """A connection that is made on first use.

    Every method that talks to ClickHouse raises `StorageUnavailable` without an answer (what was done before is then
    unknown) and `StorageRejected` if it refused. Nothing that writes is sent twice; what is "complete" is done when the
    method returns.

    Args:
        connect_timeout_seconds: like the others, rounded to whole seconds, at least one.
        query_timeout_seconds: for one statement.
        waking_seconds: in its place, at a service that sleeps when it is idle; 0 if it never sleeps.
        guard: held from the first use until `close`: a lock that keeps other processes away.
    """

    def __init__(
        self,
        *,
        address: EmbeddedEngine | Server,
        connect_timeout_seconds: float,
        query_timeout_seconds: float,
        waking_seconds: float = 0,
        guard: AbstractContextManager[object] | None = None,
    ) -> None:
        self.address = address
        self._guard = guard or nullcontext()
        self._held = ExitStack()
        self._connect_timeout_seconds = max(1, round(connect_timeout_seconds))
        self._query_timeout_seconds = max(1, round(query_timeout_seconds))
        self.waking_seconds = round(waking_seconds)
        # Less than the client waits, so that a statement has ended on the server by the next try.
        self.patience_seconds = max(1, self._query_timeout_seconds * 3 // 4)
        self._wanted = {**WANTED, "max_execution_time": str(self.patience_seconds)}
        self._client: Client | None = None

    def value_of(self, setting: str) -> str | None:
        """The value in force, by the server's own words; None if the server does not know the setting."""
        found = self._connected().server_settings.get(setting)
        return found.value if found else None

    def kept_settings(self) -> dict[str, str]:
        """The wanted settings that stay at another value, because of the profile, each with that value."""
        return {name: known.value for name, known in self._differing(self._connected()).items()}

    def server_version(self) -> tuple[int, ...]:
        """Such as ``(26, 9, 2, 1)``."""
        return tuple(int(part) for part in re.findall(r"\d+", self._connected().server_version or "")[:4])

    def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        """The rows of a SELECT, its ``{name:Type}`` parameters bound by the server.

        It is never answered by a cache: each statement differs, by a first column that its rows must have.
        """
        client, call = self._connected(), uuid4().hex
        marked, selects = _SELECT.subn(rf"\g<0>'{call}', ", sql)
        with self._translated_errors():
            rows = [tuple(row) for row in client.query(marked, parameters=dict(parameters or {})).result_rows]
        if any(row[0] != call for row in rows if selects):
            raise StorageUnavailable(
                f"ClickHouse ({self.address}): the answer is to another statement",
                next_step="Turn off the cache between this host and ClickHouse.",
            )
        return [row[selects:] for row in rows]

    def query_if_there(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        """As `query`, without rows if the table, the database or the embedded engine's folder is missing."""
        if isinstance(self.address, EmbeddedEngine) and not self.address.path.exists():
            return []  # a connection would make the folder
        try:
            return self.query(sql, parameters)
        except StorageRejected as error:
            if error.code in NOT_THERE:
                return []
            raise

    def command(self, sql: str, settings: Mapping[str, object] | None = None) -> None:
        """Run one statement without rows, with settings as far as the server knows and allows them. Complete."""
        client = self._connected()
        with self._translated_errors():
            client.command(sql, settings={**(settings or {}), **_WHOLE_ANSWER})

    def keep_settings(self, settings: Mapping[str, object]) -> None:
        """Send these with every statement from now on, as far as the server knows and allows them. Idempotent."""
        client = self._connected()
        for name, value in settings.items():
            client.set_client_setting(name, value)

    def insert(
        self,
        table: str,
        columns: Mapping[str, str],
        rows: Sequence[Sequence[object]],
        settings: Mapping[str, object] | None = None,
    ) -> None:
        """Insert rows, at least one, by one statement. Complete. Each month's are stored all or none.

        Args:
            table: quoted, with its database.
            columns: plain name to type, in the order of the values of a row.
            settings: as in `command`.
        """
        from clickhouse_connect.driver.transform import NativeTransform  # noqa: PLC0415 - as the driver itself

        client = self._connected()
        context = client.create_insert_context(
            table, list(columns), column_type_names=list(columns.values()), data=rows
        )
        context.block_row_count = len(rows)  # a block begins with its number of rows, so a cut is noticed
        written = b"".join(NativeTransform.build_insert(context))
        if context.insert_exception is not None:
            raise context.insert_exception
        # Not the driver's insert, which sends the rows again when the connection drops, even if the server has stored
        # them. A body that is an iterator is sent once. Its first line is the statement, which raw_insert adds itself.
        body = (piece for piece in (written[written.index(b"\n") + 1 :],))
        sent = {**NOT_DEDUPLICATED, **(settings or {}), **_WHOLE_ANSWER}
        with self._translated_errors():
            client.raw_insert(table, list(columns), body, fmt="Native", settings=sent)

    def stream(self, sql: str) -> Iterator[tuple[object, ...]]:
        """The rows of a SELECT, as they come. A failure may show only as an early end: count the rows."""
        client = self._connected()
        with self._translated_errors(), client.query_row_block_stream(sql) as blocks:
            for block in blocks:
                yield from block

    def write_answer(
        self, sql: str, form: str, path: Path, *, database: str = "", settings: Mapping[str, object]
    ) -> None:
        """Write the result of a statement to a file, in one of ClickHouse's formats, in constant memory. Complete.

        Args:
            sql: one statement, without FORMAT and INTO OUTFILE.
            path: is overwritten.
            database: for names without one.
            settings: as in `command`, readonly last, because it forbids further changes; this connection may keep them.
        """
        client = self._connected()
        with self._translated_errors():
            client.database = database or client.database
            if isinstance(self.address, EmbeddedEngine):
                # The driver would hold most formats in memory, and could not undo readonly.
                for name, value in settings.items():
                    client.set_client_setting(name, value)
                client.command(f"{sql} INTO OUTFILE {quoted_text(str(path))} TRUNCATE FORMAT {form}")
                return
            stream = cast("BinaryIO", client.raw_stream(sql, fmt=form, settings={**settings, **_WHOLE_ANSWER}))
        with closing(stream), path.open("wb") as file:
            while True:
                with self._translated_errors():
                    piece = stream.read(_PIECE_BYTES)
                if not piece:
                    break
                file.write(piece)

    def lacking(self, rights: Iterable[str]) -> dict[str, str] | None:
        """The rights, such as ``SELECT ON crypto.etl_runs``, that the user does not have, each with the next step.

        None before ClickHouse 24.10, which cannot tell.
        """
        try:
            missing = [right for right in rights if self.query(f"CHECK GRANT {right}") == [(0,)]]
        except StorageRejected as error:
            if error.code != SYNTAX_ERROR:
                raise
            return None
        user = self.address.user if isinstance(self.address, Server) else "default"
        return {right: grant(right, user) for right in missing}

    def close(self) -> None:
        """Close the connection and release the embedded engine's folder. Idempotent."""
        self._client = None
        self._held.close()

    def _differing(self, client: Client) -> dict[str, SettingDef]:
        """The wanted settings that are in force with another value."""
        found = {name: client.server_settings.get(name) for name in self._wanted}
        return {name: known for name, known in found.items() if known and known.value != self._wanted[name]}

    def _learn(self, client: Client) -> None:
        """Ask the server for the values in force."""
        from clickhouse_connect.driver.models import SettingDef  # noqa: PLC0415 - as the driver itself

        found = zip(*client.query(query_text("settings")).result_rows[0], strict=True)
        client.server_settings |= {name: SettingDef(name, *rest) for name, *rest in found}

    def _connected(self) -> Client:
        if self._client is None:
            # Half the start-up time of a command that needs no database.
            from clickhouse_connect import common  # noqa: PLC0415

            common.set_setting("use_protocol_version", False)  # noqa: FBT003 - a round trip, for types no table here has
            common.set_setting("invalid_setting_action", "drop")  # of those that the server does not know or allow
            # The translated error says what the driver would log.
            logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
            with ExitStack() as held:
                held.enter_context(self._guard)
                if isinstance(self.address, Server):
                    client = self._open_server(self.address, held.enter_context(_pool(self.address)))
                else:
                    client = _open_embedded(self.address)
                held.callback(client.close)
                with self._translated_errors():
                    self._set_up_session(client)
                self._client = client
                self._held = held.pop_all()
        return self._client

    def _open_server(self, server: Server, pool: PoolManager) -> Client:
        import clickhouse_connect  # noqa: PLC0415 - as above

        if self.waking_seconds > self._query_timeout_seconds:
            log.info("connecting; an idle service may take a minute or two to wake", most=self.waking_seconds)
        connect = partial(
            clickhouse_connect.get_client,
            interface=server.scheme,
            host=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            connect_timeout=self._connect_timeout_seconds,
            send_receive_timeout=max(self._query_timeout_seconds, self.waking_seconds),
            query_retries=0,
            autogenerate_session_id=False,
            show_clickhouse_errors="scrub",
            pool_mgr=pool,
        )
        try:
            client = self._shake_hands(connect)
        except StorageUnavailable as error:
            if self.waking_seconds and any(isinstance(cause, TimeoutError) for cause in causes(error)):
                error.next_step = "The service may be asleep or stopped: check its console, or try again in a minute."
            raise
        client.http_retries = 0  # type: ignore[attr-defined]  # one retry policy, and it is not urllib3's
        return client

    def _shake_hands(self, connect: Callable[[], Client]) -> Client:
        from clickhouse_connect.driver.httpclient import HttpClient  # noqa: PLC0415 - as above

        # The driver reads a system table before this adapter can send settings, and so learns what is in force.
        HttpClient.params = {name: value for name, value in self._wanted.items() if name not in NEWER}
        try:
            with self._translated_errors():
                return connect()
        except StorageRejected as error:
            locked = re.search(r"etting (\w+) should", error.message)
            if locked and locked[1] in PINNED:
                raise harmful(locked[1], f"the database user's profile locks {locked[1]}") from error
            if error.code not in (CONSTRAINT_VIOLATED, READ_ONLY):
                raise
        finally:
            HttpClient.params = {}
        # A bounded limit, or readonly = 1, by which any setting is refused.
        with self._translated_errors():
            return connect()

    def _set_up_session(self, client: Client) -> None:
        # A wanted setting is sent if the server knows it and the profile lets it be changed freely. One that is locked
        # or bounded stays; if it is pinned, it is refused.
        missing = self._wanted.keys() - client.server_settings.keys() - set(NEWER)  # a limit cut the list of settings
        by_default = isinstance(self.address, Server) and client.get_client_setting("limit") is None
        if missing or by_default:  # the handshake was made without
            self._learn(client)
        if late := [name for name, known in self._differing(client).items() if not known.readonly]:
            for name in late:
                client.set_client_setting(name, self._wanted[name])
            self._learn(client)  # a proxy may drop them
        refuse_harmful(client, self.address, cut=bool(missing))

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        from clickhouse_connect.driver.exceptions import ClickHouseError, StreamCompleteException  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - comes with the driver, leaks from its streams

        try:
            yield
        except (ClickHouseError, StreamCompleteException, HTTPError, OSError, ImportError) as error:
            secret = self.address.password if isinstance(self.address, Server) else ""
            translated = storage_error(error, str(self.address), secret=secret)
            if isinstance(self.address, EmbeddedEngine):
                name_foreign_file(translated, self.address.path)
            raise translated from error


def native_rows(file: BinaryIO, columns: Sequence[str]) -> Iterator[Sequence[object]]:
    """The rows of a file in ClickHouse's Native format, as in older backups. Raises ValueError for any other file."""
    from clickhouse_connect.driver.ctypes import RespBuffCls  # noqa: PLC0415 - as above
    from clickhouse_connect.driver.exceptions import Error  # noqa: PLC0415 - as above
    from clickhouse_connect.driver.transform import NativeTransform  # noqa: PLC0415 - as above

    pieces = iter(partial(file.read, _PIECE_BYTES), b"")
    source: Any = cast("Any", RespBuffCls)(SimpleNamespace(gen=pieces, close=lambda: None))
    try:
        result = cast("QueryResult", NativeTransform.parse_response(source))
        if result.column_names and tuple(result.column_names) != tuple(columns):
            raise ValueError(f"its columns are {', '.join(result.column_names):.200}")
        with result.rows_stream as rows:
            yield from rows
    except (Error, IndexError, OverflowError, MemoryError) as error:
        raise ValueError(f"it is not in Native format: {error}") from error


def _open_embedded(engine: EmbeddedEngine) -> Client:
    import clickhouse_connect  # noqa: PLC0415 - as above
    from clickhouse_connect.driver.exceptions import ClickHouseError  # noqa: PLC0415 - as above

    if find_spec("chdb") is None:
        raise ConfigurationError(
            "CLICKHOUSE_HOST is embedded, and the embedded engine is not installed",
            next_step="./run.sh install --embedded",
        )
    prepare_embedded_folder(engine.path)
    try:
        with engine_zone():
            import_engine()
            return clickhouse_connect.get_client(
                interface="chdb", path=str(engine.path), show_clickhouse_errors="scrub"
            )
    except (ClickHouseError, ImportError, OSError, RuntimeError) as error:
        raise engine_failure(error, engine.path) from error


def _pool(server: Server) -> PoolManager:
    from clickhouse_connect.driver.httputil import check_env_proxy, get_pool_manager  # noqa: PLC0415 - as above
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - as above

    if server.ca_file is not None:
        try:
            ssl.create_default_context(cafile=server.ca_file)
        except OSError as error:
            reason = error.strerror or str(error)
            raise StorageRejected(
                f"{server.ca_file} cannot be read as certificates: {reason}", next_step="Correct CLICKHOUSE_CA_FILE."
            ) from error
    proxy = check_env_proxy(server.scheme, server.host, server.port)
    invalid = ConfigurationError(
        f"{server.scheme}_proxy is not the address of an HTTP proxy",
        next_step=f"Correct it, or add {server.host} to no_proxy.",
    )
    if proxy and re.match(r"(?!https?:)\w+://", proxy):
        raise invalid
    try:
        pool: PoolManager = get_pool_manager(
            verify=True,
            ca_cert=None if server.ca_file is None else str(server.ca_file),
            http_proxy=None if server.secure else proxy,
            https_proxy=proxy if server.secure else None,
        )
    except (HTTPError, ValueError) as error:
        raise invalid from error
    send_once = pool.urlopen

    def urlopen(*arguments: Any, **options: Any) -> Any:
        # The driver has no option for this, and would follow one redirect when it connects.
        response = send_once(*arguments, **{**options, "redirect": False})
        if response.headers.get("Content-Type", "").startswith("text/html") and response.status == HTTPStatus.OK:
            response.close()
            raise HTTPError("an HTML page")
        return response

    pool.urlopen = urlopen  # type: ignore[method-assign]
    return pool
