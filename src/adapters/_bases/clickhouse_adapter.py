"""The door to ClickHouse: a server over HTTP, or the engine inside this process.

The only importer of clickhouse_connect (https://clickhouse.com/docs/integrations/python), which is loaded on first use,
and the embedded engine only when that is the one asked for.
"""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeVar, cast
from urllib.parse import urlencode

import structlog

from adapters._bases.clickhouse_errors import (
    ACCESS_DENIED,
    CONSTRAINT_VIOLATED,
    NATIVE_PORTS,
    NOT_THERE,
    READ_ONLY,
    SYNTAX_ERROR,
    asked_in_the_clear,
    coded_error,
    grant,
    native_port,
    uncoded_error,
    words_of,
)
from adapters._bases.embedded_engine import (
    EmbeddedEngine,
    EngineWords,
    engine_failure,
    engine_zone,
    prepare_embedded_folder,
)
from adapters._bases.errors import ConfigurationError, EtlError, StorageRejected, StorageUnavailable
from adapters._bases.network_causes import causes, speaks_tls
from adapters._bases.session_settings import HANDSHAKE, Pin, harmful, refused_pin, wanted_settings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client
    from clickhouse_connect.driver.query import QueryResult
    from urllib3 import BaseHTTPResponse, PoolManager

log = structlog.get_logger(__name__)
_Answer = TypeVar("_Answer")


_PIECE_BYTES = 1 << 20
_WHOLE_ANSWER = {"wait_end_of_query": 1}


_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def quoted_identifier(name: str) -> str:
    """The name of a database, table or column between backticks.

    Raises:
        ConfigurationError: it has other characters than letters, digits and underscores, or begins with a digit.
    """
    if not _IDENTIFIER.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} cannot name a ClickHouse database, table or column",
            next_step="Use letters, digits and underscores, and begin with a letter.",
        )
    return f"`{name}`"


def quoted_text(text: str) -> str:
    """A String literal. Every character survives, NUL and line ends too."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0") + "'"


def quoted_texts(texts: Iterable[str]) -> str:
    """String literals for the inside of an IN list."""
    return ", ".join(quoted_text(text) for text in texts)


@dataclass(frozen=True)
class Server:
    """A server, spoken to over HTTP.

    Attributes:
        password: never part of a message or of this object's text.
        secure: speak HTTPS; the server's certificate is always verified.
        ca_file: certificates of the authority to trust, PEM; None trusts those of the system.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    secure: bool = False
    ca_file: Path | None = None

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return "https" if self.secure else "http"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


