"""An address at which something else listens, or nothing: named, and tried again only where that helps."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import datetime, timezone

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, Server
from adapters._bases.clickhouse_errors import storage_error
from adapters._bases.errors import (
    EtlError,
    RetryableError,
    SourceRejected,
    SourceUnavailable,
    StorageRejected,
    StorageUnavailable,
)
from adapters._bases.http_adapter import HttpAdapter
from adapters._bases.retry import RetryPolicy
from tests.support.odd_ports import ALERT, NATIVE, answering, hanging_up, plain, port_of, with_tls

NO_HOST = "no-such-host.invalid"


def asked_of_clickhouse(host: str, port: int, *, secure: bool = False) -> EtlError:
    """The error of a first statement."""
    address = Server(host, port, "reader", "pass-in-tests", secure=secure)
    adapter = ClickHouseAdapter(address=address, connect_timeout_seconds=5, query_timeout_seconds=5)
    with adapter, pytest.raises(EtlError) as raised:
        adapter.query("SELECT 1")
    return raised.value


async def asked_of_source(url: str, *, attempts: int = 1) -> tuple[EtlError, int]:
    """The error of a first question, and how many times it was put."""
    retry = RetryPolicy(attempts=attempts, wait_initial_seconds=0, wait_jitter_seconds=0)
    clock = lambda: datetime(2026, 11, 23, 9, 5, 7, tzinfo=timezone.utc)  # noqa: E731
    async with HttpAdapter(base_url=url, headers={}, timeout_seconds=5, retry=retry, clock=clock) as http:
        with pytest.raises(EtlError) as raised:
            await http.get_json("/v1/price", {})
        return raised.value, http.calls_made


@pytest.mark.parametrize(
    ("serve", "secure", "words", "remedy"),
    [
        (answering(NATIVE % 9000), False, "is for clickhouse-client", "8123"),
        (answering(NATIVE % 9440), False, "is for clickhouse-client", "8123"),
        (answering(NATIVE % 9000), True, "does not speak TLS", "CLICKHOUSE_SECURE=false"),
        (plain, True, "does not speak", "CLICKHOUSE_SECURE=false"),
        (answering(ALERT), False, "requires TLS", "CLICKHOUSE_SECURE=true"),
        (with_tls, True, "cannot be verified", "CLICKHOUSE_CA_FILE"),
    ],
    ids=["9000", "9440", "TLS to 9000", "TLS to 8123", "HTTP to 8443", "certificate"],
)
def test_wrong_port_of_the_database_is_not_retried(
    serve: Callable[[socket.socket], None], *, secure: bool, words: str, remedy: str
) -> None:
    """The error names what the port is for, and which setting to correct."""
    with port_of(serve) as port:
        error = asked_of_clickhouse("127.0.0.1", port, secure=secure)
    assert isinstance(error, StorageRejected)
    assert words in error.message
    assert remedy in error.next_step


@pytest.mark.parametrize(
    ("serve", "scheme", "words"),
    [
        (plain, "https", "TLS was spoken to a port that does not speak it"),
        (with_tls, "http", "this port speaks TLS, and was asked without"),
        (with_tls, "https", "certificate is not trusted"),
    ],
)
async def test_so_it_is_with_the_sources_port(serve: Callable[[socket.socket], None], scheme: str, words: str) -> None:
    """One question, then it stops; the base URL is what to correct."""
    with port_of(serve) as port:
        error, tries = await asked_of_source(f"{scheme}://127.0.0.1:{port}", attempts=4)
    assert isinstance(error, SourceRejected)
    assert (words in error.message, tries) == (True, 1)
    assert "check the base URL" in error.next_step


@pytest.mark.parametrize("secure", [False, True])
async def test_a_name_that_dns_denies_is_tried_once_more_at_most(*, secure: bool) -> None:
    """It may be a slip of the name server; but mostly the name is wrong, and it is named."""
    error = asked_of_clickhouse(NO_HOST, 8123, secure=secure)
    assert isinstance(error, StorageUnavailable)
    assert "unknown host name" in error.message
    assert error.most_tries == 2
    source_error, tries = await asked_of_source(f"http{'s' if secure else ''}://{NO_HOST}", attempts=9)
    assert isinstance(source_error, SourceUnavailable)
    assert "there is no host of this name" in source_error.message
    assert tries == 2


@pytest.mark.parametrize(
    "errno", [socket.EAI_AGAIN, socket.EAI_FAIL], ids=["name server does not answer", "name server fails"]
)
def test_a_name_server_that_fails_is_waited_for(errno: int) -> None:
    """It says nothing of the name."""
    error = storage_error(socket.gaierror(errno, "Temporary failure in name resolution"), "here")
    assert isinstance(error, RetryableError)
    assert error.most_tries is None
    assert "Temporary failure in name resolution" in error.message


async def test_what_hangs_up_is_waited_for_and_told_by_the_lowest_layer() -> None:
    """A server that ends, or starts; none of the driver's own empty words stands for the cause."""
    with port_of(hanging_up) as port:
        error = asked_of_clickhouse("127.0.0.1", port)
        source_error, tries = await asked_of_source(f"http://127.0.0.1:{port}", attempts=2)
    assert isinstance(error, StorageUnavailable)
    assert "Error executing HTTP request" not in error.message
    assert "closed connection" in error.message or "reset" in error.message
    assert "CLICKHOUSE_HOST" in error.next_step
    assert isinstance(source_error, SourceUnavailable)
    assert tries == 2
