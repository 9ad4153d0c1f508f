"""``export``: the file reads back equal, is there as a whole or not at all, and stdout is clean."""

from __future__ import annotations

import gzip
import json
import zipfile
from datetime import date, datetime, timezone
from pathlib import Path
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import duckdb
import pandas  # type: ignore[import-untyped]
import polars
import pyarrow.ipc  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]
import pytest

from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from tests.support.clickhouse_front import ClickHouseFront, Fault
from tests.support.installation import Installation
from tests.support.price_rows import price_row
from tests.support.price_table import Sql

# 23:00 of 2021-09-21 came twice in Tehran; the last digits of the second price are lost by less than 17 of them.
ROWS = (
    price_row(fetched_at="2021-09-21 23:10:00", price=43000.5),
    price_row(fetched_at="2026-11-23 11:59:59", price=0.1 + 0.2, cmc_rank=None),
    price_row(
        symbol="ETH", fetched_at="2026-11-23 12:00:00", price=1.2345678e-09, name='a "quoted", name\nof two lines'
    ),
)
COLUMNS = "symbol, datetime, toUnixTimestamp(time), toUnixTimestamp(time_utc), name, price, cmc_rank, version"


@pytest.fixture
def prices(program: Installation, repository: CoinMarketCapClickHouseAdapter) -> Installation:
    repository.upsert_prices(ROWS)
    return program


def read_back(path: Path) -> list[tuple[object, ...]]:
    source = {"csv": f"read_csv('{path}')", "jsonl": f"read_json('{path}')", "parquet": f"'{path}'"}
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'Asia/Tehran'")
    found = connection.sql(
        "SELECT symbol, strftime(datetime::TIMESTAMP, '%Y-%m-%d %H:%M:%S'), "
        "time::TIMESTAMP, time_utc::TIMESTAMP, name, price, cmc_rank, version "
        f"FROM {source[path.suffix[1:]]} ORDER BY symbol, datetime"
    ).fetchall()
    zone = ZoneInfo("Asia/Tehran")
    utc = zone if path.suffix == ".parquet" else timezone.utc
    return [
        (symbol, key, time.replace(tzinfo=zone).timestamp(), at.replace(tzinfo=utc).timestamp(), *rest)
        for symbol, key, time, at, *rest in found
    ]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_file_reads_back_equal(prices: Installation, sql: Sql, database: str, tmp_path: Path, form: str) -> None:
    path = tmp_path / f"prices.{form}"
    done = prices.command("export", str(path))
    assert (done.code, done.log) == (0, "")
    assert done.out.startswith(f"3 rows of {database}.crypto_prices_hourly written to {path}, ")
    assert read_back(path) == sql(f"SELECT {COLUMNS} FROM crypto.crypto_prices_hourly ORDER BY symbol, datetime")


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_times_are_instants_in_typed_files(prices: Installation, tmp_path: Path, form: str) -> None:
    """Arrow's types: times with their zone, texts as text, and pandas and polars read the same instant."""
    path = tmp_path / f"prices.{form}"
    assert prices.command("export", str(path), "--symbols", "ETH").code == 0
    table = pyarrow.parquet.read_table(path) if form == "parquet" else pyarrow.ipc.open_file(str(path)).read_all()
    instant = datetime(2026, 11, 23, 8, 30, tzinfo=timezone.utc)
    types = {name: str(table.schema.field(name).type) for name in ("symbol", "time_utc", "price")}
    assert types == {"symbol": "string", "time_utc": "timestamp[ms, tz=UTC]", "price": "double"}
    assert table["time"].to_pylist() == table["time_utc"].to_pylist() == [instant]
    if form == "parquet":
        assert pandas.read_parquet(path)["time"].to_list() == [pandas.Timestamp(instant)]
        assert polars.read_parquet(path)["time"].to_list() == [instant]


def test_from_is_inclusive_and_to_exclusive(prices: Installation) -> None:
    """In Tehran, in UTC with --utc, and in the Jalali calendar for its years; in the order of symbol and time."""
    for arguments, rows in {
        "--from 2026-11-23": ["2026-11-23 11:00:00", "2026-11-23 12:00:00"],
        "--to 2026-11-23": ["2021-09-21 23:00:00"],
        "--from 2026-11-23T12": ["2026-11-23 12:00:00"],
        "--from 2026-11-23T11:00 --to 2026-11-23T12:00": ["2026-11-23 11:00:00"],
        "--from 2026-11-23T08:30 --utc": ["2026-11-23 12:00:00"],
        "--symbols BTC,ETH --from 2030-01-01": [],
        "--from 1405-09-02T12 --to 1405-09-03": ["2026-11-23 12:00:00"],
        # A day, week or month is written if a part of it lies in the span.
        "--view daily --columns date --from 2026-11-23T13:00": ["2026-11-23", "2026-11-23"],
        "--view weekly --columns week,symbol --symbols ETH --to 2026-11-21": [],
        "--view weekly --columns week --symbols ETH --to 2026-11-22T00:00:01": ["2026-11-21"],
        "--view monthly --columns month_jalali --symbols BTC": ["1400-06", "1405-09"],
        "--view monthly --columns month_jalali --from 1405-08-30 --to 1405-09-01": [],
        "--view monthly --columns month_jalali --symbols BTC --from 1405-09-30": ["1405-09"],
        "--view monthly_gregorian --columns month --symbols BTC --to 2026-11-01": ["2021-09-01"],
        "--view hours --columns datetime --to 2021-09-22": ["2021-09-21 23:00:00"],
    }.items():
        typed = [part.replace("T", " ") if part[:1].isdigit() else part for part in arguments.split()]
        done = prices.command("export", "-", "--format", "jsonl", *typed)
        written = [json.loads(line) for line in done.out.splitlines()]
        found = [next(row[name] for name in ("datetime", *row) if name in row) for row in written]
        assert (found, "(1405-09-" in done.log) == (rows, "from 14" in arguments), arguments


