"""A table in one file: a JSON object a line under gzip, every double to its last digit.

Files named ``*.native.gz``, which older versions wrote, can still be read.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, native_rows, quoted_name, quoted_text
from adapters._bases.errors import StateError, StorageUnavailable
from adapters._bases.sql_files import Definition, query_text, table_definitions

_EVERY_ROWS = 20_000

T = TypeVar("T")

Progress = Callable[[str, int, int], None]
"""Called with the step, such as ``exporting``; the rows so far, from zero again when it is retried; and all rows."""


def reporting(progress: Progress, doing: str, rows: Iterable[T], total: int) -> Iterator[T]:
    """Yield the rows, and report progress every 20,000 rows and at the end."""
    done = 0
    for done, row in enumerate(rows, 1):
        yield row
        if done % _EVERY_ROWS == 0:
            progress(doing, done, total)
    progress(doing, done, total)


def tables_there(clickhouse: ClickHouseAdapter, database: str) -> list[Definition]:
    names = {name for (name,) in clickhouse.query_if_there(query_text("tables"), {"database": database})}
    return [table for table in table_definitions() if table.name in names]


def export_table(
    clickhouse: ClickHouseAdapter, database: str, table: Definition, path: Path, progress: Progress
) -> int:
    """Write every row to a file, verify it by reading it back, and return how many rows it holds. May raise OSError."""
    rows = f"{quoted_name(database, table.name)}{' FINAL' * table.replaces}"
    written = _write(clickhouse, rows, table, path, progress)
    count = sum(1 for _ in reporting(progress, "verifying", read_backup(table, path), written))
    stored = clickhouse.query(f"SELECT count() FROM {rows}")[0][0]  # noqa: S608 - the name is quoted
    if count != stored:
        raise StorageUnavailable(f"the backup would hold {count:,} rows of {stored:,}: the stream ended early")
    return count


def table_in(path: Path) -> Definition:
    """The table that a file is a copy of, by its columns; by its name too if several tables have these.

    Raises StateError as `read_backup`.
    """
    *others, last = sorted(table_definitions(), key=lambda table: table.name not in path.name)
    for table in others:
        try:
            next(read_backup(table, path), None)
        except StateError:
            continue
        return table
    next(read_backup(last, path), None)
    return last


def read_backup(table: Definition, path: Path) -> Iterator[Sequence[Any]]:
    """Yield the rows of a file that `export_table` wrote, with the values of `Definition.stored`.

    Raises:
        StateError: the file is missing, truncated, damaged or of another table; raised when that is reached.
    """
    try:
        if not path.stat().st_size:  # gzip takes an empty file for a whole one
            raise EOFError("it is empty")  # noqa: TRY301 - as a file that ends early
        with gzip.open(path, "rb") as compressed:
            if path.name.endswith(".native.gz"):
                yield from native_rows(cast("BinaryIO", compressed), table.stored)
                return
            for number, line in enumerate(compressed, 1):
                record = json.loads(line)
                if not isinstance(record, dict) or tuple(record) != table.stored:
                    raise ValueError(f"line {number} has other columns")  # noqa: TRY301 - likewise
                yield tuple(record.values())
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise StateError(
            f"the backup {path} is not a table's, or cannot be read: {getattr(error, 'strerror', None) or error}",
            next_step="Nothing was changed; name a folder that backup or drop_db printed.",
        ) from error


def insert_missing(
    clickhouse: ClickHouseAdapter, database: str, table: Definition, rows: Iterable[Sequence[object]]
) -> int:
    """Insert the rows that are not stored yet, and return how many these were. Idempotent.

    A row is stored if a row with its sorting key is, or an equal one in a table that keeps several of one key.
    """
    name = quoted_name(database, table.name)
    key = table.shape["sorting key"].split(", ") if table.replaces else table.stored
    places = [table.stored.index(column) for column in key]
    columns = ", ".join(key)
    stored = set(clickhouse.query(f"SELECT {columns} FROM {name}"))  # noqa: S608 - quoted
    missing = (row for row in rows if tuple(row[place] for place in places) not in stored)
    inserted = 0
    while chunk := list(islice(missing, _EVERY_ROWS)):
        clickhouse.insert(name, {column: table.types[column] for column in table.stored}, chunk)
        inserted += len(chunk)
    return inserted


def _write(clickhouse: ClickHouseAdapter, rows: str, table: Definition, path: Path, progress: Progress) -> int:
    # By partitions: a sort holds one of them in memory.
    partition = table.shape.get("partition key", "''")
    counts = f"SELECT {partition} AS part, count() FROM {rows} GROUP BY part ORDER BY part"  # noqa: S608 - quoted
    parts = clickhouse.query(counts)
    total, done = int(sum(count for _, count in parts)), 0
    # Of several rows with one key, the one that counts comes last.
    order = [table.shape.get("primary key") or table.shape["sorting key"], *{"version"}.intersection(table.stored)]
    columns = ", ".join(table.stored)
    with path.open("wb") as raw, gzip.GzipFile("", "wb", compresslevel=3, fileobj=raw, mtime=0) as file:
        for part, count in parts:
            statement = (
                f"SELECT {columns} FROM {rows} WHERE {partition} = {quoted_text(part)} "  # noqa: S608 - quoted
                f"ORDER BY {', '.join(order)}"
            )
            for values in clickhouse.stream(statement):
                record = dict(zip(table.stored, values, strict=True))
                file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
            done += count
            progress("exporting", done, total)
        file.close()
        raw.flush()
        os.fsync(raw.fileno())
    return total
