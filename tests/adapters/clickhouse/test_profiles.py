"""Writing under a profile of settings that this program does not choose."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, wanted_settings
from adapters._bases.errors import StorageRejected
from adapters._bases.retry import RetryPolicy
from adapters._bases.topology import Replication
from adapters._bases.upsert import UpsertReport
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter, PriceRow
from tests.conftest import NOW, clickhouse_adapter
from tests.support.access import CUTS_AND_CHANGES, NUISANCES, PROFILES
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.price_rows import price_row
from tests.support.price_table import in_table, in_view

KEYS = 2_400
Repository = CoinMarketCapClickHouseAdapter


def rows_of(price: float) -> list[PriceRow]:
    """An hour of that many coins, no two prices alike."""
    return [
        price_row(
            f"COIN{number:04}",
            price + number,
            cmc_id=number + 1,
            cmc_rank=number + 1,
            name=f"Coin number {number}",
            source_updated_at=f"2026-11-23 12:{number % 60:02}:00",
            volume_24h=number / 7,
            market_cap=number / 3,
        )
        for number in range(KEYS)
    ]


@pytest.fixture
def under(
    engine_path: Path, make_repository: Callable[..., Repository]
) -> Iterator[Callable[..., tuple[Repository, ClickHouseFront]]]:
    """Make a repository whose user has a profile, and the server in front of which it stands."""
    fronts: list[ClickHouseFront] = []

    def make(profile: str) -> tuple[Repository, ClickHouseFront]:
        front = ClickHouseFront(engine_path, user="etl", password="pass-in-tests", profile=profile)
        fronts.append(front.__enter__())
        repository = make_repository(clickhouse_adapter(engine_path, front))
        repository.ensure_ready()
        return repository, front

    yield make
    for front in fronts:
        front.__exit__()


@pytest.mark.present_engine
@pytest.mark.parametrize("profile", [*CUTS_AND_CHANGES, *NUISANCES])
def test_a_profile_changes_nothing(
    under: Callable[..., tuple[Repository, ClickHouseFront]], embedded: ClickHouseAdapter, database: str, profile: str
) -> None:
    """Tables are made, rows stored, changed, and read as without it, for it is asked for otherwise."""
    repository, front = under(profile)
    repository.ensure_ready()
    first, second = rows_of(1)[:5], rows_of(2)[:5]

    assert repository.upsert_prices(first) == UpsertReport(inserted=5)
    assert repository.upsert_prices(second) == UpsertReport(updated=5)
    assert repository.upsert_prices(second) == UpsertReport(unchanged=5)

    assert [price for (price,) in in_view(embedded, database, "price")] == [row.price for row in second]
    hour = second[0].hour_key
    assert [row.price for row in repository.prices(first=hour, last=hour)] == [row.price for row in second]
    assert repository.symbols(first=hour, last=hour) == {row.symbol for row in second}
    assert repository.count_hours() == repository.count_rows() == 5
    assert repository.differences() == []
    wanted = wanted_settings(45).items()
    assert {(name, value) for name, value in wanted if name in PROFILES[profile].values} <= set(front.settings[-1])
    assert [*repository.duplicate_keys(), *repository.absurd_values(), *repository.wrong_keys()] == []


@pytest.mark.present_engine
@pytest.mark.parametrize("profile", CUTS_AND_CHANGES)
def test_what_would_make_answers_wrong_is_named_where_it_is_locked(
    under: Callable[..., tuple[Repository, ClickHouseFront]],
    embedded: ClickHouseAdapter,
    make_repository: Callable[..., Repository],
    database: str,
    profile: str,
) -> None:
    """Nothing is written then, and nobody is told to drop or rename a table for it."""
    make_repository(embedded).ensure_ready()
    with pytest.raises(StorageRejected) as caught:
        under(f"{profile} locked")[0].upsert_prices(rows_of(1)[:5])

    assert [name for name in PROFILES[profile].values if name in caught.value.message + caught.value.next_step]
    assert not re.search(r"drop|rename", caught.value.message + caught.value.next_step, re.IGNORECASE)
    assert in_table(embedded, database, "symbol") == []


@pytest.mark.present_engine
@pytest.mark.parametrize("profile", NUISANCES)
def test_what_is_locked_and_makes_nothing_wrong_stays(
    under: Callable[..., tuple[Repository, ClickHouseFront]],
    embedded: ClickHouseAdapter,
    make_repository: Callable[..., Repository],
    database: str,
    profile: str,
) -> None:
    """An hourly run to tables that are there is right with it."""
    make_repository(embedded).ensure_ready()
    repository, _ = under(f"{profile} locked")
    repository.upsert_prices(rows_of(1)[:5])
    repository.upsert_prices(rows_of(2)[:5])

    assert [price for (price,) in in_view(embedded, database, "price")] == [row.price for row in rows_of(2)[:5]]


@pytest.mark.present_engine
def test_bounded_setting_stays(
    under: Callable[..., tuple[Repository, ClickHouseFront]], embedded: ClickHouseAdapter, database: str
) -> None:
    """As the profile has it, and a chunk is as small as its max_query_size requires."""
    repository, front = under("bounds")
    assert repository.upsert_prices(rows_of(1)[:900]) == UpsertReport(inserted=900)
    assert repository.upsert_prices(rows_of(2)[:900]) == UpsertReport(updated=900)

    assert not {"max_execution_time", "max_query_size", "max_result_rows"} & dict(front.settings[-1]).keys()
    assert len(front.asked("ALTER")) > 1
    assert [price for (price,) in in_view(embedded, database, "price")] == [row.price for row in rows_of(2)[:900]]


@pytest.mark.present_engine
def test_a_table_that_would_be_made_of_nullable_columns_is_not_made(
    under: Callable[..., tuple[Repository, ClickHouseFront]], embedded: ClickHouseAdapter, database: str
) -> None:
    """The error is ClickHouse's, about the key; the next step names the setting behind it."""
    with pytest.raises(StorageRejected, match="nullable") as caught:
        under("data_type_default_nullable locked")

    assert "data_type_default_nullable" in caught.value.next_step
    assert embedded.query("SELECT name FROM system.tables WHERE database = {one:String}", {"one": database}) == []


