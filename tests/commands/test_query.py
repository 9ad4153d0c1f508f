"""``query``: one statement that reads, and the list of what there is to read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.installation import Installation
from tests.support.price_rows import price_row
from tests.support.price_table import Sql
from tests.support.terminal import on_a_terminal

CHANGES = (
    "INSERT INTO crypto_prices (symbol) VALUES ('X')",
    "ALTER TABLE crypto_prices DELETE WHERE 1",
    "DROP TABLE crypto_prices",
    "CREATE TABLE mine (a UInt8) ENGINE = Memory",
    "SYSTEM FLUSH LOGS",
    "SET readonly = 0",
    "GRANT ALL ON *.* TO default",
    "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
    "SELECT * FROM file('/etc/passwd', 'CSV', 'a String')",
    "SELECT file('/etc/passwd')",
    "SELECT `file`('/etc/passwd')",
    "SELECT * FROM Python(wanted)",
    "DESCRIBE TABLE url('http://127.0.0.1:1/', 'CSV', 'a String')",
    "DESC mysql('127.0.0.1:1', 'd', 't', 'u', 'p')",
    "SELECT * FROM s3('http://127.0.0.1:1/bucket/key', 'CSV', 'a String')",
    "SELECT * FROM (SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String') SETTINGS readonly = 0)",
    "SELECT * FROM remote('127.0.0.1:1', system.one)",
    "SELECT 1 INTO OUTFILE '{folder}/out'",
    "SELECT 1 /* ' */ INTO /* ' */ OUTFILE '{folder}/out'",
    "SELECT 1 SETTINGS readonly = 0",
    "INSERT INTO FUNCTION file('{folder}/out', 'CSV', 'a UInt8') SELECT 1",
)
READS = (
    "SHOW TABLES",
    "DESCRIBE TABLE crypto_prices_hourly",
    "DESCRIBE (SELECT price FROM crypto_prices)",
    "EXPLAIN SELECT price FROM crypto_prices",
    "WITH 'BTC' AS coin SELECT price FROM crypto_prices WHERE symbol = coin",
    "(SELECT 1) UNION ALL (SELECT 2)",
    "SELECT 'INSERT INTO x; file(1)' AS `DROP TABLE y`",
    "EXISTS TABLE crypto_prices",
)
INVALID = {
    "SELEC 1": "Syntax error: failed at position 7",
    "SELECT 1; SELECT 2": "Multi-statements are not allowed",
    "SELECT pric FROM crypto_prices_hourly": "identifier `pric`",
    "SELECT 1 FROM nothing": "identifier 'nothing'",
    "SELECT 1 FORMAT CSV": "FORMAT",
    "": "Empty query",
}


@pytest.fixture
def prices(program: Installation, repository: CoinMarketCapClickHouseAdapter) -> Installation:
    repository.upsert_prices([price_row(cmc_rank=None)])
    return program


def test_statement_that_changes_or_reaches_out_is_rejected(prices: Installation, sql: Sql, tmp_path: Path) -> None:
    rows = "SELECT * FROM crypto.crypto_prices"
    before = sql(rows)
    done = {statement: prices.command("query", statement.format(folder=tmp_path)) for statement in CHANGES}
    assert [text for text, one in done.items() if one.code not in (1, 2) or one.out or "error: " not in one.log] == []
    assert sql(rows) == before
    assert not (tmp_path / "out").exists()


def test_embedded_engine_rejects_too(embedded_program: Installation, tmp_path: Path) -> None:
    assert embedded_program.run_job().code == 0
    for statement in CHANGES[::4]:
        done = embedded_program.command("query", statement.format(folder=tmp_path))
        assert done.code in (1, 2), statement
    assert not (tmp_path / "out").exists()
    done = embedded_program.command("query", "SELECT count() AS rows FROM crypto_prices", "--format", "json")
    assert json.loads(done.out) == [{"rows": 3}]


def test_read_only_statement_is_answered(prices: Installation) -> None:
    done = {statement: prices.command("query", statement) for statement in READS}
    assert [text for text, one in done.items() if one.code or one.log] == []


def test_read_only_user_can_export_and_query(prices: Installation, engine_path: Path, tmp_path: Path) -> None:
    """Whose profile has readonly = 1: no setting can be changed then, and none is tried."""
    with ClickHouseFront(engine_path, user="reader", password="pass-in-tests", readonly=True) as front:
        reader = {"CLICKHOUSE_PORT": str(front.port), "CLICKHOUSE_USER": front.user}
        done = prices.command("query", "SELECT symbol FROM crypto_prices_hourly", "--format", "csv", **reader)
        assert (done.code, done.out, done.log) == (0, '"symbol"\n"BTC"\n', "")
        for form in ("csv", "parquet", "jsonl", "arrow"):
            done = prices.command("export", str(tmp_path / f"prices.{form}"), **reader)
            assert (done.code, done.log) == (0, "")
    assert duckdb.execute(f"SELECT symbol FROM '{tmp_path / 'prices.parquet'}'").fetchall() == [("BTC",)]


def test_slow_pipe_reader_does_not_hold_the_engine(embedded_program: Installation) -> None:
    """``query … | less``: while that is open the next command has the database. When it closes, one line says so."""
    assert embedded_program.run_job().code == 0
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "main", "query", "SELECT * FROM numbers(100000)", "--format", "csv"]
    environment = {"PYTHONPATH": str(embedded_program.root / "src"), **embedded_program.settings}
    with subprocess.Popen(
        command, cwd=embedded_program.root, env=environment, stdout=writing, stderr=subprocess.PIPE
    ) as running:
        os.close(writing)
        assert os.read(reading, 10) == b'"number"\n0'
        assert embedded_program.command("query", "SELECT 1").code == 0
        assert running.poll() is None
        os.close(reading)
        assert running.communicate()[1] == b"error: stdout could not be written: Broken pipe\n"
    assert running.returncode == 1


def test_answer_is_a_table(prices: Installation) -> None:
    """Names without a database are the settings'; a comment and a semicolon at the end do no harm."""
    done = prices.command("query", "SELECT symbol, price, cmc_rank FROM crypto_prices_hourly; -- the price")
    assert (done.code, done.log) == (0, "")
    assert [line.split() for line in done.out.splitlines()] == [
        ["symbol", "price", "cmc_rank"],
        ["BTC", "86123.25", "NULL"],
    ]


