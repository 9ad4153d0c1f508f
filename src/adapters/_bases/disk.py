"""File operations that outlast a power loss."""

from __future__ import annotations

import os
from pathlib import Path


class Disk:
    """What is written lasts when `write` returns; a new name, or the end of one, only after `sync_folder`.

    Every method may raise OSError.
    """

    def make_folder(self, folder: Path) -> None:
        """Make a folder, and those above it that are missing; the new names last. Harmless to repeat."""
        if not folder.is_dir():
            self.make_folder(folder.parent)
            folder.mkdir(exist_ok=True)
            self.sync_folder(folder.parent)

    def write(self, path: Path, content: bytes) -> None:
        """Write a file anew."""
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            self.sync(file.fileno())

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name, at one stroke."""
        source.rename(target)

    def unlink(self, path: Path) -> None:
        """Remove a file; harmless twice."""
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