class ClickHouseAdapter:
    """A connection that is made on first use.

    Every method that speaks to ClickHouse raises `StorageUnavailable` when no answer came (what was done before that is
    unknown) and `StorageRejected` when it refused. Nothing that writes is ever sent twice by this class.

    Args:
        connect_timeout_seconds: to reach the server; rounded to whole seconds, at least one.
        query_timeout_seconds: for one statement; rounded likewise.
        waking_seconds: what the first statement may take in any case, at a service that sleeps when it is idle; 0
            where none sleeps.
        guard: held from the first use until `close`: a lock that keeps other processes from the embedded folder.
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
        self._guard = nullcontext() if guard is None else guard
        self._held = ExitStack()
        self._connect_timeout_seconds = max(1, round(connect_timeout_seconds))
        self._query_timeout_seconds = max(1, round(query_timeout_seconds))
        self.waking_seconds = round(waking_seconds)
        self._client: Client | None = None
        self._asked_for: dict[str, str] = {}

    @property
    def patience_seconds(self) -> int:
        """What a statement may take at the server: less than the driver waits.

        What took too long has then ended there before it is looked at again.
        """
        return max(1, self._query_timeout_seconds * 3 // 4)

    def locks(self, setting: str) -> bool:
        """Whether the profile allows this user no other value of the setting."""
        known = self._connected().server_settings.get(setting)
        return known is not None and bool(known.readonly)

    def value_of(self, setting: str) -> str | None:
        """The value that a statement has; None where the server does not know the setting."""
        return _value_of(self._connected(), setting)

    def kept_settings(self) -> dict[str, str]:
        """The settings that stay at another value than is asked for, by the profile, each with that value."""
        client = self._connected()
        found = {
            name: (_value_of(client, name), value) for name, value in wanted_settings(self.patience_seconds).items()
        }
        return {name: kept for name, (kept, value) in found.items() if kept not in (None, value)}

    def server_version(self) -> tuple[int, ...]:
        """Such as ``(26, 9, 2, 1)``."""
        return tuple(int(part) for part in re.findall(r"\d+", self._connected().server_version or "")[:4])

    def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[tuple[object, ...]]:
        """The rows that a SELECT brings, its ``{name:Type}`` parameters bound by the server."""
        client = self._connected()
        bound = dict(parameters or {})
        return self._allowed(client, lambda: [tuple(row) for row in client.query(sql, parameters=bound).result_rows])

    def _allowed(self, client: Client, ask: Callable[[], _Answer]) -> _Answer:
        """What is answered, if need be after asking for no more of the settings than the profile allows."""
        try:
            with self._translated_errors():
                return ask()
        except StorageRejected as error:
            if error.code != CONSTRAINT_VIOLATED or not self._asked_for:
                raise
        with self._translated_errors():
            self._stay_within_bounds(client)
            return ask()

    def query_if_there(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[tuple[object, ...]]:
        """As `query`, without rows where the table, the database or the embedded engine's folder is missing."""
        if isinstance(self.address, EmbeddedEngine) and not self.address.path.exists():
            return []  # a connection would make the folder
        try:
            return self.query(sql, parameters)
        except StorageRejected as error:
            if error.code in NOT_THERE:
                return []
            raise

    def command(self, sql: str, settings: Mapping[str, object] | None = None) -> None:
        """Run one statement that brings no rows. It is complete when this returns.

        Args:
            sql: the statement.
            settings: of them those that the server knows and this user may change.
        """
        client = self._connected()
        changed = {name: value for name, value in (settings or {}).items() if _may_change(client, name)}
        self._allowed(client, lambda: client.command(sql, settings={**changed, **_WHOLE_ANSWER}))

    def keep_settings(self, settings: Mapping[str, object]) -> None:
        """Send these with every statement from now on, where the server knows and allows them. Idempotent."""
        client = self._connected()
        for name, value in settings.items():
            if _may_change(client, name):
                client.set_client_setting(name, value)

    def insert(self, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[object]]) -> None:
        """Insert rows by one statement, complete when this returns. Each month's are stored all or none.

        Args:
            table: quoted, with its database.
            columns: plain name to type.
            rows: values in the order of `columns`; at least one.
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
        self._allowed(
            client, lambda: client.raw_insert(table, list(columns), body, fmt="Native", settings=_WHOLE_ANSWER)
        )

    def stream(self, sql: str) -> Iterator[tuple[object, ...]]:
        """The rows that a SELECT brings, as they come.

        A failure in mid-stream may show only as an end that comes too early: count the rows.
        """
        client = self._connected()
        blocks = self._allowed(client, lambda: client.query_row_block_stream(sql))
        with self._translated_errors(), blocks:
            for block in blocks:
                yield from block

    def write_answer(
        self,
        sql: str,
        form: str,
        path: Path,
        *,
        database: str = "",
        settings: Mapping[str, object] | None = None,
        read_only: bool = False,
    ) -> None:
        """Write what a statement brings to a file, in one of ClickHouse's formats, in constant memory.

        The file is whole when this returns: a server keeps an answer back until it has all of it.

        Args:
            sql: one statement, without FORMAT and INTO OUTFILE.
            path: is written anew.
            database: that of names without one.
            settings: of them those that the server knows and this user may change.
            read_only: have ClickHouse refuse whatever changes or reaches out; this connection stays so.
        """
        client = self._connected()
        changed = {name: value for name, value in (settings or {}).items() if _may_change(client, name)}
        if read_only and _may_change(client, "readonly"):
            changed["readonly"] = 1  # the last one: it forbids further changes
        with self._translated_errors():
            client.database = database or client.database
            if isinstance(self.address, EmbeddedEngine):
                # The driver would hold most formats in memory, and could not undo readonly.
                for name, value in changed.items():
                    client.set_client_setting(name, value)
                client.command(f"{sql} INTO OUTFILE {quoted_text(str(path))} TRUNCATE FORMAT {form}")
                return
        whole = {**changed, **_WHOLE_ANSWER}
        stream = self._allowed(client, lambda: cast("BinaryIO", client.raw_stream(sql, fmt=form, settings=whole)))
        with closing(stream), path.open("wb") as file:
            file.writelines(self._pieces(stream))

    def close(self) -> None:
        """Close the connection and release the embedded engine's folder. Idempotent."""
        self._client = None
        self._held.close()

    def __enter__(self) -> ClickHouseAdapter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
            # The translated error says what the driver would log.
            logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
            with ExitStack() as held:
                held.enter_context(self._guard)
                if isinstance(self.address, Server):
                    client = self._open_server(self.address, held.enter_context(_pool(self.address)))
                else:
                    client = self._open_embedded(self.address)
                held.callback(client.close)
                with self._translated_errors():
                    self._set_up_session(client)
                self._client = client
                self._held = held.pop_all()
        return self._client

    def _open_embedded(self, engine: EmbeddedEngine) -> Client:
        import clickhouse_connect  # noqa: PLC0415 - half the start-up time of a command that needs no database
        from clickhouse_connect.driver.exceptions import ClickHouseError  # noqa: PLC0415 - as above

        if find_spec("chdb") is None:
            raise ConfigurationError(
                "CLICKHOUSE_HOST is embedded, and the embedded engine is not installed",
                next_step="./run.sh install --embedded",
            )
        prepare_embedded_folder(engine.path)
        words = EngineWords()
        try:
            with words, engine_zone():
                return clickhouse_connect.get_client(
                    interface="chdb", path=str(engine.path), show_clickhouse_errors="scrub"
                )
        except (ClickHouseError, ImportError, OSError, RuntimeError) as error:
            raise engine_failure(error, engine.path, words.last_exception) from error

    def _open_server(self, server: Server, pool: PoolManager) -> Client:
        import clickhouse_connect  # noqa: PLC0415 - as above
        from clickhouse_connect import common  # noqa: PLC0415 - as above
        from urllib3.util.timeout import Timeout  # noqa: PLC0415 - comes with the driver

        common.set_setting("use_protocol_version", False)  # noqa: FBT003 - a round trip, for types that no table here has
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
        with self._waking(), wrong_ports_named(server):
            client = self._shake_hands(connect, pool)
        if self.waking_seconds:
            client.timeout = Timeout(connect=self._connect_timeout_seconds, read=self._query_timeout_seconds)  # type: ignore[attr-defined]  # of the HTTP client
        client.http_retries = 0  # type: ignore[attr-defined]  # one retry policy, and it is not urllib3's
        return client

    def _shake_hands(self, connect: Callable[[], Client], pool: PoolManager) -> Client:
        """A client, whatever the profile does to the driver's own first questions."""
        try:
            with self._translated_errors(), asking_with(pool, HANDSHAKE):
                return connect()
        except StorageRejected as error:
            if error.code == ACCESS_DENIED:
                log.warning("the settings of the user cannot be read, and stay", reason=error.message)
                leave_settings(pool)
            elif error.code not in (CONSTRAINT_VIOLATED, READ_ONLY):
                raise
            elif pin := refused_pin(error.message):
                # The same value is not refused.
                raise _locked(pin, None) from error
        with self._translated_errors():
            return connect()

    @contextmanager
    def _waking(self) -> Iterator[None]:
        """Say why the first contact may take long, before it does and when it took too long."""
        if self.waking_seconds > self._query_timeout_seconds:
            log.info("connecting: a service that is asleep takes a minute or two to wake", most=self.waking_seconds)
        try:
            yield
        except StorageUnavailable as error:
            if self.waking_seconds and any(isinstance(cause, TimeoutError) for cause in causes(error)):
                error.next_step = "The service may be asleep, or stopped: see its console, or try again in a minute."
            raise

    def _set_up_session(self, client: Client) -> None:
        """Change the settings that every statement relies on, where the server knows and allows it."""
        for name, value in wanted_settings(self.patience_seconds).items():
            # Of those that the handshake brought, the profile's own value is not known.
            hidden = name in HANDSHAKE and isinstance(self.address, Server)
            if _may_change(client, name) and (hidden or client.server_settings[name].value != value):
                client.set_client_setting(name, value)
                self._asked_for[name] = value
        self._refuse_harmful(client)

    def _stay_within_bounds(self, client: Client) -> None:
        """Ask for no more of the settings than the profile allows. It is looked up where something was refused."""
        asked_for, self._asked_for = self._asked_for, {}
        for name in asked_for:
            client.set_client_setting(name, client.server_settings[name].value)  # else the question is refused too
        found = client.query(_SELECT_BOUNDS, parameters={"names": list(asked_for)}).result_rows
        for name, least, most in found:
            if (value := asked_for[str(name)]) != "0" or least is None:  # 0 is no limit, and the least one is no help
                client.set_client_setting(str(name), _within(value, least, most))
        self._refuse_harmful(client)

    def _refuse_harmful(self, client: Client) -> None:
        """Check that no setting is locked at a value by which answers or rows would be wrong.

        Raises:
            StorageRejected: one is; the message names it.
        """
        for pin in harmful(partial(_value_of, client)):
            raise _locked(pin, _value_of(client, pin.name))

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