def test_each_view_is_in_utc_or_says_that_it_cannot_be(prices: Installation) -> None:
    """Hours and runs are instants, the days of longer periods are Tehran's."""
    assert prices.at_clock("cron_run").code == 0
    for view in ("hourly", "hours", "latest", "runs"):
        done = prices.command("export", "-", "--format", "jsonl", "--view", view, "--utc", "--from", "2026-11-23 08:30")
        if view == "latest":
            assert (done.code, "--from" in done.log) == (2, True)
            done = prices.command("export", "-", "--format", "jsonl", "--view", view, "--utc")
        written = [json.loads(line) for line in done.out.splitlines()]
        assert {row["time" if "time" in row else "started_at"][-1] for row in written} == {"Z"}, view
        if view == "hourly":
            assert "2026-11-23 12:00:00 2026-11-23T08:30:00Z" in [f"{row['datetime']} {row['time']}" for row in written]
    for view in ("daily", "weekly", "monthly", "monthly_gregorian"):
        done = prices.command("export", "-", "--view", view, "--utc")
        assert (done.code, done.out, "--utc" in done.log) == (2, "", True)


def test_compressed_file_has_the_columns_that_were_named(prices: Installation, tmp_path: Path) -> None:
    path = tmp_path / "prices.csv.gz"
    assert prices.command("export", str(path), "--columns", "symbol, time,price", "--symbols", "ETH").code == 0
    text = b'"symbol","time","price"\n"ETH","2026-11-23 12:00:00",1.2345678e-9\n'
    assert gzip.decompress(path.read_bytes()) == text
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["prices.csv.gz"]


def test_workbook_has_numbers_and_times(prices: Installation, tmp_path: Path) -> None:
    """As Excel reads them: a time is a number of days since 1899-12-30, NULL an empty cell, a long number a text."""
    path = tmp_path / "prices.xlsx"
    columns = "symbol,date,time,name,price,cmc_rank,version"
    assert prices.command("export", str(path), "--columns", columns, "--from", "2026-11-23").code == 0
    with zipfile.ZipFile(path) as book:
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))  # noqa: S314 - the program's own
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    rows = [{cell.attrib["r"]: "".join(cell.itertext()) for cell in row} for row in sheet.iter(f"{space}row")]
    days = (date(2026, 11, 23) - date(1899, 12, 30)).days
    assert list(rows[0].values()) == columns.split(",")
    assert [float(rows[1][cell]) for cell in ("B2", "C2", "E2")] == [days, pytest.approx(days + 11 / 24), 0.3]
    assert (rows[1]["A2"], rows[2]["A3"], rows[2]["D3"]) == ("BTC", "ETH", 'a "quoted", name\nof two lines')
    assert ("F2" in rows[1], rows[2]["F3"], len(rows[2]["G3"])) == (False, "1", 19)


def test_workbook_without_its_library_names_the_command(prices: Installation) -> None:
    (prices.root / "src" / "xlsxwriter.py").write_text("raise ImportError")
    done = prices.command("export", "prices.xlsx")
    assert (done.code, done.log.count("\n")) == (2, 2)
    assert "next: ./run.sh install --xlsx" in done.log
    assert not (prices.root / "prices.xlsx").exists()


def test_existing_file_needs_force(prices: Installation, tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("mine")
    done = prices.command("export", str(path))
    assert done.code == 1
    assert "already exists" in done.log
    assert path.read_text() == "mine"
    assert prices.command("export", str(path), "--force").code == 0
    assert path.read_text().startswith('"symbol"')


def test_invalid_arguments_are_rejected(prices: Installation) -> None:
    for arguments, says in {
        "prices.txt": "prices.txt",
        "prices --format xls": "--format xls",
        "p.csv --view yearly": "'yearly'",
        "p.csv --columns price,nope": "nope",
        "p.csv --from 1404-12-30": "'1404-12-30'",
        "p.csv --from 2008-12-31": "before 2009",
        "p.csv --from 1405-09-02 --to 2026-11-23": "no hour from",
        "p.parquet.gz.zip": "p.parquet.gz.zip",
        "p.csv --symbols BTC,NOPE": "NOPE",
        "p.csv --view latest --from 2026-11-01": "--from",
        "p.csv --view runs --symbols BTC": "--symbols",
        "p.csv --from yesterday": "'yesterday'",
        "p.csv --job nope": "'nope'",
    }.items():
        done = prices.command("export", *arguments.split())
        assert (done.code, says in done.log, "\nnext: " in done.log) == (2, True, True), arguments
    assert not list(prices.root.glob("p*"))


@pytest.mark.parametrize("kind", ["reset", "half", "error"])
def test_broken_answer_leaves_no_file(prices: Installation, front: ClickHouseFront, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("mine")
    front.faults.append(Fault(kind, statement="SELECT `symbol`", times=99, code=241, text="Memory limit exceeded"))  # type: ignore[arg-type]
    done = prices.command("export", str(path), "--force", RUN_TIMEOUT_SECONDS="4")
    assert done.code == 1
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["prices.csv"]
    assert path.read_text() == "mine"
