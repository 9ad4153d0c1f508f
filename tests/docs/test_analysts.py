"""The analysts' page: its snippets do what they say, on an exported file and on a server."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.retry import RetryPolicy
from adapters.clickhouse.binance_clickhouse_adapter import BinanceClickHouseAdapter
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from tests.support.binance import pair_row
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.docs import ROOT
from tests.support.installation import Installation
from tests.support.price_rows import price_row
from tests.support.stepped_clock import SteppedClock

PAGE = (ROOT / "docs" / "analysts.md").read_text()
SNIPPETS = {
    code.split("import ")[1].split()[0]: code
    for code in re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
}
STATEMENTS = re.findall(r"^```sql\n(SELECT.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
INSTANT = datetime(2026, 11, 22, 20, 30, tzinfo=timezone.utc)
"""The first moment of 2026-11-23 in Tehran."""


@pytest.fixture
def stored(
    make_repository: Callable[..., CoinMarketCapClickHouseAdapter], embedded: ClickHouseAdapter, database: str
) -> str:
    """A database with two hours of BTC from each source, of two days in Tehran and of one in UTC."""
    repository = make_repository(embedded)
    repository.ensure_ready()
    hours = {"2026-11-22 23:00:00": 1.0, "2026-11-23 00:00:00": 2.0}
    repository.upsert_prices([price_row(fetched_at=hour, price=price) for hour, price in hours.items()])
    pairs = BinanceClickHouseAdapter(
        clickhouse=embedded,
        database=database,
        retry=RetryPolicy(attempts=1),
        clock=lambda: INSTANT,
    )
    pairs.ensure_ready()
    pairs.upsert_prices([pair_row(fetched_at=hour, price=price) for hour, price in hours.items()])
    return database


def run(name: str) -> dict[str, Any]:
    """The names that a snippet leaves."""
    names: dict[str, Any] = {}
    exec(compile(SNIPPETS[name], name, "exec"), names)  # noqa: S102 - the page's own
    return names


@pytest.fixture
def exported(stored: str, front: ClickHouseFront, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that the snippets read, written by the command that the page names."""
    settings = {
        "PATH": os.environ["PATH"],
        "CLICKHOUSE_HOST": "127.0.0.1",
        "CLICKHOUSE_PORT": str(front.port),
        "CLICKHOUSE_USER": front.user,
        "CLICKHOUSE_PASSWORD": front.password,
        "CLICKHOUSE_DB": stored,
    }
    program = Installation.make(tmp_path / "checkout", clock=SteppedClock(INSTANT), settings=settings)
    assert "`./run.sh export prices.parquet`" in PAGE
    assert program.command("export", str(tmp_path / "prices.parquet")).code == 0
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("exported")
def test_pandas_reads_the_right_instants() -> None:
    """And a day is Tehran's."""
    names = run("pandas")
    assert names["prices"]["time"].max() == INSTANT
    assert [str(day.date()) for day in names["daily"].index] == ["2026-11-22", "2026-11-23"]
    assert names["daily"]["BTC"].to_list() == [1.0, 2.0]


@pytest.mark.usefixtures("exported")
def test_polars_reads_the_right_instants() -> None:
    """The latest of each symbol."""
    assert run("polars")["latest"].rows() == [("BTC", INSTANT, 2.0)]


@pytest.mark.usefixtures("exported")
def test_duckdb_reads_the_right_days() -> None:
    """By Tehran's clock."""
    means = run("duckdb")["means"].fetchall()
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
    names: dict[str, Any] = {}
    exec(compile(code, "server", "exec"), names)  # noqa: S102 - the page's own
    assert names["prices"]["time"].max() == INSTANT


def test_each_statement_runs(stored: str, embedded: ClickHouseAdapter) -> None:
    """As it stands, but for the database's name."""
    assert STATEMENTS
    for statement in STATEMENTS:
        assert embedded.query(statement.replace("crypto.", f"{stored}."))
