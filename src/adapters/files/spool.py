"""The spool: fetched rows on disk from before they are loaded until they are.

One file a batch, numbered in the order of arrival, one line a record: ``CRC32 JSON``. The first line is a header with
the columns and the number of records. A file appears whole or not at all (written aside, fsync, rename).
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import structlog

from adapters._bases.durable import make_folder, move, replacing, state_errors, sync_folder, write
from adapters._bases.errors import StateError

SUFFIX = ".spool"
_RESERVES, _RESERVED_BYTES = 24, 4096
_RESERVED_SHARE = 16  # at most this part of the free space is reserved
_ENCODER = msgspec.json.Encoder()

log = structlog.get_logger(__name__)


class _Header(msgspec.Struct):
    format: Literal[1]
    columns: list[str]
    records: int


class Batch(NamedTuple):
    path: Path
    records: list[dict[str, object]]  # the intact ones, column to value, in the order they were put
    damage: str | None  # what is wrong with the file, in one line; None if it is intact


@dataclass(frozen=True)
class Spool:
    """A folder of batches, oldest first, made when first written to."""

    folder: Path

    @cached_property
    def rejected(self) -> Spool:
        """The damaged files; each has a ``.reason`` beside it."""
        return Spool(self.folder / "rejected")

    @cached_property
    def held(self) -> Spool:
        """The rows that the database acknowledged and does not show, each in a file named by its key."""
        return Spool(self.folder / "held")

    def put(self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, name: str = "") -> Path:
        """Keep a batch. It is on the disk once this returns.

        Args:
            name: of its file, in place of the next number; a process without the job's lock needs one of its own.
            rows: values in the order of `columns`; floats keep every digit, NaN and infinities become None.

        Raises:
            StateError: it cannot be written; no part of it stays.
        """
        records = list(rows)
        body = b"".join(map(_line, (_Header(1, list(columns), len(records)), *records)))
        with state_errors(f"the spool {self.folder} cannot be written"):
            make_folder(self.folder)
            path = self.folder / f"{name or f'{_next_number(self.folder, first=1):010d}'}{SUFFIX}"
            try:
                with replacing(path) as draft:
                    write(draft, body)
            except OSError:
                if not self._put_reserved(path, body):
                    raise
        return path

    def reserve(self) -> None:
        """Take the space of a day's records in advance, for `put` on a full disk. Idempotent; it may fail silently."""
        with suppress(OSError):
            make_folder(self.folder)
            most = shutil.disk_usage(self.folder).free // (_RESERVED_SHARE * _RESERVED_BYTES)
            for number in range(min(_RESERVES, most)):
                if not (path := self.folder / f"reserve-{number:02d}").exists():
                    with path.open("wb") as file:
                        os.posix_fallocate(file.fileno(), 0, _RESERVED_BYTES)

    def _put_reserved(self, path: Path, body: bytes) -> bool:
        """Whether there was reserved space for a batch, which is on the disk then. May raise OSError."""
        reserves = sorted(self.folder.glob("reserve-*"))
        if not reserves or len(body) > _RESERVED_BYTES:
            return False
        with reserves[0].open("r+b") as file:
            file.write(body)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        move(reserves[0], path)
        return True

    def waiting(self) -> list[Path]:
        """The pending batches, oldest first. Raises StateError if the folder cannot be read."""
        # Not by a glob, which would silently skip a folder that cannot be read.
        with state_errors(f"the spool {self.folder} cannot be read"), suppress(FileNotFoundError):
            return sorted(path for path in self.folder.iterdir() if path.suffix == SUFFIX)
        return []

    def oldest(self) -> datetime | None:
        """Since when the oldest batch is pending, aware; None if there is none. Raises what `waiting` raises."""
        for path in self.waiting():
            with suppress(FileNotFoundError):  # stored meanwhile
                return datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
        return None

    def read(self, path: Path) -> Batch:
        """The batch in a file. Damage is returned, not raised, even if nothing can be read."""
        try:
            lines = path.read_bytes().splitlines()
        except FileNotFoundError:  # its rows have been stored meanwhile
            return Batch(path, [], None)
        except OSError as error:
            return Batch(path, [], f"it cannot be read: {error.strerror or error}")
        try:
            header = msgspec.convert(_record(lines[0]), _Header)
        except (IndexError, msgspec.ValidationError):
            return Batch(path, [], "its first line is not a spool header")
        values = [_record(line) for line in lines[1:]]
        sound = [value for value in values if isinstance(value, list) and len(value) == len(header.columns)]
        records = [dict(zip(header.columns, value, strict=True)) for value in sound]
        lost = header.records - len(records)
        return Batch(path, records, f"{lost:,} of {header.records:,} records are damaged or missing" if lost else None)

    def settle(self, path: Path, damage: str | None = None) -> bool:
        """Remove a file whose rows are stored, or set a damaged one aside. False, and a warning, if it has to stay."""
        try:
            if damage:
                target = self._set_aside(path, damage)
                log.warning("damaged spool file set aside", file=str(target), reason=damage)
            else:
                with state_errors(f"{path} cannot be removed"):
                    path.unlink(missing_ok=True)
                    sync_folder(path.parent)
        except StateError as error:
            reason = "; ".join(filter(None, [error.message, damage]))
            log.warning("spool file not processed", file=str(path), reason=reason)
            return False
        return True

    def _set_aside(self, path: Path, reason: str) -> Path:
        """Move a damaged file to ``rejected/``, under a new number, with its reason beside it, or leave it."""
        with state_errors(f"{path} cannot be set aside"):
            make_folder(folder := self.rejected.folder)
            target = folder / f"{path.stem}-{_next_number(folder, first=0):04d}{SUFFIX}"
            beside = target.with_suffix(f"{SUFFIX}.reason")
            try:
                write(beside, f"{reason}\n".encode())
                move(path, target)
            except OSError:
                with suppress(OSError):
                    if path.exists():
                        beside.unlink()
                raise
        return target


def _next_number(folder: Path, *, first: int) -> int:
    # Above that of any batch and of any left-over reason, so that none is ever replaced. Not by a glob, as above.
    stems = (path.name.partition(".")[0] for path in folder.iterdir() if SUFFIX in path.suffixes)
    numbers = (stem.rpartition("-")[2] for stem in stems)
    return max((int(number) for number in numbers if number.isdecimal()), default=first - 1) + 1


def _line(record: object) -> bytes:
    try:
        text = _ENCODER.encode(record)
    except UnicodeEncodeError:  # half of a surrogate pair, which only json escapes
        text = json.dumps(record).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _record(line: bytes) -> object:
    """The record of a line; None if its checksum does not match or the text is not JSON."""
    checksum, _, text = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(text):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None