@pytest.mark.present_engine
def test_what_refuses_statements_is_named(
    under: Callable[..., tuple[Repository, ClickHouseFront]],
    embedded: ClickHouseAdapter,
    make_repository: Callable[..., Repository],
) -> None:
    """A locked setting by which ClickHouse refuses to read all of a table: the next step is about the profile."""
    make_repository(embedded).ensure_ready()
    make_repository(embedded).upsert_prices(rows_of(1)[:5])
    with pytest.raises(StorageRejected, match="force_primary_key") as caught:
        under("force_primary_key locked")[0].absurd_values()

    assert "force_primary_key" in caught.value.next_step


@pytest.mark.present_engine
def test_an_update_that_would_be_hasty_is_an_insert(
    under: Callable[..., tuple[Repository, ClickHouseFront]], embedded: ClickHouseAdapter, database: str
) -> None:
    """Where mutations cannot be waited for, changes are inserted as newer versions, which view and counts show."""
    repository, front = under("hasty updates")
    repository.upsert_prices(rows_of(1)[:5])

    assert repository.upsert_prices(rows_of(2)[:5]) == UpsertReport(updated=5)

    assert front.asked("ALTER") == []
    assert [price for (price,) in in_view(embedded, database, "price")] == [row.price for row in rows_of(2)[:5]]
    assert "insert of a newer version" in repository.describe_topology()


@pytest.mark.present_engine
def test_updates_that_would_be_hasty_are_refused_where_they_are_wanted(
    server: ClickHouseAdapter, front: ClickHouseFront, database: str
) -> None:
    """CLICKHOUSE_CHANGES=update is taken at its word: nothing is written, and the setting is named."""
    front.profile = "hasty updates"
    repository = CoinMarketCapClickHouseAdapter(
        clickhouse=server,
        database=database,
        retry=RetryPolicy(attempts=1),
        clock=lambda: NOW,
        replication=Replication(changes="update"),
    )
    repository.ensure_ready()

    with pytest.raises(StorageRejected, match="mutations_sync") as caught:
        repository.upsert_prices(rows_of(1)[:5])

    assert "CLICKHOUSE_CHANGES" in caught.value.next_step
    assert in_table(server, database, "symbol") == []


@pytest.mark.parametrize("condition", ["position < 5 AND", "0 AND"])
def test_a_table_that_is_not_wholly_seen_is_not_called_another(
    server: ClickHouseAdapter,
    front: ClickHouseFront,
    make_repository: Callable[..., Repository],
    condition: str,
) -> None:
    """Columns that are kept from a user are there all the same: the advice is about rights, not to drop the table."""
    repository = make_repository(server)
    repository.ensure_ready()
    whole = front.asked("SELECT t.name")[-1].rpartition("\n FORMAT")[0]
    front.replacements["SELECT t.name"] = whole.replace("system.columns WHERE", f"system.columns WHERE {condition}")

    for look in (repository.ensure_ready, repository.differences):
        with pytest.raises(StorageRejected, match="cannot see") as caught:
            look()
        assert "GRANT SELECT" in caught.value.next_step
        assert not re.search(r"drop|rename", caught.value.message + caught.value.next_step, re.IGNORECASE)


@pytest.mark.present_engine
def test_statements_are_as_short_as_the_profile_wants(
    under: Callable[..., tuple[Repository, ClickHouseFront]], embedded: ClickHouseAdapter, database: str
) -> None:
    """Where max_query_size is locked at its default, an update of thousands of keys goes in several statements."""
    repository, front = under("small statements")
    assert repository.upsert_prices(rows_of(1)) == UpsertReport(inserted=KEYS)

    front.statements.clear()
    assert repository.upsert_prices(rows_of(2)) == UpsertReport(updated=KEYS)

    assert [row.price for row in rows_of(2)] == [price for (price,) in in_view(embedded, database, "price")]
    updates = front.asked("ALTER")
    assert len(updates) > 1
    assert max(map(len, updates)) <= 262_144