def native_rows(file: BinaryIO, columns: Sequence[str]) -> Iterator[Sequence[object]]:
    """The rows of a file in ClickHouse's Native format, which older backups have.

    Raises:
        ValueError: it has other columns, or is not in this format.
    """
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


# Of a profile's constraints. The driver itself asks only whether a setting may be changed at all.
_SELECT_BOUNDS = "SELECT name, min, max FROM system.settings WHERE name IN {names:Array(String)}"


def _locked(pin: Pin, value: str | None) -> StorageRejected:
    """The error for a setting that has another value than a pin's, which is known or None, and cannot be changed."""
    found = f"has {pin.name} = {value}" if value is not None else f"locks {pin.name}"
    return StorageRejected(
        f"the profile of the database's user {found}, which {pin.harm}, and allows no other value",
        next_step=f"Have an administrator take it out of the profile, or set it to {pin.value or 'an empty text'}.",
    )


def _within(value: str, least: object, most: object) -> str:
    """The nearest value that lies between the bounds; None for no bound, as for what is not a number."""
    if least is not None:
        value = str(max(int(value), int(str(least))))
    return value if most is None else str(min(int(value), int(str(most))))


def _value_of(client: Client, setting: str) -> str | None:
    """The value in force; None where the server does not know the setting."""
    known = client.server_settings.get(setting)
    if known is None:
        return None
    changed = client.get_client_setting(setting)
    return known.value if changed is None else str(changed)


