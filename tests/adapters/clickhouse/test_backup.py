"""Backups: verified when written, checked before anything changes, restored exactly."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.errors import StateError
from adapters._bases.upsert import UpsertReport
from tests.support.price_rows import price_row
from tests.support.price_table import MakeRepository, Read, Repository, fingerprint, put_by_hand

ROWS = [
    price_row(f"S{number}", price=1e-12 * (number + 1) / 3, fetched_at=f"2026-{month:02}-01 {hour:02}:10:00")
    for number in range(20)
    for month in (1, 2, 11)
    for hour in range(3)
] + [price_row("NULLS", volume_24h=None, cmc_rank=None, source_updated_at=None, name="'\\\n\0 🪙")]


@pytest.fixture
def filled(repository: Repository) -> Repository:
    repository.upsert_prices(ROWS)
    repository.upsert_prices([row._replace(price=2.0) for row in ROWS[:5]])
    return repository


def test_dropped_table_is_restored_as_it_was(
    filled: Repository,
    clickhouse: ClickHouseAdapter,
    make_repository: MakeRepository,
    database: str,
    tmp_path: Path,
) -> None:
    """Export, drop, restore: the same rows to the last digit, with their versions and times of writing."""
    filled = make_repository(clickhouse)
    path = tmp_path / "backups" / "prices.jsonl.gz"
    before = fingerprint(clickhouse, database)

    assert filled.export_table(path) == len(ROWS)
    filled.drop_table()
    assert filled.restore(path) == UpsertReport(inserted=len(ROWS), updated=0, unchanged=0)

    assert fingerprint(clickhouse, database) == before
    assert filled.count_rows() == len(ROWS)
    assert filled.restore(path) == UpsertReport(inserted=0, updated=0, unchanged=len(ROWS))
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_backup_of_an_older_version_is_restored(
    filled: Repository, embedded: ClickHouseAdapter, database: str, tmp_path: Path
) -> None:
    path, before = tmp_path / "old.native.gz", fingerprint(embedded, database)
    names = ", ".join(filled.table.stored)
    with gzip.open(path, "wb") as backup:
        for month in ("2026-01", "2026-02", "2026-11"):
            where = f"substring(datetime, 1, 7) = '{month}'"
            embedded.write_answer(
                f"SELECT {names} FROM {database}.crypto_prices WHERE {where}", "Native", tmp_path / "m"
            )
            backup.write((tmp_path / "m").read_bytes())
    filled.drop_table()

    assert filled.restore(path) == UpsertReport(inserted=len(ROWS))
    assert fingerprint(embedded, database) == before
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-3]))
    with pytest.raises(StateError, match="not a whole backup"):
        filled.restore(path)
    path.write_bytes(gzip.compress(b'{"symbol": "BTC"}\n' * 100))
    with pytest.raises(StateError, match="not a whole backup"):
        filled.restore(path)


def test_restore_updates_what_changed_since(filled: Repository, tmp_path: Path, view: Read) -> None:
    path = tmp_path / "prices.jsonl.gz"
    filled.export_table(path)
    filled.upsert_prices([ROWS[-1]._replace(price=5.0), price_row("LATER")])

    assert filled.restore(path) == UpsertReport(inserted=0, updated=1, unchanged=len(ROWS) - 1)

    assert view("price", "symbol IN ('NULLS', 'LATER')") == [(86123.25,), (86123.25,)]


def test_several_rows_of_a_key_are_restored_as_one(
    repository: Repository, embedded: ClickHouseAdapter, database: str, tmp_path: Path, table: Read
) -> None:
    """The backup has every row; the one that the view showed is restored."""
    put_by_hand(embedded, database, ("2026-11-23 12:10:00", 1.0, 9), ("2026-11-23 12:50:00", 2.0, 5))
    path = tmp_path / "prices.jsonl.gz"
    before = fingerprint(embedded, database)

    assert repository.export_table(path) == 2
    repository.drop_table()
    assert repository.restore(path) == UpsertReport(inserted=1, updated=0, unchanged=0)

    assert fingerprint(embedded, database) == before
    assert table("price, version") == [(1.0, 9)]


def test_empty_table_makes_an_empty_backup(repository: Repository, tmp_path: Path) -> None:
    assert repository.export_table(tmp_path / "empty.jsonl.gz") == 0
    assert repository.restore(tmp_path / "empty.jsonl.gz") == UpsertReport(0, 0, 0)


def _spoiled(whole: bytes) -> Iterator[bytes]:
    """Cut off, cut off before compression, with a flipped bit, with other columns, zeros, and a foreign file."""
    middle, plain = len(whole) // 2, gzip.decompress(whole)
    yield whole[:middle]
    yield gzip.compress(plain[:-3])
    yield whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    yield gzip.compress(plain.replace(b"symbol", b"ticker", 1))
    yield bytes(len(whole))
    yield b""
    yield gzip.compress(b'{"symbol": "BTC"}\n' * 100)


def test_damaged_backup_changes_nothing(
    filled: Repository, embedded: ClickHouseAdapter, database: str, tmp_path: Path
) -> None:
    path = tmp_path / "prices.jsonl.gz"
    filled.export_table(path)
    whole = path.read_bytes()
    filled.upsert_prices([ROWS[0]._replace(price=7.0)])
    before = fingerprint(embedded, database)

    for spoiled in _spoiled(whole):
        path.write_bytes(spoiled)
        with pytest.raises(StateError, match=r"prices\.jsonl\.gz"):
            filled.restore(path)

    assert fingerprint(embedded, database) == before


def test_backup_that_cannot_be_written_changes_no_file(filled: Repository, tmp_path: Path) -> None:
    """It exists already, or its folder is a file."""
    path = tmp_path / "prices.jsonl.gz"
    path.write_text("precious")
    with pytest.raises(StateError, match="exists already"):
        filled.export_table(path)
    with pytest.raises(StateError, match="cannot be written"):
        filled.export_table(path / "prices.jsonl.gz")
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [(path.name, "precious")]
