"""The .sql files: they match the row types and what older versions installed; how tables and views are made."""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.errors import StorageRejected
from adapters._bases.hourly_table import Hole, HourlyTable
from adapters._bases.schema import table_settings
from adapters._bases.sql_files import SQL_FOLDER, definition
from adapters._bases.tehran_time import hour_key, tehran_text
from adapters._bases.topology import Topology
from adapters.clickhouse.binance_clickhouse_adapter import BINANCE_PRICES, BinanceClickHouseAdapter
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CRYPTO_PRICES
from adapters.clickhouse.etl_runs_clickhouse_adapter import EtlRunsAdapter, RunRecord
from adapters.clickhouse.toman_clickhouse_adapter import TomanClickHouseAdapter
from configurations.config import PROJECT_ROOT
from tests.support.price_rows import price_row
from tests.support.price_table import MakeRepository, Repository, create_statement
from tests.support.process import run_program
from tests.support.scale import LARGE

INSTALLED = sorted((PROJECT_ROOT / "tests" / "fixtures" / "ddl").glob("*.sql"))
"""What the program sent before its tables were .sql files: they are in use."""
COLUMN_TYPES: dict[Any, set[str]] = {
    str: {"String"},
    int: {"UInt32", "UInt64"},
    float: {"Float64"},
    str | None: {"Nullable(String)"},
    int | None: {"Nullable(UInt32)", "Nullable(UInt64)"},
    float | None: {"Nullable(Float64)"},
}
TABLES = [CRYPTO_PRICES, BINANCE_PRICES, TomanClickHouseAdapter.table]
FSYNC, PATCHES = "fsync_part_directory", "enable_block_number_column"


@pytest.mark.present_engine
def test_installed_tables_are_taken_as_they_are(
    embedded: ClickHouseAdapter, make_table: MakeRepository, database: str
) -> None:
    """Their views are replaced."""
    embedded.command(f"CREATE DATABASE {database}")
    for path in INSTALLED:
        embedded.command(path.read_text().replace("DATABASE", database))
    for kind in (Repository, BinanceClickHouseAdapter):
        assert make_table(embedded, kind=kind).differences() == []
    runs = EtlRunsAdapter(clickhouse=embedded, database=database, keep_days=400)
    runs.record([run := RunRecord("r1", "job", "run", "2026-11-23 12:00:01", "2026-11-23 12:00:05", "ok")])
    assert runs.latest(1) == [run]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_row_type_has_the_columns_of_its_file(table: HourlyTable) -> None:
    """To add a column takes the .sql files and the row type, nothing else."""
    fields, made = get_type_hints(table.row), definition(table.name)

    assert tuple(fields) == table.given
    assert {name for name, kind in fields.items() if made.types[name] not in COLUMN_TYPES[kind]} == set()
    assert {table.value, table.meaning, table.label, *table.keeps_known} <= fields.keys()
    assert made.stored == tuple(name for name in definition(f"{table.name}_hourly").types if name in made.stored)
    assert list(definition(table.holes).types) == [
        table.meaning if name == "meaning" else name for name in Hole._fields
    ]


@pytest.mark.parametrize(
    "name", sorted({path.stem for path in SQL_FOLDER.glob("*.sql")}.union(*(table.views for table in TABLES)))
)
def test_every_column_is_read_and_has_a_comment(name: str) -> None:
    made = definition(name)
    head = made.text.partition("\n)\n")[0]
    assert len(made.types) == head.count("COMMENT '") == len(re.findall(r"^    \w", head, re.MULTILINE))
    assert f".{name}{{on_cluster}}" in made.text.partition("\n")[0]


@pytest.mark.parametrize(
    ("topology", "version", "on_cluster", "engine", "settings"),
    [
        (Topology(), (26, 9), "", "ReplacingMergeTree", [FSYNC, PATCHES]),
        (Topology(), (26, 8), "", "ReplacingMergeTree", [FSYNC]),
        (Topology("cluster", "c"), (26, 9), " ON CLUSTER `c`", "ReplicatedReplacingMergeTree", [FSYNC]),
        (Topology("replicated database"), (26, 9), "", "ReplicatedReplacingMergeTree", [FSYNC]),
        (Topology("cloud"), (26, 9), "", "ReplacingMergeTree", []),
    ],
)
def test_statement_is_for_its_topology(
    topology: Topology, version: tuple[int, ...], on_cluster: str, engine: str, settings: list[str]
) -> None:
    made = definition("crypto_prices").text
    statement = topology.filled("d", made, settings=table_settings(topology, version))

    assert statement.startswith(f"CREATE TABLE IF NOT EXISTS `d`.crypto_prices{on_cluster}\n")
    assert f"\nENGINE = {engine}(version)\n" in statement
    assert [one for one in (FSYNC, PATCHES) if one in statement] == settings


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tehran", "America/New_York"])
def test_key_is_the_tehran_hour_under_every_server_zone(zone: str, tmp_path: Path) -> None:
    """Of hours from 2015 to 2035, in CI of every one, also those that a server in that zone skips or has twice."""
    start, minutes = datetime(2015, 1, 1, tzinfo=timezone.utc), 20 * 365 * 24 * 60
    instants = [start + timedelta(minutes=minute) for minute in range(0, minutes, 53 if LARGE else 371)]
    times = json.dumps([tehran_text(instant) for instant in instants])
    module = ("-m", "tests.support.zoned_table", tmp_path)
    done = run_program(sys.executable, *module, stdin=times, TZ=zone)
    assert json.loads(done.stdout) == [zone, [[hour_key(instant), tehran_text(instant)[:10]] for instant in instants]]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("price Float64", "price Float32"), "column price is 'Float32'"),
        (("toStartOfHour(toDateTime(fetched_at, 'UTC'))", "toStartOfHour(toDateTime(fetched_at))"), "column datetime"),
        (("ORDER BY (symbol, datetime, fetched_at)", "ORDER BY (symbol, datetime)"), "sorting key"),
        (("substring(datetime, 1, 7)", "substring(datetime, 1, 4)"), "partition key"),
        (("ReplacingMergeTree(version)", "MergeTree"), "engine is 'MergeTree'"),
        (("run_id String", "run String"), "column run_id is 'missing'"),
    ],
)
def test_table_of_another_shape_is_refused(
    embedded: ClickHouseAdapter, make_table: MakeRepository, database: str, change: tuple[str, str], told: str
) -> None:
    statement = create_statement(database)
    assert change[0] in statement
    embedded.command(f"CREATE DATABASE {database}")
    embedded.command(statement.replace(*change))

    with pytest.raises(StorageRejected, match=told) as raised:
        make_table(embedded)

    assert "setup_db" in raised.value.next_step


def test_insert_and_update_are_synced_to_disk(repository: Repository, embedded: ClickHouseAdapter) -> None:
    def synced() -> int:
        found = embedded.query("SELECT value FROM system.events WHERE event = 'FileSync'")
        return int(str(found[0][0])) if found else 0

    for price in (1.0, 2.0):
        before = synced()
        repository.upsert_prices([price_row(price=price)])
        assert synced() > before
