"""The connection to ClickHouse: its start, errors and secrets."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from clickhouse_connect.driver import exceptions as driver

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.clickhouse_errors import storage_error
from adapters._bases.embedded_engine import EmbeddedEngine
from adapters._bases.errors import ConfigurationError, EtlError, StorageRejected, StorageUnavailable
from tests.support.clickhouse_front import ClickHouseFront, Fault


def door(front: ClickHouseFront, **values: object) -> ClickHouseAdapter:
    address = replace(front.address, **values)  # type: ignore[arg-type]
    return ClickHouseAdapter(address=address, connect_timeout_seconds=1, query_timeout_seconds=1)


def driver_errors() -> Iterator[type[Exception]]:
    for value in vars(driver).values():
        if isinstance(value, type) and issubclass(value, Exception):
            yield value


@pytest.mark.parametrize("kind", list(driver_errors()))
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


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (driver.OperationalError("x"), StorageUnavailable),
        (driver.DatabaseError("HTTP driver received HTTP status 502"), StorageUnavailable),
        (driver.StreamFailureError("x"), StorageUnavailable),
        (ConnectionResetError("x"), StorageUnavailable),
        (TimeoutError("x"), StorageUnavailable),
        (driver.ProgrammingError("x"), StorageRejected),
        (driver.DataError("x"), StorageRejected),
        (ModuleNotFoundError("No module named 'chdb'"), StorageRejected),
    ],
)
def test_errors_without_an_answer_are_retryable(error: Exception, ours: type[EtlError]) -> None:
    assert type(storage_error(error, "here")) is ours


def test_message_of_the_database_is_one_line(clickhouse: ClickHouseAdapter) -> None:
    with pytest.raises(StorageRejected) as raised:
        clickhouse.query("SELECT *\nFROM nowhere\n" + " " * 3000 + "WHERE x = 1")

    assert raised.value.code == 60
    assert "\n" not in raised.value.message
    assert len(raised.value.message) < 600
    assert "setup_db" in raised.value.next_step


def test_parameters_are_never_read_as_sql(clickhouse: ClickHouseAdapter) -> None:
    evil = "a'); DROP TABLE x; --\\\n\t"
    statement = "SELECT {text:String}, {many:Array(String)}, 1e-12, CAST(NULL, 'Nullable(Float64)')"

    assert clickhouse.query(statement, {"text": evil, "many": [evil, ""]}) == [(evil, [evil, ""], 1e-12, None)]
    assert clickhouse.query("SELECT number FROM numbers(5) WHERE number > 9") == []


def test_server_gives_up_before_the_client(clickhouse: ClickHouseAdapter) -> None:
    """After 45 of the client's 60 seconds: a slow statement has ended before the next try."""
    assert clickhouse.query("SELECT toUInt64(getSetting('max_execution_time'))") == [(45,)]


def test_missing_table_reads_as_empty(clickhouse: ClickHouseAdapter) -> None:
    """So does a missing database; every other refusal stays an error."""
    assert clickhouse.query_if_there("SELECT 1 FROM nowhere") == []
    assert clickhouse.query_if_there("SELECT 1 FROM nowhere.at_all") == []
    with pytest.raises(StorageRejected):
        clickhouse.query_if_there("SELECT nothing")


def test_reading_makes_no_embedded_folder(tmp_path: Path) -> None:
    never_used = EmbeddedEngine(tmp_path / "clickhouse")
    with ClickHouseAdapter(address=never_used, connect_timeout_seconds=5, query_timeout_seconds=5) as adapter:
        assert adapter.query_if_there("SELECT 1") == []
    assert list(tmp_path.iterdir()) == []


def test_connection_is_made_on_first_use(front: ClickHouseFront) -> None:
    """Closing is idempotent, and a closed adapter connects again."""
    with door(front) as adapter:
        assert front.statements == []
        assert adapter.query("SELECT 1") == [(1,)]
        adapter.close()
        adapter.close()
        assert adapter.query("SELECT 2") == [(2,)]


def test_unresponsive_server_times_out(front: ClickHouseFront) -> None:
    with door(front) as adapter:
        adapter.query("SELECT 1")
        front.faults.append(Fault("hang", "SELECT"))
        with pytest.raises(StorageUnavailable, match="did not answer in time"):
            adapter.query("SELECT 1")


def test_service_that_does_not_wake_is_explained(front: ClickHouseFront) -> None:
    front.faults.append(Fault("hang", "SELECT version()"))
    adapter = ClickHouseAdapter(
        address=front.address, connect_timeout_seconds=1, query_timeout_seconds=1, waking_seconds=2
    )
    with adapter, pytest.raises(StorageUnavailable, match="did not answer in time") as asleep:
        adapter.query("SELECT 1")
    assert "asleep" in asleep.value.next_step


@pytest.mark.parametrize("value", ["http://[", "ftp://proxy", "http://proxy:port"])
def test_invalid_proxy_variable_is_named(front: ClickHouseFront, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("http_proxy", value)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with door(front) as adapter, pytest.raises(ConfigurationError, match="http_proxy"):
        adapter.query("SELECT 1")


def test_write_is_sent_once(front: ClickHouseFront) -> None:
    """The driver does not repeat an INSERT or a command if the connection drops."""
    with door(front) as adapter:
        for statement in ("INSERT", "ALTER"):
            front.faults.append(Fault("reset", statement))
        with pytest.raises(StorageUnavailable):
            adapter.insert("nowhere", {"a": "UInt64"}, [(1,)])
        with pytest.raises(StorageUnavailable):
            adapter.command("ALTER TABLE nowhere DELETE WHERE 1")
    assert (len(front.asked("INSERT")), len(front.asked("ALTER"))) == (1, 1)


def test_missing_authority_file_is_named(front: ClickHouseFront) -> None:
    missing = Path("/nowhere/ca.pem")
    with door(front, secure=True, ca_file=missing) as adapter, pytest.raises(StorageRejected, match="/nowhere"):
        adapter.query("SELECT 1")


def test_folder_in_use_names_its_owner(tmp_path: Path) -> None:
    folder = tmp_path / "clickhouse"
    holder = "import chdb, sys; c = chdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", holder, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        adapter = embedded_at(folder)
        with pytest.raises(StorageUnavailable, match=rf"in use by process {process.pid}$"):
            adapter.query("SELECT 1")
        process.communicate("")


def embedded_at(folder: Path) -> ClickHouseAdapter:
    return ClickHouseAdapter(address=EmbeddedEngine(folder), connect_timeout_seconds=1, query_timeout_seconds=1)
