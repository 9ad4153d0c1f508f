"""The connection to ClickHouse: its start, errors and secrets."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from clickhouse_connect.driver import exceptions as driver

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, Server
from adapters._bases.clickhouse_errors import storage_error
from adapters._bases.errors import ConfigurationError, EtlError, RetryableError, StorageRejected, StorageUnavailable
from tests.support.clickhouse_front import ClickHouseFront, Fault
from tests.support.odd_ports import ALERT, NATIVE, TLS, answering, plain, port_of, with_page, with_tls


def door(front: ClickHouseFront, **values: object) -> ClickHouseAdapter:
    address = replace(front.address, **values)  # type: ignore[arg-type]
    return ClickHouseAdapter(address=address, connect_timeout_seconds=1, query_timeout_seconds=1)


@pytest.mark.parametrize("kind", [one for one in vars(driver).values() if isinstance(one, type)])
def test_every_driver_error_is_translated(kind: type[Exception]) -> None:
    error = kind.__new__(kind, "boo\nboo") if kind is driver.StreamClosedError else kind("boo\nboo")

    assert isinstance(storage_error(error, "here"), StorageUnavailable | StorageRejected)

    if isinstance(error, driver.Error):
        error.code = 60
        rejected = storage_error(error, "here")
        assert isinstance(rejected, StorageRejected)
        assert rejected.code == 60
        error.code = 210
        assert isinstance(storage_error(error, "here"), StorageUnavailable)


def test_server_gives_up_before_the_client(clickhouse: ClickHouseAdapter) -> None:
    """After 45 of the client's 60 seconds: a slow statement has ended before the next try."""
    assert clickhouse.query("SELECT toUInt64(getSetting('max_execution_time'))") == [(45,)]


def test_missing_table_reads_as_empty(clickhouse: ClickHouseAdapter) -> None:
    """So does a missing database; every other refusal stays an error."""
    assert clickhouse.query_if_there("SELECT 1 FROM nowhere") == []
    assert clickhouse.query_if_there("SELECT 1 FROM nowhere.at_all") == []
    with pytest.raises(StorageRejected):
        clickhouse.query_if_there("SELECT nothing")


def test_service_that_does_not_wake_is_explained(front: ClickHouseFront) -> None:
    front.faults.append(Fault("hang", "SELECT version()"))
    adapter = ClickHouseAdapter(
        address=front.address, connect_timeout_seconds=1, query_timeout_seconds=1, waking_seconds=2
    )
    with pytest.raises(StorageUnavailable, match="did not answer in time") as asleep:
        adapter.query("SELECT 1")
    assert "asleep" in asleep.value.next_step


@pytest.mark.parametrize("value", ["http://[", "ftp://proxy", "http://proxy:port"])
def test_invalid_proxy_variable_is_named(front: ClickHouseFront, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("http_proxy", value)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(ConfigurationError, match="http_proxy"):
        door(front).query("SELECT 1")


@pytest.mark.parametrize("content", [None, "", "garbage"])
def test_unreadable_authority_file_is_named(front: ClickHouseFront, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(StorageRejected, match=str(file)) as raised:
        door(front, secure=True, ca_file=file).query("SELECT 1")
    assert "CLICKHOUSE_CA_FILE" in raised.value.next_step


def asked_of_clickhouse(host: str, port: int, *, secure: bool = False, ca_file: Path | None = None) -> EtlError:
    address = Server(host, port, "reader", "pass-in-tests", secure=secure, ca_file=ca_file)
    adapter = ClickHouseAdapter(address=address, connect_timeout_seconds=5, query_timeout_seconds=5)
    with pytest.raises(EtlError) as raised:
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
        (answering(ALERT), True, "outdated TLS version", "CLICKHOUSE_HOST"),
        (
            with_page("400 Bad Request", "\n<h1>The plain HTTP request was sent to HTTPS port</h1>"),
            False,
            "TLS",
            "_SECURE",
        ),
        (with_page("426 Upgrade Required"), False, "HTTP status 426", "CLICKHOUSE_SECURE"),
        (with_page("401 Unauthorized"), False, "HTTP status 401", "CLICKHOUSE_USER"),
        (with_page("403 Forbidden"), False, "HTTP status 403", "the proxy"),
        (with_page("404 Not Found"), False, "HTTP status 404", "CLICKHOUSE_HOST"),
        (with_page("200 OK", "<html>\t<h1>Welcome</h1>\t</html>"), False, "not ClickHouse", "CLICKHOUSE_HOST"),
        (with_page("200 OK"), False, "not ClickHouse", "CLICKHOUSE_HOST"),
        (with_page("204 No Content"), False, "not ClickHouse", "CLICKHOUSE_HOST"),
        (answering(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nOk."), False, "not ClickHouse", "CLICKHOUSE_PORT"),
    ],
)
def test_what_only_an_operator_can_fix_is_not_retried(
    serve: Callable[[socket.socket], None], *, secure: bool, words: str, remedy: str
) -> None:
    """The error names the status or the cause, and which setting to correct."""
    with port_of(serve) as port:
        error = asked_of_clickhouse("127.0.0.1", port, secure=secure)
    assert isinstance(error, StorageRejected)
    assert words in error.message
    assert " object at " not in error.message
    assert remedy in error.next_step


@pytest.mark.parametrize(("name", "words"), [("expired", "out of date"), ("another_name", "for another name")])
def test_certificate_of_a_known_authority_is_judged(name: str, words: str) -> None:
    """The file of the authority is not what has to be changed."""
    certificate = f"{name}.pem"
    with port_of(partial(with_tls, certificate=certificate)) as port:
        error = asked_of_clickhouse("127.0.0.1", port, secure=True, ca_file=TLS / certificate)
    assert isinstance(error, StorageRejected)
    assert words in error.message
    assert "CLICKHOUSE_HOST" in error.next_step
    assert "CLICKHOUSE_CA_FILE" not in error.next_step


def test_code_is_read_from_the_text_if_a_proxy_strips_the_header(front: ClickHouseFront) -> None:
    front.bare = True
    with closing(door(front)) as adapter:
        assert adapter.query_if_there("SELECT 1 FROM nowhere") == []
        with pytest.raises(StorageRejected) as raised:
            adapter.query("SELECT nothing")
    assert raised.value.code == 47


def test_name_that_dns_denies_is_tried_twice() -> None:
    """It may be a slip of the name server, but mostly the name is wrong; a name server that fails is waited for."""
    error = asked_of_clickhouse("no-such-host.invalid", 8123)
    assert isinstance(error, StorageUnavailable)
    assert "unknown host name" in error.message
    assert error.most_tries == 2
    slow = storage_error(socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), "here")
    assert isinstance(slow, RetryableError)
    assert slow.most_tries is None
