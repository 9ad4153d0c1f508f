"""File operations that outlast a power loss."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Disk:
    """What is written lasts when `write` returns; a new name, or the end of one, only after `sync_folder`.

    Every method may raise OSError.
    """

    def make_folder(self, folder: Path) -> None:
        """Make a folder, and those above it that are missing; the new names last. Idempotent."""
        if not folder.is_dir():
            self.make_folder(folder.parent)
            folder.mkdir(exist_ok=True)
            self.sync_folder(folder.parent)

    def replace(self, path: Path, content: bytes, *, aside: Path | None = None) -> None:
        """Put a file there whole or not at all; its folder exists.

        Args:
            path: of the file, which may exist.
            content: all of it.
            aside: see `replacing`.
        """
        with self.replacing(path, aside=aside) as draft:
            self.write(draft, content)

    @contextmanager
    def replacing(self, path: Path, *, aside: Path | None = None) -> Iterator[Path]:
        """Where to write a file that gets its own name, and keeps it, once the block ends without an error.

        Args:
            path: of the file, which may exist.
            aside: where it is written; None for a hidden name beside it. What a killed process, or somebody else, left
                there is removed first, so it must belong to one writer at a time.
        """
        draft = aside or path.with_name(f".{path.name}.new")
        try:
            if os.path.lexists(draft):
                self.unlink(draft)
            yield draft
            self.rename(draft, path)
            self.sync_folder(path.parent)
        except BaseException:
            with suppress(OSError):
                self.unlink(draft)
            raise

    def write(self, path: Path, content: bytes, *, mode: int = 0o666) -> None:
        """Write a new file.

        Args:
            path: of the file; one that exists is an error, so nothing is ever written through a link.
            content: all of it.
            mode: its rights, less the umask.
        """
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            self.sync(file.fileno())

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name, at one stroke."""
        source.replace(target)

    def unlink(self, path: Path) -> None:
        """Remove a file. Idempotent."""
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a folder last: fsync of a file does not cover its name."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.sync(descriptor)
        finally:
            os.close(descriptor)

    def sync(self, descriptor: int) -> None:
        """Wait until what an open file or folder holds is on the medium."""
        os.fsync(descriptor)
