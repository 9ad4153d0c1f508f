"""Backups: verified when written, read to the end before anything changes, restored exactly."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.errors import StateError
from adapters._bases.hourly_table import Hole
from adapters._bases.sql_files import definition
from adapters._bases.table_backup import insert_missing, read_backup, table_in
from adapters._bases.upsert import UpsertReport
from tests.support.price_rows import price_row
from tests.support.price_table import Read, Repository, Sql, copied, fingerprint, put_by_hand

ROWS = [
    price_row(f"S{number}", price=1e-12 * (number + 1) / 3, fetched_at=f"2026-{month:02}-01 {hour:02}:10:00")
    for number in range(20)
    for month in (1, 2, 11)
    for hour in range(3)
] + [price_row("NULLS", volume_24h=None, cmc_rank=None, source_updated_at=None, name="'\\\n\0 🪙")]

TABLE = definition("crypto_prices")


@pytest.fixture
def filled(repository: Repository) -> Repository:
    repository.upsert_prices(ROWS)
    repository.upsert_prices([row._replace(price=2.0) for row in ROWS[:5]])
    return repository


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "crypto_prices.jsonl.gz"


@pytest.mark.usefixtures("filled")
def test_dropped_table_is_restored_as_it_was(
    either: Repository, clickhouse: ClickHouseAdapter, database: str, path: Path, sql: Sql
) -> None:
    """The same rows to the last digit, with versions and times of writing; later changes are undone, others stay."""
    before = fingerprint(sql)

    assert copied(clickhouse, database, path) == len(ROWS)
    assert table_in(path).name == "crypto_prices"
    either.drop()
    assert either.restore(read_backup(TABLE, path)) == UpsertReport(inserted=len(ROWS))

    assert fingerprint(sql) == before
    assert either.count_rows() == len(ROWS)
    either.upsert_prices([ROWS[-1]._replace(price=5.0), price_row("LATER")])
    assert either.restore(read_backup(TABLE, path)) == UpsertReport(updated=1, unchanged=len(ROWS) - 1)
    assert either.count_rows() == len(ROWS) + 1


def test_backup_of_an_older_version_is_restored(
    filled: Repository, embedded: ClickHouseAdapter, database: str, tmp_path: Path, sql: Sql
) -> None:
    path, before = tmp_path / "old.native.gz", fingerprint(sql)
    names = ", ".join(TABLE.stored)
    with gzip.open(path, "wb") as backup:
        for month in ("2026-01", "2026-02", "2026-11"):
            where = f"substring(datetime, 1, 7) = '{month}'"
            statement = f"SELECT {names} FROM {database}.crypto_prices WHERE {where}"
            embedded.write_answer(statement, "Native", tmp_path / "m", settings={})
            backup.write((tmp_path / "m").read_bytes())
    filled.drop()

    assert table_in(path).name == "crypto_prices"
    assert filled.restore(read_backup(TABLE, path)) == UpsertReport(inserted=len(ROWS))
    assert fingerprint(sql) == before


def test_several_rows_of_a_key_are_restored_as_one(
    repository: Repository, embedded: ClickHouseAdapter, database: str, path: Path, *, table: Read, sql: Sql
) -> None:
    """The backup has every row; the one that the view showed is restored."""
    put_by_hand(embedded, database, ("2026-11-23 12:10:00", 1.0, 9), ("2026-11-23 12:50:00", 2.0, 5))
    before = fingerprint(sql)

    assert copied(embedded, database, path) == 2
    repository.drop()
    assert repository.restore(read_backup(TABLE, path)) == UpsertReport(inserted=1)

    assert fingerprint(sql) == before
    assert table("price, version") == [(1.0, 9)]


def test_other_tables_get_back_what_is_missing(
    repository: Repository, embedded: ClickHouseAdapter, database: str, tmp_path: Path
) -> None:
    """Of holes, one for each key: a newer note of the same hour stays."""
    path, table = tmp_path / "crypto_price_holes.jsonl.gz", definition("crypto_price_holes")
    holes = [Hole("BTC", f"2026-11-23 {hour}:00:00", 1, "2026-11-23 12:00:00", "before") for hour in (10, 11)]
    repository.note_holes(holes)
    assert copied(embedded, database, path, table.name) == 2
    embedded.command(f"TRUNCATE TABLE {database}.crypto_price_holes")
    newer = holes[1]._replace(run_id="after")
    repository.note_holes([newer])

    for inserted in (1, 0):
        assert insert_missing(embedded, database, table, read_backup(table_in(path), path)) == inserted
    assert repository.holes(["BTC"], first="", last="9") == [holes[0], newer]


def _spoiled(whole: bytes) -> Iterator[bytes]:
    """Cut off, cut off before compression, with a flipped bit, with other columns, zeros, empty, and foreign files."""
    middle, plain = len(whole) // 2, gzip.decompress(whole)
    yield whole[:middle]
    yield gzip.compress(plain[:-3])
    yield whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    yield gzip.compress(plain.replace(b"symbol", b"ticker", 1))
    yield bytes(len(whole))
    yield b""
    yield gzip.compress(b'{"symbol": "BTC"}\n' * 100)


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("ending", ["jsonl.gz", "native.gz"])
def test_damaged_backup_is_found(embedded: ClickHouseAdapter, database: str, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"crypto_prices.{ending}"
    copied(embedded, database, whole := tmp_path / "crypto_prices.jsonl.gz")

    for spoiled in _spoiled(whole.read_bytes()):
        path.write_bytes(spoiled)
        with pytest.raises(StateError, match=f"prices.{ending}"):
            list(read_backup(table_in(path), path))
