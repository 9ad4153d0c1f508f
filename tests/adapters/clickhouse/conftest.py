"""Reading past the repository."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters.clickhouse.binance_clickhouse_adapter import BinanceClickHouseAdapter
from tests.conftest import clickhouse_adapter
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.price_table import Connect, MakeRepository, Read, put_by_hand, rows_in


@pytest.fixture
def view(embedded: ClickHouseAdapter, database: str) -> Read:
    """Columns, in SQL, of the view's rows, by key."""
    return partial(rows_in, embedded, f"{database}.crypto_prices_hourly")


@pytest.fixture
def table(embedded: ClickHouseAdapter, database: str) -> Read:
    """Columns, in SQL, of the table's rows as they stand beside each other, by key."""
    return partial(rows_in, embedded, f"{database}.crypto_prices")


@pytest.fixture
def by_hand(embedded: ClickHouseAdapter, database: str) -> Callable[..., None]:
    """Insert rows of the symbol HAND past the repository."""
    return partial(put_by_hand, embedded, database)


@pytest.fixture
def connect(engine_path: Path) -> Iterator[Connect]:
    """Connect as a user with another role or profile; the connection, and the server that it is to."""
    with ExitStack() as fronts:

        def make(**user: Any) -> tuple[ClickHouseAdapter, ClickHouseFront]:
            front = ClickHouseFront(engine_path, user="etl", password="pass-in-tests", **user)
            return clickhouse_adapter(engine_path, fronts.enter_context(front)), front

        yield make


@pytest.fixture
def served(server: ClickHouseAdapter, make_table: MakeRepository) -> Any:
    return make_table(server)


@pytest.fixture
def pairs(embedded: ClickHouseAdapter, make_table: MakeRepository) -> Any:
    return make_table(embedded, kind=BinanceClickHouseAdapter)


@pytest.fixture
def either(clickhouse: ClickHouseAdapter, make_table: MakeRepository) -> Any:
    """The repository behind each door in turn, with its table made."""
    return make_table(clickhouse)
