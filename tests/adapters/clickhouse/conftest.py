"""Reading past the repository."""

from __future__ import annotations

from functools import partial

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from tests.support.price_table import Ask, Read, in_table, in_view


@pytest.fixture
def view(embedded: ClickHouseAdapter, database: str) -> Read:
    """Columns, in SQL, of the view's rows, by key."""
    return partial(in_view, embedded, database)


@pytest.fixture
def table(embedded: ClickHouseAdapter, database: str) -> Read:
    """Columns, in SQL, of the table's rows, by key."""
    return partial(in_table, embedded, database)


@pytest.fixture
def ask(embedded: ClickHouseAdapter, database: str) -> Ask:
    """The rows of a SELECT, whose first table is named without its database."""
    return lambda statement: embedded.query(statement.replace(" FROM ", f" FROM {database}.", 1))
