"""Writing under a settings profile that an administrator chose."""

from __future__ import annotations

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.errors import StorageRejected
from adapters._bases.hourly_table import key_of
from adapters._bases.topology import Changes, Replication
from adapters._bases.upsert import UpsertReport
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import PriceRow
from tests.support.access import CUTS_AND_CHANGES, PROFILES
from tests.support.price_rows import price_row
from tests.support.price_table import Connect, MakeRepository, Read


def rows_of(price: float, count: int = 5) -> list[PriceRow]:
    return [price_row(f"COIN{number:04}", price + number, cmc_id=number + 1) for number in range(count)]


@pytest.mark.present_engine
@pytest.mark.parametrize("profile", ["all of these", "use_query_cache", "nuisances locked", "read limits locked"])
def test_profile_changes_nothing(
    connect: Connect, embedded: ClickHouseAdapter, make_table: MakeRepository, profile: str, view: Read
) -> None:
    if profile.endswith("locked"):
        make_table(embedded)
    repository = make_table(connect(profile=profile)[0])
    first, second = rows_of(1), rows_of(2)

    assert repository.upsert_prices(first) == UpsertReport(inserted=5)
    assert repository.upsert_prices(second) == UpsertReport(updated=5)
    assert repository.upsert_prices(second) == UpsertReport(unchanged=5)

    assert [price for (price,) in view("price")] == [row.price for row in second]
    _, hour = key_of(second[0])
    found = repository.prices(first=hour, last=hour)
    assert [found[row.symbol][hour].price for row in second] == [row.price for row in second]
    assert repository.differences() == []
    assert repository.duplicate_keys().rows == []


@pytest.mark.present_engine
@pytest.mark.parametrize("setting", CUTS_AND_CHANGES)
def test_harmful_locked_setting_is_named(connect: Connect, setting: str) -> None:
    """Before anything is read or written; the next step is about the profile."""
    with pytest.raises(StorageRejected) as caught:
        connect(profile=f"{setting} locked")[0].query("SELECT 1")

    assert any(name in caught.value.message for name in CUTS_AND_CHANGES[setting])
    assert "administrator" in caught.value.next_step


@pytest.mark.present_engine
@pytest.mark.parametrize("profile", ["bounds", "small statements"])
def test_bounded_or_locked_limit_stays(connect: Connect, make_table: MakeRepository, profile: str, view: Read) -> None:
    clickhouse, front = connect(profile=profile)
    repository = make_table(clickhouse)
    assert repository.upsert_prices(rows_of(1, 700)) == UpsertReport(inserted=700)
    assert repository.upsert_prices(rows_of(2, 700)) == UpsertReport(updated=700)

    assert not PROFILES[profile].values.keys() & dict(front.settings[-1]).keys()
    assert len(front.asked("ALTER")) == 3
    assert [price for (price,) in view("price")] == [row.price for row in rows_of(2, 700)]


@pytest.mark.present_engine
def test_setting_behind_a_refusal_is_named(
    connect: Connect, embedded: ClickHouseAdapter, make_table: MakeRepository, make_repository: MakeRepository
) -> None:
    """The error is ClickHouse's, about a key; the next step is about the profile."""
    with pytest.raises(StorageRejected) as caught:
        make_table(connect(profile="data_type_default_nullable locked")[0])
    assert "data_type_default_nullable" in caught.value.next_step

    make_table(embedded).upsert_prices(rows_of(1))
    with pytest.raises(StorageRejected) as caught:
        make_repository(connect(profile="force_primary_key locked")[0]).duplicate_keys()
    assert "force_primary_key" in caught.value.next_step


@pytest.mark.present_engine
@pytest.mark.parametrize("changes", ["", "insert"])
def test_update_that_cannot_be_waited_for_is_refused(
    connect: Connect, make_table: MakeRepository, changes: Changes
) -> None:
    """With mutations_sync locked at 0; CLICKHOUSE_CHANGES=insert needs no update."""
    repository = make_table(connect(profile="hasty updates")[0], replication=Replication(changes=changes))
    repository.upsert_prices(rows_of(1))
    if changes:
        assert repository.upsert_prices(rows_of(2)) == UpsertReport(updated=5)
        return
    with pytest.raises(StorageRejected, match="mutations_sync") as caught:
        repository.upsert_prices(rows_of(2))
    assert "CLICKHOUSE_CHANGES" in caught.value.next_step
