"""Upserts against a model: a dict by key."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.errors import StorageRejected
from adapters._bases.hourly_table import key_of
from adapters._bases.topology import Replication
from adapters._bases.upsert import UpsertReport, select_statement, update_statement
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CRYPTO_PRICES, PriceRow
from tests.support.price_rows import price_row
from tests.support.price_table import MakeRepository, Read, Repository, create_statement
from tests.support.scale import LARGE

_COLUMNS = "symbol, datetime, price, market_cap, cmc_rank, name, source_updated_at"
SLOW = settings(
    max_examples=20 if LARGE else 10,
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
Key = tuple[str, str]


@pytest.fixture(params=["update", "insert"])
def prices(request: pytest.FixtureRequest, server: ClickHouseAdapter, make_table: MakeRepository) -> Repository:
    made: Repository = make_table(server, replication=Replication(changes=request.param))
    return made


@SLOW
@given(batches=st.lists(st.lists(ROWS, max_size=8), max_size=4))
@example(batches=[[price_row("BTC", price)] for price in (1e-12, 1e12, 0.1 + 0.2, 123456789012.34567, 5e-324)])
def test_view_is_the_last_write_of_each_key(
    prices: Repository, server: ClickHouseAdapter, database: str, batches: Sequence[Sequence[PriceRow]], view: Read
) -> None:
    """After any sequence of upserts, once per key; a rank that is missing leaves the stored one; the reports add up."""
    server.command(f"TRUNCATE TABLE {database}.crypto_prices")
    model: dict[Key, tuple[object, ...]] = {}
    for batch in batches:
        # The last row of a key counts, its values as an upsert leaves them.
        written: dict[Key, tuple[object, ...]] = {}
        for row in batch:
            key = key_of(row)
            rank = model[key][2] if row.cmc_rank is None and key in model else row.cmc_rank
            written[key] = (row.price, row.market_cap, rank, row.name, row.source_updated_at)
        same = [key for key, values in written.items() if model.get(key) == values]
        new = written.keys() - model.keys()
        assert prices.upsert_prices(batch) == UpsertReport(len(new), len(written) - len(new) - len(same), len(same))
        model |= written
    assert sorted(view(_COLUMNS)) == sorted((*key, *values) for key, values in model.items())
    assert prices.count_rows() == len(model)


@pytest.mark.present_engine
@pytest.mark.parametrize("form", ["heavy", "lightweight"])
def test_both_forms_of_update_do_the_same(
    embedded: ClickHouseAdapter, make_table: MakeRepository, database: str, form: str, view: Read
) -> None:
    """A table without block columns, as from a server before 26.9, is updated by mutations, and none stays queued."""
    if form == "heavy":
        _make_table_of_an_old_server(embedded, database)
    repository = make_table(embedded)
    rows = [price_row(f"S{i}", price=1.0 + i, cmc_rank=None if i % 2 else i) for i in range(10)]
    repository.upsert_prices(rows)

    changed = [row._replace(price=row.price / 3, name=row.symbol, market_cap=None, cmc_rank=None) for row in rows[::3]]
    assert repository.upsert_prices(changed) == UpsertReport(updated=4)

    stored = {row.symbol: (row.symbol, row.price, row.name, row.market_cap) for row in rows + changed}
    assert view("symbol, price, name, market_cap") == sorted(stored.values())
    assert view("symbol, cmc_rank") == [(row.symbol, row.cmc_rank) for row in rows]
    mutations = f"SELECT is_done FROM system.mutations WHERE database = '{database}'"
    assert embedded.query(mutations) == ([(1,)] if form == "heavy" else [])


@pytest.mark.parametrize(
    ("version", "replicated", "sent"),
    [
        ((26, 8, 9, 9), False, ""),
        ((26, 9, 1, 1), False, ", alter_update_mode = 'lightweight'"),
        ((26, 7), True, ""),
        ((26, 8), True, ", optimize_mutations_with_partition_pruning = 0"),
        ((26, 9), True, ", optimize_mutations_with_partition_pruning = 0"),
    ],
)
def test_form_of_an_update_follows_the_server(version: tuple[int, ...], *, replicated: bool, sent: str) -> None:
    rows = {key_of(row := price_row()): row._asdict() | {"updated_at": "2026-11-23 12:35:07"}}
    statement = update_statement("t", CRYPTO_PRICES, rows, version, replicated=replicated)
    assert statement.endswith(f" SETTINGS mutations_sync = 2{sent}")


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ([("A", "1"), ("A", "2"), ("B", "1"), ("B", "2")], False),
        ([("A", "1"), ("B", "2")], False),
        ([("A", "1"), ("B", "2"), ("C", "3")], True),
    ],
)
def test_lookup_names_each_key_if_a_grid_would_be_much_larger(keys: list[Key], *, named: bool) -> None:
    assert (" > 0" in select_statement("t", CRYPTO_PRICES, keys)) is named


def test_mutation_blocking_an_update_is_killed(
    embedded: ClickHouseAdapter, make_table: MakeRepository, database: str, table: Read
) -> None:
    _make_table_of_an_old_server(embedded, database)
    repository = make_table(embedded)
    repository.upsert_prices([price_row(price=1.0)])
    failing = f"ALTER TABLE {database}.crypto_prices UPDATE price = throwIf(price > 0, 'boo') WHERE 1"
    embedded.command(f"{failing} SETTINGS mutations_sync = 0")

    with pytest.raises(StorageRejected, match=r"; mutation .+ killed$"):
        repository.upsert_prices([price_row(price=2.0)])

    assert repository.stuck_mutations() == []
    repository.upsert_prices([price_row(price=3.0)])
    assert table("price") == [(3.0,)]


def _make_table_of_an_old_server(clickhouse: ClickHouseAdapter, database: str) -> None:
    clickhouse.command(f"CREATE DATABASE {database}")
    clickhouse.command(create_statement(database))
