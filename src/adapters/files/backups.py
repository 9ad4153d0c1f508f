"""Backups on the disk: each is a folder with a file for each table that has rows, named by database and time."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec

from adapters._bases.durable import make_folder, move, state_errors, sync_folder, write
from adapters._bases.errors import StateError
from adapters._bases.tehran_time import TEHRAN, in_tehran
from adapters._bases.wording import counted

ENDING = ".jsonl.gz"
_MANIFEST = "backup.json"
_TIME = "%Y-%m-%d_%H-%M-%S"


class Manifest(msgspec.Struct, frozen=True):
    """What a backup is of, written last: a folder without it is not a backup."""

    engine: str  # the server's host and port, or the embedded engine's folder
    database: str
    rows: dict[str, int]  # table to its rows, without empty tables
    scheduled: bool  # made with --keep, so a later one may prune it
    accepted: bool  # whether the backups before it are no longer a measure of its size


class Backup(NamedTuple):
    path: Path
    manifest: Manifest

    @property
    def made(self) -> datetime:
        """When it was made, aware."""
        return datetime.strptime(self.path.name[-len("2026-11-23_16-00-00") :], _TIME).replace(tzinfo=TEHRAN)


@dataclass(frozen=True)
class Backups:
    """The backups of one database of one engine in a folder, which may hold others too."""

    folder: Path
    engine: str
    database: str

    def found(self) -> list[Backup]:
        """The whole backups, oldest first."""
        backups = []
        for path in sorted(self.folder.glob(f"{self.database}-????-??-??_??-??-??")):
            with suppress(OSError, ValueError):
                manifest = msgspec.json.decode((path / _MANIFEST).read_bytes(), type=Manifest)
                if (manifest.engine, manifest.database) == (self.engine, self.database):
                    backups.append(Backup(path, manifest))
        return backups

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """An empty folder to write the tables' files to; `keep` makes it a backup. Removed if it is not kept.

        Raises:
            StateError: it, or what the block writes, cannot be written.
        """
        with state_errors(f"the backup cannot be written to {self.folder}", otherwise=", or set BACKUP_PATH"):
            make_folder(self.folder)
            shutil.rmtree(self._aside, ignore_errors=True)  # of a killed process
            self._aside.mkdir()
            try:
                yield self._aside
            finally:
                shutil.rmtree(self._aside, ignore_errors=True)

    def keep(self, rows: Mapping[str, int], now: datetime, *, scheduled: bool, accepted: bool) -> Path:
        """Make a backup of the draft, and return its path. May raise OSError."""
        manifest = Manifest(self.engine, self.database, dict(rows), scheduled, accepted)
        write(self._aside / _MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
        sync_folder(self._aside)
        while (path := self.folder / f"{self.database}-{in_tehran(now):{_TIME}}").exists():
            now += timedelta(seconds=1)  # the second of another backup
        move(self._aside, path)
        return path

    def shrunk(self, tables: Iterable[str]) -> list[str]:
        """What to do about each table whose newest scheduled backup has fewer than half of the most rows."""
        rows: list[Mapping[str, int]] = []
        for _, one in self.found():
            rows = [*([] if one.accepted else rows), *([one.rows] if one.scheduled or one.accepted else [])]
        sizes = {table: [one.get(table, 0) for one in rows] for table in tables}
        return [
            f"the latest scheduled backup has {counted(of[-1], 'row')} of {table}, an earlier one {max(of):,}: "
            "none is pruned until rows are restored, or ./run.sh backup --accept confirms the loss"
            for table, of in sizes.items()
            if of and 2 * of[-1] < max(of)
        ]

    def prune(self, keep: int, tables: Iterable[str]) -> list[Path]:
        """Remove scheduled backups beyond the latest `keep` that have rows of these tables; return their paths.

        None while one of these tables is `shrunk`.
        """
        names = set(tables)
        scheduled = [path for path, one in self.found() if one.scheduled and names & one.rows.keys()]
        removed = [] if self.shrunk(names) else scheduled[:-keep]
        for path in removed:
            path.replace(self._aside)  # whole or gone, even if this process is killed
            shutil.rmtree(self._aside)
        return removed

    @property
    def _aside(self) -> Path:
        return self.folder / f".{self.database}-{zlib.crc32(self.engine.encode()):08x}.partial"


def files_of(path: Path) -> dict[Path, int | None]:
    """The files of a backup's folder with their rows, or the file that `path` is, with None.

    Raises:
        StateError: it is a folder that is not a whole backup.
    """
    if not path.is_dir():
        return {path: None}
    try:
        manifest = msgspec.json.decode((path / _MANIFEST).read_bytes(), type=Manifest)
    except (OSError, ValueError) as error:
        raise StateError(
            f"{path} is not a whole backup: {_MANIFEST}: {getattr(error, 'strerror', None) or error}",
            next_step="Nothing was changed; name a folder that backup or drop_db printed.",
        ) from error
    return {path / f"{table}{ENDING}": rows for table, rows in manifest.rows.items()}
