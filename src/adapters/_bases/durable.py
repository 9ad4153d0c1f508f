"""File operations that survive a power loss."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Disk:
    """Durable file operations: content after `write`, new and changed names after `sync_folder`.

    Every method may raise OSError.
    """

    def make_folder(self, folder: Path) -> None:
        """Make a folder and its missing parents, durably. Idempotent."""
        if not folder.is_dir():
            self.make_folder(folder.parent)
            folder.mkdir(exist_ok=True)
            self.sync_folder(folder.parent)

    def replace(self, path: Path, content: bytes, *, aside: Path | None = None) -> None:
        """Write or replace a file atomically, in a folder that exists. `aside` as in `replacing`."""
        with self.replacing(path, aside=aside) as draft:
            self.write(draft, content)

    @contextmanager
    def replacing(self, path: Path, *, aside: Path | None = None) -> Iterator[Path]:
        """The path to write a file to, which is renamed to `path` if the block ends without an error.

        Args:
            aside: that path; None for a hidden name beside `path`. It is removed first, so it must have one writer.
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
        """Write a new file, with this mode less the umask."""
        # O_EXCL: an existing file is an error, so nothing is written through a link.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            self.sync(file.fileno())

    def rename(self, source: Path, target: Path) -> None:
        """Rename a file atomically."""
        source.replace(target)

    def unlink(self, path: Path) -> None:
        """Remove a file. Idempotent."""
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a folder durable: fsync of a file does not cover its name."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.sync(descriptor)
        finally:
            os.close(descriptor)

    def sync(self, descriptor: int) -> None:
        """Fsync an open file or folder."""
        os.fsync(descriptor)
