"""The table and the view: shape, keys under every zone, columns and their comments."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.errors import StorageRejected
from adapters._bases.tehran_time import hour_key, tehran_text
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from adapters.clickhouse.coin_market_cap_table import CRYPTO_PRICES
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.price_rows import price_row

MakeRepository = Callable[..., CoinMarketCapClickHouseAdapter]
PROJECT = Path(__file__).parents[3]
PROGRAM = PROJECT / "tests" / "support" / "zoned_table.py"
_PYTHON_PATH = {"PYTHONPATH": f"{PROJECT / 'src'}:{PROJECT}"}
INSTANTS = st.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1), timezones=st.just(timezone.utc))  # noqa: DTZ001


class ZonedTable:
    """The table in a process of its own, whose zone is another."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._input, self._output = process.stdin, process.stdout
        self.zone = self._output.readline().strip()

    def keys(self, times: list[str]) -> list[list[str]]:
        """The table's datetime and date of each `fetched_at`."""
        self._input.write(json.dumps(times) + "\n")
        self._input.flush()
        keys: list[list[str]] = json.loads(self._output.readline())
        return keys


@pytest.fixture(scope="module", params=["UTC", "Asia/Tehran", "America/New_York", "Asia/Kolkata"])
def zoned(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZonedTable]:
    """A table under each server zone in turn; that the zone is the server's is what the server itself says."""
    zone: str = request.param
    command = [sys.executable, str(PROGRAM), str(tmp_path_factory.mktemp("zoned"))]
    with subprocess.Popen(
        command, env=_PYTHON_PATH | {"TZ": zone}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        table = ZonedTable(process)
        assert table.zone == zone
        yield table
        process.communicate("")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(instants=st.lists(INSTANTS, min_size=1, max_size=200))
@example(
    instants=[
        datetime(2021, 3, 21, 21, 0, tzinfo=timezone.utc),  # 00:30 in Tehran, an hour that a Tehran server skips
        datetime(2022, 9, 21, 19, 45, tzinfo=timezone.utc),  # the hour that Tehran's clocks went through twice
        datetime(2026, 3, 7, 23, 0, tzinfo=timezone.utc),  # 02:30 in Tehran, an hour that a New York server skips
    ]
)
def test_the_key_is_the_tehran_hour_under_every_server_zone(zoned: ZonedTable, instants: list[datetime]) -> None:
    """For any instant the table's key is the one the program reckons with, whatever the zone of the server."""
    times = [tehran_text(instant) for instant in instants]

    assert zoned.keys(times) == [[hour_key(instant), tehran_text(instant)[:10]] for instant in instants]


def test_the_formula_without_a_zone_would_be_wrong(embedded: ClickHouseAdapter) -> None:
    """What naming the zone is for: without it a New York session keys the skipped hour as another one."""
    formula = "formatDateTime(toStartOfHour(toDateTime('2026-03-08 02:30:00')), '%Y-%m-%d %H:%i:%S')"
    found = embedded.query(f"SELECT {formula} SETTINGS session_timezone = 'America/New_York'")

    assert found != [("2026-03-08 02:00:00",)]


def test_the_table_is_as_documented(
    clickhouse: ClickHouseAdapter, make_repository: MakeRepository, database: str
) -> None:
    """Engine, keys and partitions are those that the upsert and the view rely on."""
    make_repository(clickhouse).ensure_ready()

    ((engine, partition, primary, sorting),) = clickhouse.query(
        "SELECT engine_full, partition_key, primary_key, sorting_key FROM system.tables "
        "WHERE database = {database:String} AND name = 'crypto_prices'",
        {"database": database},
    )

    assert str(engine).startswith("ReplacingMergeTree(version) ")
    assert (primary, sorting) == ("symbol, datetime", "symbol, datetime, fetched_at")
    assert partition == "substring(datetime, 1, 7)"


def test_every_column_says_what_it_holds(
    clickhouse: ClickHouseAdapter, make_repository: MakeRepository, database: str
) -> None:
    """Each column has a comment, price is never null, the two computed ones are text."""
    make_repository(clickhouse).ensure_ready()

    found = clickhouse.query(
        "SELECT name, type, default_kind, comment FROM system.columns "
        "WHERE database = {database:String} AND table = 'crypto_prices'",
        {"database": database},
    )

    assert found == [(column.name, column.type, column.kind, column.comment) for column in CRYPTO_PRICES.columns]
    assert all(comment for *_, comment in found)
    kinds = {name: (kind, default) for name, kind, default, _ in found}
    assert kinds["price"] == ("Float64", "")
    assert kinds["datetime"] == kinds["date"] == ("String", "MATERIALIZED")


def test_the_view_names_every_column(
    clickhouse: ClickHouseAdapter, make_repository: MakeRepository, database: str
) -> None:
    """SELECT * through the view shows the computed columns too, key first."""
    make_repository(clickhouse).ensure_ready()

    found = clickhouse.query(
        "SELECT name FROM system.columns WHERE database = {database:String} AND table = 'crypto_prices_hourly'",
        {"database": database},
    )

    names = [str(name) for (name,) in found]
    assert names[:5] == ["symbol", "datetime", "date", "time", "time_utc"]
    assert set(names) == {column.name for column in CRYPTO_PRICES.columns} | {"time", "time_utc"}


def test_setting_up_twice_changes_nothing_and_asks_little(
    server: ClickHouseAdapter, front: ClickHouseFront, make_repository: MakeRepository
) -> None:
    """Where all is there, one SELECT finds out, the holes' table too; rows stay."""
    repository = make_repository(server)
    repository.ensure_ready()
    repository.upsert_prices([price_row()])
    front.statements.clear()

    repository.ensure_ready()

    assert [statement.split()[0] for statement in front.statements] == ["SELECT"]
    assert repository.count_rows() == 1


def test_a_missing_view_is_made_again(
    clickhouse: ClickHouseAdapter, make_repository: MakeRepository, database: str
) -> None:
    """The view alone, when the table is there."""
    repository = make_repository(clickhouse)
    repository.ensure_ready()
    clickhouse.command(f"DROP VIEW {database}.crypto_prices_hourly")

    repository.ensure_ready()

    assert clickhouse.query(f"EXISTS {database}.crypto_prices_hourly") == [(1,)]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("`price` Float64", "`price` Float32"), "column price is 'Float32'"),
        (("toStartOfHour(toDateTime(fetched_at, 'UTC'))", "toStartOfHour(toDateTime(fetched_at))"), "column datetime"),
        (("ORDER BY (symbol, datetime, fetched_at)", "ORDER BY (symbol, datetime)"), "sorting key"),
        (("substring(datetime, 1, 7)", "substring(datetime, 1, 4)"), "partition key"),
        (("ReplacingMergeTree(version)", "MergeTree"), "engine is 'MergeTree'"),
        (("`run_id` String", "`run` String"), "column run_id is 'missing'"),
    ],
)
def test_a_table_of_another_shape_is_refused(
    embedded: ClickHouseAdapter, make_repository: MakeRepository, database: str, change: tuple[str, str], told: str
) -> None:
    """The message says what differs and what to do, and the table is left as it is."""
    statement = CRYPTO_PRICES.create_table_statement(f"{database}.crypto_prices", (26, 9))
    assert change[0] in statement
    embedded.command(f"CREATE DATABASE {database}")
    embedded.command(statement.replace(*change))

    with pytest.raises(StorageRejected, match=told) as raised:
        make_repository(embedded).ensure_ready()

    assert "setup_db" in raised.value.next_step


def test_patch_parts_are_asked_for_where_they_are_sound() -> None:
    """Block columns, which patch parts need, come with 26.9 and not before."""
    assert "enable_block_number_column" in CRYPTO_PRICES.create_table_statement("t", (26, 9, 2, 1))
    assert "enable_block_number_column" not in CRYPTO_PRICES.create_table_statement("t", (26, 8, 9, 9))


def test_dropping_removes_view_and_table(repository: CoinMarketCapClickHouseAdapter) -> None:
    """Both go; dropping what is not there is harmless."""
    assert repository.table_exists()
    repository.drop_table()
    assert not repository.table_exists()
    repository.drop_table()


def test_what_is_stored_is_on_the_disk(repository: CoinMarketCapClickHouseAdapter, embedded: ClickHouseAdapter) -> None:
    """An insert and an update end in calls that sync files: a power cut afterwards costs no price."""

    def synced() -> int:
        found = embedded.query("SELECT value FROM system.events WHERE event = 'FileSync'")
        return int(str(found[0][0])) if found else 0

    for price in (1.0, 2.0):
        before = synced()
        repository.upsert_prices([price_row(price=price)])
        assert synced() > before
