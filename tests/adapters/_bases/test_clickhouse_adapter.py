"""The door to ClickHouse: connection, errors, secrets; embedded and through the HTTP front."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from clickhouse_connect.driver import exceptions as driver
from structlog.testing import capture_logs

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, storage_error
from adapters._bases.embedded_engine import EmbeddedEngine
from adapters._bases.errors import EtlError, StorageRejected, StorageUnavailable
from tests.support.clickhouse_front import ClickHouseFront, Fault

TLS = Path(__file__).parents[2] / "support" / "tls"
PASSWORD = "pass-in-tests"


def door(front: ClickHouseFront, **values: object) -> ClickHouseAdapter:
    """A door to the front; name what of its address the test is about."""
    address = replace(front.address, **values)  # type: ignore[arg-type]
    return ClickHouseAdapter(address=address, connect_timeout_seconds=1, query_timeout_seconds=1)


def driver_errors() -> Iterator[type[Exception]]:
    """Every exception class of the driver."""
    for value in vars(driver).values():
        if isinstance(value, type) and issubclass(value, Exception):
            yield value


@pytest.mark.parametrize("kind", list(driver_errors()))
def test_no_error_of_the_driver_is_unmapped(kind: type[Exception]) -> None:
    """Each becomes one of ours: without a code to try again or to stop by its class, with a code by the code."""
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
def test_what_never_reached_an_answer_may_be_tried_again(error: Exception, ours: type[EtlError]) -> None:
    """The way to the server may heal; a misuse of the client does not."""
    assert type(storage_error(error, "here")) is ours


def test_a_message_is_one_line(clickhouse: ClickHouseAdapter) -> None:
    """Whatever the database says becomes one line with its code, and no endless one."""
    with pytest.raises(StorageRejected) as raised:
        clickhouse.query("SELECT *\nFROM nowhere\n" + " " * 3000 + "WHERE x = 1")

    assert raised.value.code == 60
    assert "\n" not in raised.value.message
    assert len(raised.value.message) < 600
    assert "setup_db" in raised.value.next_step


def test_rows_and_parameters_pass_on_both_paths(clickhouse: ClickHouseAdapter) -> None:
    """Values come back as they were bound, and a parameter is never read as SQL."""
    evil = "a'); DROP TABLE x; --\\\n\t"
    statement = "SELECT {text:String}, {many:Array(String)}, 1e-12, CAST(NULL, 'Nullable(Float64)')"

    assert clickhouse.query(statement, {"text": evil, "many": [evil, ""]}) == [(evil, [evil, ""], 1e-12, None)]
    assert clickhouse.query("SELECT number FROM numbers(5) WHERE number > 9") == []


def test_version_and_place_are_told(embedded: ClickHouseAdapter, server: ClickHouseAdapter) -> None:
    """Both doors know the version; each says where it leads."""
    assert embedded.server_version() == server.server_version() >= (26, 9)
    assert str(embedded.address).startswith("embedded engine at /")
    assert str(server.address).startswith("http://127.0.0.1:")


def test_the_server_gives_up_before_the_program_does(clickhouse: ClickHouseAdapter) -> None:
    """A statement that takes too long has ended when it is looked at again: 45 of the 60 seconds that are waited."""
    assert clickhouse.query("SELECT toUInt64(getSetting('max_execution_time'))") == [(45,)]


def test_nothing_is_read_where_nothing_is_yet(clickhouse: ClickHouseAdapter) -> None:
    """A table or database to come has no rows; every other refusal stays an error."""
    assert clickhouse.query_if_there("SELECT 1 FROM nowhere") == []
    assert clickhouse.query_if_there("SELECT 1 FROM nowhere.at_all") == []
    with pytest.raises(StorageRejected):
        clickhouse.query_if_there("SELECT nothing")


def test_looking_makes_no_embedded_folder(tmp_path: Path) -> None:
    """Where the engine was never used there is nothing to read, and still no folder afterwards."""
    never_used = EmbeddedEngine(tmp_path / "clickhouse")
    with ClickHouseAdapter(address=never_used, connect_timeout_seconds=5, query_timeout_seconds=5) as adapter:
        assert adapter.query_if_there("SELECT 1") == []
    assert list(tmp_path.iterdir()) == []


def test_an_error_says_where_once(embedded: ClickHouseAdapter) -> None:
    """The place stands in brackets, with its own words."""
    with pytest.raises(StorageRejected) as refused:
        embedded.query("SELECT nothing")
    assert refused.value.message.startswith(f"ClickHouse ({embedded.address}) answered error 47: ")


def test_the_door_opens_on_first_use(front: ClickHouseFront) -> None:
    """Making a door asks nothing; closing it twice is harmless, and it opens again."""
    with door(front) as adapter:
        assert front.statements == []
        assert adapter.query("SELECT 1") == [(1,)]
        adapter.close()
        adapter.close()
        assert adapter.query("SELECT 2") == [(2,)]


def test_stream_yields_every_row(clickhouse: ClickHouseAdapter) -> None:
    """Also of several blocks."""
    assert [row[0] for row in clickhouse.stream("SELECT number FROM numbers(100000)")] == list(range(100_000))


def test_interrupted_stream_is_unavailable(front: ClickHouseFront) -> None:
    """Half an answer is no answer."""
    with door(front) as adapter:
        adapter.query("SELECT 1")
        front.faults.append(Fault("half_answer", "SELECT number"))
        with pytest.raises(StorageUnavailable):
            list(adapter.stream("SELECT number FROM numbers(1000)"))


def test_a_wrong_password_stops_and_is_not_told(front: ClickHouseFront) -> None:
    """The error names the settings to correct, and no password."""
    with door(front, password="wrong-secret") as adapter, pytest.raises(StorageRejected) as raised:
        adapter.query("SELECT 1")

    assert raised.value.code == 516
    assert "CLICKHOUSE_PASSWORD" in raised.value.next_step
    assert "secret" not in _everything_said(raised.value)


def test_no_password_in_any_error(front: ClickHouseFront) -> None:
    """Refused, reset, rejected in words that quote the password: our error has stars in its place, or nothing."""
    echo = f"the password {PASSWORD} is odd. {'x' * 340} {PASSWORD} {PASSWORD}"
    with door(front) as adapter:
        adapter.query("SELECT 1")
        front.faults += [
            Fault("error", "SELECT", code=999, text=echo),
            Fault("error", "SELECT", code=60, text=echo),
            Fault("reset", "SELECT", 2),
        ]
        said = []
        for _ in range(3):
            with pytest.raises(EtlError) as raised:
                adapter.query("SELECT 1")
            said.append(f"{raised.value!r} {vars(raised.value)}")
        assert [PASSWORD[:-1] in words for words in said] == [False] * 3
        assert ["the password *** is odd" in words for words in said] == [True, True, False]
        front.refuse()
        with pytest.raises(StorageUnavailable, match="connection was refused") as raised_last:
            adapter.query("SELECT 1")
        assert PASSWORD not in _everything_said(raised_last.value)


def _everything_said(error: BaseException | None) -> str:
    said = ""
    while error is not None:
        said += f"{error!r} {vars(error)} "
        error = error.__cause__ or error.__context__
    return said


def test_a_hanging_server_is_given_up(front: ClickHouseFront) -> None:
    """A statement without an answer ends by the time limit."""
    with door(front) as adapter:
        adapter.query("SELECT 1")
        front.faults.append(Fault("hang", "SELECT"))
        with pytest.raises(StorageUnavailable, match="did not answer in time"):
            adapter.query("SELECT 1")


def test_a_service_that_wakes_gets_time_for_the_first_contact_alone(front: ClickHouseFront) -> None:
    """The first statement may take as long as waking does, said beforehand; a later one as long as any."""
    with ClickHouseAdapter(
        address=front.address, connect_timeout_seconds=1, query_timeout_seconds=1, waking_seconds=120
    ) as adapter:
        with capture_logs() as logs:
            adapter.query("SELECT 1")
        front.faults.append(Fault("hang", "SELECT 2"))
        with pytest.raises(StorageUnavailable, match="did not answer in time"):
            adapter.query("SELECT 2")

    assert [one["event"] for one in logs if one["most"] == 120] == [
        "connecting: a service that is asleep takes a minute or two to wake"
    ]


def test_a_service_that_does_not_wake_is_named(front: ClickHouseFront) -> None:
    """The error of the first contact says why there was no answer."""
    front.faults.append(Fault("hang", "SELECT version()"))
    adapter = ClickHouseAdapter(
        address=front.address, connect_timeout_seconds=1, query_timeout_seconds=1, waking_seconds=2
    )
    with adapter, pytest.raises(StorageUnavailable, match="did not answer in time") as asleep:
        adapter.query("SELECT 1")
    assert "asleep" in asleep.value.next_step


def test_a_write_is_sent_once(front: ClickHouseFront) -> None:
    """When the connection drops the driver does not send an INSERT or a command again by itself."""
    with door(front) as adapter:
        for statement in ("INSERT", "ALTER"):
            front.faults.append(Fault("reset", statement))
        with pytest.raises(StorageUnavailable):
            adapter.insert("nowhere", {"a": "UInt64"}, [(1,)])
        with pytest.raises(StorageUnavailable):
            adapter.command("ALTER TABLE nowhere DELETE WHERE 1")
    assert (len(front.asked("INSERT")), len(front.asked("ALTER"))) == (1, 1)


@pytest.fixture
def secure_front(engine_path: Path) -> Iterator[ClickHouseFront]:
    """The front behind a certificate of its own authority."""
    with ClickHouseFront(engine_path, "writer", PASSWORD, certificate=TLS / "loopback.pem") as front:
        yield front


def test_tls_trusts_the_given_authority(secure_front: ClickHouseFront) -> None:
    """A server whose certificate the given authority signed is trusted."""
    with door(secure_front, ca_file=TLS / "loopback_authority.pem") as adapter:
        assert adapter.query("SELECT 1") == [(1,)]
        assert str(adapter.address).startswith("https://")


def test_tls_is_always_verified(secure_front: ClickHouseFront) -> None:
    """A certificate of an unknown authority stops the run before a password is sent."""
    with door(secure_front) as adapter, pytest.raises(StorageRejected, match="certificate") as raised:
        adapter.query("SELECT 1")

    assert "CLICKHOUSE_CA_FILE" in raised.value.next_step
    assert secure_front.statements == []


def test_a_missing_authority_file_is_named(secure_front: ClickHouseFront) -> None:
    """A wrong path is said as such."""
    missing = Path("/nowhere/ca.pem")
    with door(secure_front, ca_file=missing) as adapter, pytest.raises(StorageRejected, match="/nowhere"):
        adapter.query("SELECT 1")


def test_a_folder_in_use_names_its_owner(tmp_path: Path) -> None:
    """While another process has the embedded folder open, the error names it and its program, without its arguments."""
    folder = tmp_path / "clickhouse"
    holder = "import chdb, sys; c = chdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", holder, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        adapter = embedded_at(folder)
        with pytest.raises(StorageUnavailable, match=rf"in use by process {process.pid} \(python[0-9.]*\)$"):
            adapter.query("SELECT 1")
        process.communicate("")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A path through a file is not a folder."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageRejected, match="file/clickhouse") as raised:
        embedded_at(tmp_path / "file" / "clickhouse").query("SELECT 1")
    assert "CLICKHOUSE_PATH" in raised.value.next_step


def embedded_at(folder: Path) -> ClickHouseAdapter:
    """A door to an embedded engine of its own."""
    return ClickHouseAdapter(address=EmbeddedEngine(folder), connect_timeout_seconds=1, query_timeout_seconds=1)


def test_a_server_run_never_imports_the_engine(front: ClickHouseFront) -> None:
    """A process that speaks to a server loads no embedded engine, and one that made no query no driver either."""
    program = (
        "import sys\n"
        "from adapters._bases.clickhouse_adapter import ClickHouseAdapter\n"
        "from adapters._bases.clickhouse_adapter import Server\n"
        "import adapters.clickhouse.coin_market_cap_clickhouse_adapter\n"
        "assert 'clickhouse_connect' not in sys.modules\n"
        f"address = Server('127.0.0.1', {front.port}, 'writer', {PASSWORD!r})\n"
        "with ClickHouseAdapter(address=address, connect_timeout_seconds=5, query_timeout_seconds=5) as door:\n"
        "    print(door.query('SELECT 1'), 'chdb' in sys.modules)\n"
    )
    source = Path(__file__).parents[3] / "src"
    done = subprocess.run([sys.executable, "-c", program], cwd=source, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[(1,)] False\n", "")