def _may_change(client: Client, setting: str) -> bool:
    """Whether the server knows the setting and allows this user another value."""
    known = client.server_settings.get(setting)
    return known is not None and not known.readonly


def storage_error(error: Exception, where: str, *, secret: str = "") -> EtlError:
    """The error of our tree for one of clickhouse_connect, urllib3 or the OS, or for a missing module.

    Args:
        secret: replaced by ``***`` in what ClickHouse says, which may echo what it was sent.
    """
    from clickhouse_connect.driver import exceptions as driver  # noqa: PLC0415 - loaded when it comes to this

    code = getattr(error, "code", None)
    text = words_of(error).replace(secret, "***") if secret else words_of(error)
    if isinstance(error, driver.Error) and code is not None:
        return coded_error(code, text, where)
    final = (
        driver.Warning,
        driver.InterfaceError,
        driver.DataError,
        driver.IntegrityError,
        driver.InternalError,
        driver.ProgrammingError,
        driver.NotSupportedError,
        ImportError,
    )
    return uncoded_error(error, text, where, passing=not isinstance(error, final))


def _pool(server: Server) -> PoolManager:
    """Connections of one adapter, through a proxy where the environment names one, certificates verified."""
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


def refuse_redirects(pool: PoolManager, where: str) -> PoolManager:
    """The same pool, from now on with `StorageRejected` in place of a redirect.

    Left alone, the driver follows one redirect when it connects, whatever its options say.
    """
    ask = pool.urlopen

    def ask_here(method: str, url: str, **options: Any) -> BaseHTTPResponse:
        response = ask(method, url, **{**options, "redirect": False})
        if response.get_redirect_location():
            response.close()
            raise StorageRejected(
                f"ClickHouse ({where}) answered with a redirect, which is not followed so that nothing goes elsewhere",
                next_step="Correct CLICKHOUSE_HOST, CLICKHOUSE_PORT and CLICKHOUSE_SECURE.",
            )
        return response

    pool.urlopen = ask_here  # type: ignore[assignment, method-assign]  # the driver takes a pool, and no option for this
    return pool


