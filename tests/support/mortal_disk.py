"""A disk that dies between two operations, or in one, and after a power loss has only what had to last."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import Any, Literal

import pytest

Ending = Literal["process", "power, new names kept", "power, new names lost"]
ENDINGS: tuple[Ending, ...] = ("process", "power, new names kept", "power, new names lost")
"""What is left: all that was done; or, of what was not synced, the names without their content, or nothing at all."""
_TORN = b"what was here is lost"


class Died(Exception):  # noqa: N818 - no error of the program, which must not catch it
    """The process, or the whole machine, ended here."""


class MortalDisk:
    """The host's disk, which dies in an fsync, a rename or a removal, as far as this process can tell.

    A rename lasts in both folders once one of them is synced, as on every file system with a journal.

    Args:
        root: the folder that is looked after; what is above it lasts.
        patch: to be undone when the disk is no longer needed.

    Attributes:
        steps_left: how many operations it does before it dies in the next one; None lets it live.
    """

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.steps_left: int | None = None
        self._root = root
        self._contents: dict[int, bytes] = {}
        self._names: dict[Path, dict[str, int]] = {}
        self._renamed_to: dict[Path, set[Path]] = {}
        self._removed: list[int] = []
        self._replace, self._unlink, self._fsync = Path.replace, Path.unlink, os.fsync
        # As methods of Path, functions are given the path.
        patch.setattr(Path, "replace", lambda source, target: self.rename(source, target))  # noqa: PLW0108
        patch.setattr(Path, "unlink", lambda path, **options: self.unlink(path, **options))  # noqa: PLW0108
        patch.setattr(os, "fsync", self.sync)
        self.settle()

    def rename(self, source: Path, target: Path) -> None:
        if source.is_relative_to(self._root):
            self._step()
            self._renamed_to.setdefault(source.parent, set()).add(target.parent)
            self._renamed_to.setdefault(target.parent, set()).add(source.parent)
        self._replace(source, target)

    def unlink(self, path: Path, **options: Any) -> None:
        """As on the host's; the file's number is not given to another, for a power loss may bring it back."""
        if path.is_relative_to(self._root) and path.exists():
            self._step()
            self._removed.append(os.open(path, os.O_RDONLY))
        self._unlink(path, **options)

    def sync(self, descriptor: int) -> None:
        """As on the host's; whoever dies in it leaves half of the file."""
        path, found = Path(f"/proc/self/fd/{descriptor}").readlink(), os.fstat(descriptor)
        if path.is_relative_to(self._root):
            if self.steps_left == 0 and stat.S_ISREG(found.st_mode):
                os.truncate(path, found.st_size // 2)
            self._step()
            if stat.S_ISREG(found.st_mode):
                self._contents[found.st_ino] = path.read_bytes()
            else:
                for folder in (path, *self._renamed_to.get(path, ())):
                    self._names[folder] = _names_in(folder)
        self._fsync(descriptor)

    def settle(self) -> None:
        """All that is there lasts from now on: the kernel writes everything sooner or later."""
        while self._removed:
            os.close(self._removed.pop())
        folders = [self._root, *(path for path in self._root.rglob("*") if path.is_dir())]
        self._names = {folder: _names_in(folder) for folder in folders}
        files = [path for path in self._root.rglob("*") if path.is_file()]
        self._contents = {path.stat().st_ino: path.read_bytes() for path in files}
        self._renamed_to = {}

    def restart(self, ending: Ending) -> None:
        self.steps_left = None
        if ending == "power, new names kept":
            self._names |= {folder: _names_in(folder) for folder in self._root.rglob("*") if folder.is_dir()}
            self._names[self._root] = _names_in(self._root)
        if ending != "process":
            left = self._left_in(self._root)
            for path in self._root.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            for path, content in left.items():
                path.mkdir() if content is None else path.write_bytes(content)
        self.settle()

    def _left_in(self, folder: Path) -> dict[Path, bytes | None]:
        """What lasts of a folder: each file's content, None for a folder, which comes before what is in it."""
        left: dict[Path, bytes | None] = {}
        for name, number in self._names.get(folder, {}).items():
            if folder / name in self._names or (folder / name).is_dir():
                left |= {folder / name: None, **self._left_in(folder / name)}
            else:
                left[folder / name] = self._contents.get(number, _TORN)
        return left

    def _step(self) -> None:
        if self.steps_left == 0:
            raise Died
        if self.steps_left is not None:
            self.steps_left -= 1


def _names_in(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in folder.iterdir()}