def test_piped_row_is_one_line_at_any_width(prices: Installation) -> None:
    """Also one with line breaks, or wider than a screen could ever be."""
    statement = "SELECT repeat('x', 150000) AS wide, 'two\nlines\r\u2028' AS broken, number FROM numbers(2)"
    [heads, *rows] = [line.split()[1:] for line in prices.command("query", statement).out.splitlines()]
    assert (heads, rows) == (["broken", "number"], [[r"two\nlines\r\u2028", number] for number in "01"])


def test_wide_rows_are_printed_vertically_on_a_terminal(prices: Installation) -> None:
    """A line for each column where a table of 80 columns would fold every value; one that fits is a table."""
    shown = on_a_terminal(prices, "-m", "main", "query", "SELECT *, '' AS none FROM crypto_prices_hourly")
    lines = [line.rstrip() for line in shown.splitlines()]
    assert lines[:2] == ["symbol              BTC", "datetime            2026-11-23 12:00:00"]
    assert "price               86123.25" in lines
    assert lines[-1] == "none"
    shown = on_a_terminal(
        prices, "-m", "main", "query", "SELECT symbol, price FROM crypto_prices_hourly", settings={"NO_COLOR": "1"}
    )
    assert "BTC     86123.25" in shown


def test_other_formats_go_to_a_pipe(prices: Installation) -> None:
    statement = "SELECT symbol, price FROM crypto_prices_hourly"
    assert prices.command("query", statement, "--format", "csv").out == '"symbol","price"\n"BTC",86123.25\n'
    found = json.loads(prices.command("query", statement, "--format", "json").out)
    assert found == [{"symbol": "BTC", "price": 86123.25}]
    assert prices.command("query", statement, "--format", "parquet").code == 0
    written = max((prices.root / "output").glob("*.out"))
    assert duckdb.execute(f"FROM read_parquet('{written}')").fetchall() == [("BTC", 86123.25)]


def test_invalid_statement_is_reported_in_one_line(prices: Installation) -> None:
    for statement, says in INVALID.items():
        done = prices.command("query", statement)
        assert done.code != 0
        assert says in done.log.split("\n")[0]
        assert not {"Expected one of", "formatQuery"} & set(done.log.split(": "))


def test_no_statement_lists_tables_and_columns(prices: Installation) -> None:
    assert prices.command("setup_db").code == 0
    done = prices.command("query")
    assert (done.code, done.log) == (0, "")
    lines = done.out.splitlines()
    assert {"crypto_prices_hourly", "crypto_prices_daily", "crypto_prices_latest", "etl_runs"} <= set(lines)
    assert "  price Float64: Price of one coin, in units of currency" in lines
