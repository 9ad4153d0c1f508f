"""Upserts against a model: a dict by key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.errors import StorageRejected
from adapters._bases.upsert import StoredRow, UpsertReport, update_statement
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import (
    CRYPTO_PRICES,
    CoinMarketCapClickHouseAdapter,
    PriceRow,
)
from tests.support.price_rows import price_row
from tests.support.price_table import create_statement, in_table, in_view

_RUNS = count(1)
_COLUMNS = "symbol, datetime, price, market_cap, cmc_rank, name, source_updated_at"
SLOW = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
DOUBLES = st.floats(1e-12, 1e12, allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ROWS = st.builds(
    lambda symbol, price, hour, **values: price_row(
        symbol, price, fetched_at=f"2026-{hour // 2 + 10}-01 {hour:02}:10:00", **values
    ),
    st.sampled_from(["BTC", "ETH", "SOL", "a'\\|"]),
    DOUBLES,
    st.integers(0, 4),
    market_cap=st.none() | DOUBLES,
    cmc_rank=st.none() | st.integers(1, 9999),
    name=TEXTS,
    source_updated_at=st.none() | st.just("2026-11-23 12:34:00"),
)


@SLOW
@given(batches=st.lists(st.lists(ROWS, max_size=8), max_size=4))
def test_table_has_the_last_write_of_each_key(
    repository: CoinMarketCapClickHouseAdapter,
    embedded: ClickHouseAdapter,
    database: str,
    batches: Sequence[Sequence[PriceRow]],
) -> None:
    """After any sequence of upserts each key stands once, with the values written last, and the reports add up."""
    embedded.command(f"TRUNCATE TABLE {database}.crypto_prices")
    model: dict[tuple[str, str], tuple[object, ...]] = {}
    for batch in batches:
        given_rows = {_key(row): _kept_rank(_values(row), model.get(_key(row))) for row in batch}
        expected = UpsertReport(
            inserted=len(given_rows.keys() - model.keys()),
            updated=sum(key in model and model[key] != values for key, values in given_rows.items()),
            unchanged=sum(key in model and model[key] == values for key, values in given_rows.items()),
        )
        assert repository.upsert_prices(batch) == expected
        model |= given_rows
    assert sorted(in_view(embedded, database, _COLUMNS)) == sorted((*key, *values) for key, values in model.items())
    assert len(in_table(embedded, database, "1")) == len(model)


def _key(row: PriceRow) -> tuple[str, str]:
    return row.symbol, row.hour_key


def _values(row: PriceRow) -> tuple[object, ...]:
    return row.price, row.market_cap, row.cmc_rank, row.name, row.source_updated_at


def _kept_rank(values: tuple[object, ...], before: tuple[object, ...] | None) -> tuple[object, ...]:
    """The values as an upsert leaves them: a rank that is not given leaves the one before."""
    price, market_cap, rank, *others = values
    return price, market_cap, before[2] if rank is None and before else rank, *others


@SLOW
@given(prices=st.lists(st.tuples(DOUBLES, DOUBLES), min_size=1, max_size=40))
@example(prices=[(1e-12, 1e12), (0.1 + 0.2, 1.7976931348623157e11), (123456789012.34567, 5e-12), (1.0, 3.0)])
def test_doubles_are_stored_exactly(
    repository: CoinMarketCapClickHouseAdapter,
    embedded: ClickHouseAdapter,
    database: str,
    prices: list[tuple[float, float]],
) -> None:
    """A double that goes in comes out the same, by INSERT and by ALTER … UPDATE."""
    embedded.command(f"TRUNCATE TABLE {database}.crypto_prices")
    for side in (0, 1):
        repository.upsert_prices([price_row(f"S{i:02}", price=pair[side]) for i, pair in enumerate(prices)])
        assert in_view(embedded, database, "price") == [(pair[side],) for pair in prices]


@pytest.mark.present_engine
@pytest.mark.parametrize("mode", ["heavy", "lightweight"])
def test_both_forms_of_update_give_the_same_rows(
    embedded: ClickHouseAdapter,
    make_repository: Callable[..., CoinMarketCapClickHouseAdapter],
    database: str,
    mode: str,
) -> None:
    """A table without block columns, as servers before 26.9 have it, is updated by mutations, and none stays queued."""
    repository = make_repository(embedded)
    if mode == "heavy":
        _make_table_of_an_old_server(embedded, database)
    repository.ensure_ready()
    rows = [price_row(f"S{i}", price=1.0 + i, cmc_rank=None if i % 2 else i) for i in range(10)]
    repository.upsert_prices(rows)

    changed = [row._replace(price=row.price / 3, name=row.symbol, market_cap=None, cmc_rank=None) for row in rows[::3]]
    assert repository.upsert_prices(changed) == UpsertReport(inserted=0, updated=4, unchanged=0)

    stored = {row.symbol: (row.symbol, row.price, row.name, row.market_cap) for row in rows + changed}
    assert in_view(embedded, database, "symbol, price, name, market_cap") == sorted(stored.values())
    assert in_view(embedded, database, "symbol, cmc_rank") == [(row.symbol, row.cmc_rank) for row in rows]
    mutations = embedded.query(
        "SELECT is_done FROM system.mutations WHERE database = {database:String}", {"database": database}
    )
    assert mutations == ([(1,)] if mode == "heavy" else [])


def test_form_of_an_update_depends_on_the_server_version() -> None:
    """Patch parts from 26.9 on; before it, where they can give wrong results, a mutation that is waited for."""
    rows = {row.key: row for row in [StoredRow(price_row(), "2026-11-23 12:35:07")]}
    old = update_statement("t", CRYPTO_PRICES, rows, (26, 8, 9, 9))
    new = update_statement("t", CRYPTO_PRICES, rows, (26, 9, 1, 1))
    assert old.endswith(" SETTINGS mutations_sync = 2")
    assert new == f"{old}, alter_update_mode = 'lightweight'"


def test_update_of_an_old_server_is_complete_when_it_returns(
    embedded: ClickHouseAdapter, make_repository: Callable[..., CoinMarketCapClickHouseAdapter], database: str
) -> None:
    """The very statement such a server is sent changes the row, and leaves no mutation queued."""
    _make_table_of_an_old_server(embedded, database)
    make_repository(embedded).upsert_prices([price_row(price=1.0)])
    rows = {row.key: row for row in [StoredRow(price_row(price=2.0), "2026-11-23 12:35:07")]}
    embedded.command(update_statement(f"{database}.crypto_prices", CRYPTO_PRICES, rows, (26, 8)))
    assert in_table(embedded, database, "price") == [(2.0,)]
    assert embedded.query(f"SELECT is_done FROM system.mutations WHERE database = '{database}'") == [(1,)]


def test_mutation_blocking_an_update_is_killed(
    embedded: ClickHouseAdapter, make_repository: Callable[..., CoinMarketCapClickHouseAdapter], database: str
) -> None:
    """An update that fails because a mutation is stuck names it, leaves none behind, and the next one goes through."""
    repository = make_repository(embedded)
    _make_table_of_an_old_server(embedded, database)
    repository.ensure_ready()
    repository.upsert_prices([price_row(price=1.0)])
    failing = f"ALTER TABLE {database}.crypto_prices UPDATE price = throwIf(price > 0, 'boo') WHERE 1"
    embedded.command(f"{failing} SETTINGS mutations_sync = 0")

    with pytest.raises(StorageRejected, match=r"; mutation .+ killed$"):
        repository.upsert_prices([price_row(price=2.0)])

    assert repository.stuck_mutations() == []
    repository.upsert_prices([price_row(price=3.0)])
    assert in_table(embedded, database, "price") == [(3.0,)]


def _make_table_of_an_old_server(clickhouse: ClickHouseAdapter, database: str) -> None:
    clickhouse.command(f"CREATE DATABASE {database}")
    clickhouse.command(create_statement(database))
