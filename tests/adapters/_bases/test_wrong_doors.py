"""An address at which something else listens, or nothing: named, and tried again only where that helps."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, Server
from adapters._bases.clickhouse_errors import storage_error
from adapters._bases.errors import (
    EtlError,
    RetryableError,
    StorageRejected,
    StorageUnavailable,
)
from tests.support.odd_ports import ALERT, NATIVE, answering, hanging_up, plain, port_of, with_tls

NO_HOST = "no-such-host.invalid"


def asked_of_clickhouse(host: str, port: int, *, secure: bool = False) -> EtlError:
    address = Server(host, port, "reader", "pass-in-tests", secure=secure)
    adapter = ClickHouseAdapter(address=address, connect_timeout_seconds=5, query_timeout_seconds=5)
    with adapter, pytest.raises(EtlError) as raised:
        adapter.query("SELECT 1")
    return raised.value


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


@pytest.mark.parametrize("secure", [False, True])
def test_a_name_that_dns_denies_is_tried_once_more_at_most(*, secure: bool) -> None:
    """It may be a slip of the name server; but mostly the name is wrong, and it is named."""
    error = asked_of_clickhouse(NO_HOST, 8123, secure=secure)
    assert isinstance(error, StorageUnavailable)
    assert "unknown host name" in error.message
    assert error.most_tries == 2


@pytest.mark.parametrize(
    "errno", [socket.EAI_AGAIN, socket.EAI_FAIL], ids=["name server does not answer", "name server fails"]
)
def test_a_name_server_that_fails_is_waited_for(errno: int) -> None:
    error = storage_error(socket.gaierror(errno, "Temporary failure in name resolution"), "here")
    assert isinstance(error, RetryableError)
    assert error.most_tries is None
    assert "Temporary failure in name resolution" in error.message


def test_what_hangs_up_is_waited_for_and_told_by_the_lowest_layer() -> None:
    """A server that ends, or starts; none of the driver's own empty words stands for the cause."""
    with port_of(hanging_up) as port:
        error = asked_of_clickhouse("127.0.0.1", port)
    assert isinstance(error, StorageUnavailable)
    assert "Error executing HTTP request" not in error.message
    assert "closed connection" in error.message or "reset" in error.message
    assert "CLICKHOUSE_HOST" in error.next_step
