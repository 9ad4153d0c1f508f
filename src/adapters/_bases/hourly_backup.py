"""A table in one file: a JSON object a line under gzip, every double to its last digit.

Files named ``*.native.gz``, which older versions wrote, can still be read.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, native_rows, quoted_identifier, quoted_text
from adapters._bases.durable import Disk, fix_for
from adapters._bases.errors import StateError, StorageUnavailable
from adapters._bases.hourly_table import PARTITION_KEY, HourlyTable
from adapters._bases.upsert import StoredRow

_EVERY_ROWS = 20_000

T = TypeVar("T")

Progress = Callable[[str, int, int | None], None]
"""Called with the step, such as ``exporting``; the rows so far, from zero again when it is retried; and all rows, None
if unknown."""


def no_progress(_doing: str, _done: int, _total: int | None) -> None:
    """Ignore progress."""


def reporting(progress: Progress, doing: str, rows: Iterable[T], total: int | None) -> Iterator[T]:
    """Yield the rows, and report progress every 20,000 rows and at the end."""
    done = 0
    for done, row in enumerate(rows, 1):
        yield row
        if done % _EVERY_ROWS == 0:
            progress(doing, done, total)
    progress(doing, done, total)


def export_table(clickhouse: ClickHouseAdapter, name: str, table: HourlyTable, path: Path, progress: Progress) -> int:
    """Write every stored row to a new file, in the order of time, and return how many rows.

    `name` is the table's, quoted, with its database.

    Raises:
        StorageUnavailable: the database does not answer, or the stream ended early.
        StateError: the file exists already or cannot be written.
    """
    disk = Disk()
    if path.exists():
        raise StateError(f"{path} exists already", next_step="Choose another name.")
    try:
        disk.make_folder(path.parent)
        # Under another name until it is read back and counted; the next export replaces what a killed one left.
        with disk.replacing(path, aside=path.with_name(f".{table.name}.partial")) as partial:
            written = _write(clickhouse, name, table, partial, progress)
            count = sum(1 for _ in reporting(progress, "verifying", read_backup(table, partial), written))
            stored = clickhouse.query(f"SELECT count() FROM {name} FINAL")[0][0]  # noqa: S608 - the name is quoted
            if count != stored:
                raise StorageUnavailable(f"the backup would hold {count} rows of {stored}: the stream ended early")
    except OSError as error:
        raise StateError(f"the backup {path} cannot be written: {error.strerror}", next_step=fix_for(error)) from error
    return count


def read_backup(table: HourlyTable, path: Path) -> Iterator[StoredRow]:
    """Yield the rows of a file that `export_table` wrote.

    Raises:
        StateError: the file is missing, truncated, damaged or of another kind; raised when that is reached.
    """
    try:
        if not path.stat().st_size:  # gzip takes an empty file for a whole one
            raise EOFError("it is empty")  # noqa: TRY301 - as a file that ends early
        with gzip.open(path, "rb") as compressed:
            file = cast("BinaryIO", compressed)
            rows = native_rows(file, table.stored) if path.name.endswith(".native.gz") else _json_rows(file, table)
            for values in rows:
                yield _stored_row(table, values)
    except OSError as error:
        raise StateError(
            f"the backup {path} cannot be read: {error.strerror or error}",
            next_step="Nothing was changed; drop_db puts its backups into backups/: name one of them.",
        ) from error
    except (ValueError, EOFError, zlib.error) as error:
        raise StateError(
            f"{path} is not a whole backup of this table: {error}", next_step="Nothing was changed; use another file."
        ) from error


def _write(clickhouse: ClickHouseAdapter, name: str, table: HourlyTable, path: Path, progress: Progress) -> int:
    # By months, which are the partitions: a sort holds one of them in memory.
    counts = f"SELECT {PARTITION_KEY} AS month, count() FROM {name} FINAL GROUP BY month ORDER BY month"  # noqa: S608 - quoted
    months = [(str(month), int(str(rows))) for month, rows in clickhouse.query(counts)]
    total, done = sum(rows for _, rows in months), 0
    columns = ", ".join(quoted_identifier(column) for column in table.stored)
    with path.open("wb") as raw, gzip.GzipFile("", "wb", compresslevel=3, fileobj=raw, mtime=0) as file:
        for month, rows in months:
            statement = (
                f"SELECT {columns} FROM {name} FINAL WHERE {PARTITION_KEY} = {quoted_text(month)} "  # noqa: S608 - quoted
                "ORDER BY datetime, symbol, version"
            )
            for values in clickhouse.stream(statement):
                record = dict(zip(table.stored, values, strict=True))
                file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
            done += rows
            progress("exporting", done, total)
        file.close()
        raw.flush()
        os.fsync(raw.fileno())
    return total


def _json_rows(file: BinaryIO, table: HourlyTable) -> Iterator[Sequence[object]]:
    for number, line in enumerate(file, 1):
        record = json.loads(line)
        if not isinstance(record, dict) or tuple(record) != table.stored:
            raise ValueError(f"line {number} has other columns")
        yield tuple(record.values())


def _stored_row(table: HourlyTable, values: Sequence[object]) -> StoredRow:
    *given, updated_at, version = values  # the order of `HourlyTable.stored`
    return StoredRow(table.row(*given), str(updated_at), int(str(version)))
