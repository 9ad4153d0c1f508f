"""The analysts' page: its snippets do what they say, on an exported file and on a server."""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Callable
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import pandas  # type: ignore[import-untyped]
import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.tehran_time import tehran_text
from adapters.clickhouse.binance_clickhouse_adapter import BinanceClickHouseAdapter
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from configurations.config import PROJECT_ROOT
from tests.support.binance import pair_row
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.installation import Installation
from tests.support.price_rows import price_row
from tests.support.price_table import Sql
from tests.support.stepped_clock import SteppedClock
from tests.support.two_markets import walk

PAGE = (PROJECT_ROOT / "docs" / "analysts.md").read_text()
SNIPPETS = {
    code.split("import ")[1].split()[0]: code
    for code in re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
}
STATEMENTS = re.findall(r"^```sql\n((?:SELECT|WITH).*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^(?:    |.*&& )\./run\.sh ((?:query|export)[^|#>\n]*)", PAGE, re.MULTILINE)
INSTANT = datetime(2026, 11, 22, 20, 30, tzinfo=timezone.utc)
"""The first moment of 2026-11-23 in Tehran."""


@pytest.fixture
def stored(make_table: Callable[..., Any], embedded: ClickHouseAdapter, database: str) -> str:
    """A database with two hours of BTC from each source, of two days in Tehran and of one in UTC."""
    for kind, row in ((CoinMarketCapClickHouseAdapter, price_row), (BinanceClickHouseAdapter, pair_row)):
        make_table(embedded, kind=kind).upsert_prices(
            [row(fetched_at="2026-11-22 23:00:00", price=1.0), row(fetched_at="2026-11-23 00:00:00", price=2.0)]
        )
    return database


def run(code: str) -> dict[str, Any]:
    """The names that a snippet leaves."""
    names: dict[str, Any] = {}
    exec(compile(code, "snippet", "exec"), names)  # noqa: S102 - the page's own
    return names


@pytest.fixture
def program(stored: str, front: ClickHouseFront, tmp_path: Path) -> Installation:
    settings = {"PATH": os.environ["PATH"], **front.variables(stored)}
    return Installation.make(tmp_path / "checkout", clock=SteppedClock(INSTANT), settings=settings)


@pytest.fixture
def exported(program: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that the snippets read, written by the command that the page names."""
    assert "`./run.sh export prices.parquet`" in PAGE
    assert program.command("export", str(tmp_path / "prices.parquet")).code == 0
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("exported")
def test_snippets_read_the_right_instants_and_days() -> None:
    names = run(SNIPPETS["pandas"])
    assert names["prices"]["time"].max() == INSTANT
    assert [str(day.date()) for day in names["daily"].index] == ["2026-11-22", "2026-11-23"]
    assert names["daily"]["BTC"].to_list() == [1.0, 2.0]
    assert run(SNIPPETS["polars"])["latest"].rows() == [("BTC", INSTANT, 2.0)]
    means = run(SNIPPETS["duckdb"])["means"].fetchall()
    assert means == [("BTC", date(2026, 11, 22), 1.0), ("BTC", date(2026, 11, 23), 2.0)]


def test_pandas_reads_a_server(stored: str, front: ClickHouseFront) -> None:
    """Through clickhouse-connect, without an offset of three and a half hours."""
    code = SNIPPETS["clickhouse_connect"]
    for old, new in {
        '"db.example.net"': f'"127.0.0.1", port={front.port}',
        '"bi"': f'"{front.user}"',
        '"…"': f'"{front.password}"',
        '"crypto"': f'"{stored}"',
    }.items():
        assert old in code
        code = code.replace(old, new)
    assert run(code)["prices"]["time"].max() == INSTANT


@pytest.mark.usefixtures("stored")
def test_each_statement_runs(sql: Sql) -> None:
    """As it stands, but for the database's name."""
    assert len(STATEMENTS) == 10
    for statement in STATEMENTS:
        sql(statement)


@pytest.mark.usefixtures("exported")
def test_each_command_runs(program: Installation) -> None:
    """As it stands; a file that another one has written needs --force."""
    assert len(COMMANDS) == 7
    for command in COMMANDS:
        done = program.command(*shlex.split(command), *["--force"][: "prices.parquet" in command])
        assert (done.code, done.out.strip() != "") == (0, True), command


def test_statements_for_the_reading_user_are_valid(embedded: ClickHouseAdapter) -> None:
    """The engine of the tests keeps no users."""
    [statements] = re.findall(r"^```sql\n(CREATE USER.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for statement in statements.strip().removesuffix(";").split(";\n"):
        [(formatted,)] = embedded.query("SELECT formatQuerySingleLine({sql:String})", {"sql": statement})
        assert str(formatted).split()[0] == statement.split()[0]


def test_recipes_give_what_pandas_gives(repository: CoinMarketCapClickHouseAdapter, sql: Sql) -> None:
    """Returns, volatility, drawdown, correlation and gaps of five days; BTC lacks four hours of the third."""
    hours = pandas.date_range("2026-11-01", periods=120, freq="h")
    prices = pandas.DataFrame({"BTC": walk(119, seed=1), "ETH": walk(119, seed=2)}, index=hours)
    prices.loc[hours[60:64], "BTC"] = math.nan
    repository.upsert_prices(
        price_row(symbol, price, fetched_at=str(hour))
        for symbol in prices
        for hour, price in prices[symbol].dropna().items()
    )

    def ask(words: str) -> list[tuple[Any, ...]]:
        [statement] = [one for one in STATEMENTS if words in one]
        return sql(statement)

    daily = prices["BTC"].resample("D").last().pct_change() * 100
    returns = [(str(row[1]), row[2], row[3]) for row in ask("return_percent") if row[0] == "BTC"]
    assert returns == [
        ("2026-11-02", "1405-08-11", pytest.approx(daily["2026-11-02"])),
        ("2026-11-05", "1405-08-14", pytest.approx(daily["2026-11-05"])),
    ]
    changes = prices.map(math.log).diff()
    volatility = changes.std() * math.sqrt(24 * 365) * 100
    assert ask("volatility_percent") == [
        (symbol, pytest.approx(volatility[symbol]), changes[symbol].count()) for symbol in prices
    ]
    falls = (prices / prices.cummax() - 1) * 100
    assert [(row[0], row[1], tehran_text(row[2].astimezone())) for row in ask("drawdown_percent")] == [
        (symbol, pytest.approx(falls[symbol].min()), str(falls[symbol].idxmin())) for symbol in prices
    ]
    correlated, both = changes["BTC"].corr(changes["ETH"]), len(changes.dropna())
    assert ask("corr(") == [("BTC", "ETH", pytest.approx(correlated), both)]
    gap = ("BTC", "2026-11-03 12:00:00", "2026-11-03 15:00:00", 4, "missing")
    assert [row for row in ask("row_number()") if row[1] < "2026-11-06"] == [gap]
