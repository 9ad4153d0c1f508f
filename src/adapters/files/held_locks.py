"""Locks whose notes do not tell who holds them: asked of the kernel, which always knows that they are held."""

from __future__ import annotations

from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from adapters._bases.errors import StateError
from adapters.files.process_lock import note_of, read_holder


def held_without_note(folder: Path) -> list[Path]:
    """The locks of a folder that a process holds which their note does not name, as when the disk was full.

    Each other lock is taken and freed at once.

    Raises:
        StateError: a lock file cannot be opened.
    """
    return [path for path in sorted(folder.glob("*.lock")) if not _noted(path) and _held(path)]


def users_of(path: Path) -> list[int]:
    """The processes that have a file open, as far as this user may know."""
    return [process.pid for process in psutil.process_iter() if _has_open(process, path.resolve())]


def _noted(path: Path) -> bool:
    holder = read_holder(note_of(path))
    return holder is not None and holder.alive()


def _held(path: Path) -> bool:
    try:
        with FileLock(path, timeout=0, fallback_to_soft=False):
            return False
    except Timeout:
        return True
    except OSError as error:
        raise StateError(
            f"the lock {path} cannot be looked at: {error.strerror or error}", next_step="see who owns it"
        ) from error


def _has_open(process: psutil.Process, path: Path) -> bool:
    try:
        return any(file.path == str(path) for file in process.open_files())
    except (psutil.Error, OSError):
        return False
