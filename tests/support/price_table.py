"""What stands in the table and in the view, read past the repository; rows put in past it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.sql_files import definition
from adapters._bases.table_backup import export_table
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter

Repository = CoinMarketCapClickHouseAdapter
MakeRepository = Callable[..., Any]
Read = Callable[..., list[tuple[object, ...]]]
Sql = Callable[[str], list[tuple[Any, ...]]]
Connect = Callable[..., tuple[ClickHouseAdapter, Any]]


def rows_in(clickhouse: ClickHouseAdapter, source: str, columns: str, where: str = "1") -> list[tuple[Any, ...]]:
    """Columns, in SQL, of the rows of a table or view with its database, ordered by key."""
    return clickhouse.query(f"SELECT {columns} FROM {source} WHERE {where} ORDER BY symbol, datetime")


def fingerprint(sql: Sql) -> str:
    """A hash over every stored column of every row that the view shows, independent of their order."""
    names = ", ".join(definition("crypto_prices").stored)
    return str(sql(f"SELECT sum(sipHash64(toString(tuple({names})))) FROM crypto.crypto_prices_hourly"))


def copied(clickhouse: ClickHouseAdapter, database: str, path: Path, table: str = "crypto_prices") -> int:
    return export_table(clickhouse, database, definition(table), path, lambda *_of: None)


def create_statement(database: str, name: str = "crypto_prices", *, replicated: str = "") -> str:
    return definition(name).text.format(
        database=database, on_cluster="", replicated=replicated, settings="", keep_days=400
    )


def typed(*names: str) -> dict[str, str]:
    """Columns of the table with their types, for an insert by hand."""
    return {name: definition("crypto_prices").types[name] for name in names}


def put_by_hand(clickhouse: ClickHouseAdapter, database: str, *rows: tuple[str, float, int]) -> None:
    """Insert rows (fetched_at, price, version) of the symbol HAND, each by a statement of its own."""
    for row in rows:
        clickhouse.insert(
            f"{database}.crypto_prices", typed("symbol", "fetched_at", "price", "version"), [("HAND", *row)]
        )
