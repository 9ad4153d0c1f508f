"""A ClickHouse server: where it is, and what is asked of the connections to it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from adapters._bases.clickhouse_errors import NATIVE_PORTS, asked_in_the_clear, native_port
from adapters._bases.errors import StorageRejected, StorageUnavailable
from adapters._bases.network_causes import causes, speaks_tls

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager


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