@contextmanager
def asking_with(pool: PoolManager, settings: Mapping[str, str]) -> Iterator[None]:
    """Have every request of the block bring these settings of ClickHouse, which the driver does not send yet."""
    ask = pool.urlopen

    def ask_with(method: str, url: str, **options: Any) -> BaseHTTPResponse:
        return ask(method, f"{url}{'&' if '?' in url else '?'}{urlencode(settings)}", **options)

    pool.urlopen = ask_with  # type: ignore[assignment, method-assign]  # as above
    try:
        yield
    finally:
        pool.urlopen = ask  # type: ignore[method-assign]  # as above


# The driver begins with it, and goes without where it brings nothing.
_SELECT_SETTINGS = b"FROM system.settings LIMIT"


def leave_settings(pool: PoolManager) -> None:
    """Have the driver know no setting, for a user who may not read them."""
    ask = pool.urlopen

    def ask_without(method: str, url: str, **options: Any) -> BaseHTTPResponse:
        body = options.get("body")
        if isinstance(body, bytes) and _SELECT_SETTINGS in body:
            options["body"] = b"SELECT '' AS name, '' AS value, toUInt8(0) AS readonly LIMIT 0 FORMAT Native"
        return ask(method, url, **options)

    pool.urlopen = ask_without  # type: ignore[assignment, method-assign]  # as above


@contextmanager
def wrong_ports_named(server: Server) -> Iterator[None]:
    """Raise what only a person can mend where a connection breaks off because of the port it was made to.

    A server of TLS that is asked without it, and one of clickhouse-client's protocol that is greeted in TLS, often just
    hang up, as one does that is starting.
    """
    try:
        yield
    except StorageUnavailable as error:
        hung_up = any(isinstance(cause, ConnectionResetError | ssl.SSLEOFError) for cause in causes(error))
        if hung_up and server.port in NATIVE_PORTS:
            raise native_port(str(server)) from error
        if hung_up and not server.secure and speaks_tls(server.host, server.port):
            raise asked_in_the_clear(str(server)) from error
        raise


class Right(NamedTuple):
    """Something that a user may do to a table, a view, or where that is empty the database.

    Attributes:
        name: as GRANT has it, such as ``ALTER UPDATE``.
        database: its plain name.
        of: the plain name of the table or view.
    """

    name: str
    database: str
    of: str = ""

    def __str__(self) -> str:
        return f"{self.name} ON {self.database}.{self.of or '*'}"

    def granted_to(self, clickhouse: ClickHouseAdapter) -> str:
        """The next step of an operator whose user lacks it."""
        address = clickhouse.address
        user = address.user if isinstance(address, Server) else "default"
        return grant(self.name, f"{self.database}.{self.of or '*'}", user)


def lacking(clickhouse: ClickHouseAdapter, rights: Iterable[Right]) -> list[Right] | None:
    """Those that the user does not have; None where the server cannot be asked, as before ClickHouse 24.10."""
    try:
        return [right for right in rights if clickhouse.query(_question(right)) == [(0,)]]
    except StorageRejected as error:
        if error.code != SYNTAX_ERROR:
            raise
        return None


def _question(right: Right) -> str:
    of = quoted_identifier(right.of) if right.of else "*"
    return f"CHECK GRANT {right.name} ON {quoted_identifier(right.database)}.{of}"
