"""Process locks, each with a note of who holds it. Whether it is held, only the kernel knows for sure."""

from __future__ import annotations

import json
import os
import shlex
import stat
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import structlog
from filelock import FileLock, Timeout

from adapters._bases.errors import LockHeldError, StateError
from adapters._bases.tehran_time import tehran_text

_UNNOTICED_SECONDS = 0.5

log = structlog.get_logger(__name__)


def make_private(folder: Path) -> None:
    """Make a folder that only this user can use. Idempotent. May raise OSError.

    Raises:
        StateError: it is a link, belongs to another user, or others may write to it; nothing was changed.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    others_write = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or others_write:
        raise StateError(
            f"{folder} is not a folder of this user alone: others could hold its locks",
            next_step=f"check what is in it, then run `rm -r {shlex.quote(str(folder))}` as its owner",
        )
    folder.chmod(0o700)  # others could only read it, so its contents are ours


class Holder(NamedTuple):
    """Who holds a lock.

    Attributes:
        process_started: clock ticks from boot to the start of the process, for a later one may get the same pid.
        since: when it took the lock, Tehran text.
        task: what it was started for, such as ``cmc_hourly_prices run``.
        step: what it was doing last.
        run_id: empty if it is not a run.
    """

    pid: int
    process_started: float
    since: str
    task: str
    step: str
    run_id: str = ""

    def alive(self) -> bool:
        """Whether that very process still runs."""
        return _started(self.pid) == self.process_started

    def __str__(self) -> str:
        return f"pid {self.pid}, {self.task} since {self.since} (Tehran), {self.step}"


def _started(pid: int) -> float | None:
    try:
        # The name in parentheses may hold blanks. Not by psutil, whose import takes a twentieth of a run's start-up.
        return float(Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19])
    except OSError:
        return None


class ProcessLock:
    """A lock that one process at a time holds, and that the kernel frees when that process ends.

    Args:
        path: the lock file; its folder is made if missing. The note is ``path`` with ``.json`` added.
        task: as in `Holder`, like `run_id` and `step`.
        wait_seconds: how long to wait for another holder; by default just long enough for it to write its note.
        private: whether to `make_private` its folder, for one in a place where every user may create it.

    Attributes:
        step: what its holder does now.
        left_behind: the holder before, if it was killed or the power was lost.
    """

    def __init__(
        self,
        path: Path,
        *,
        task: str,
        clock: Callable[[], datetime],
        wait_seconds: float = 0.5,
        run_id: str = "",
        step: str = "starting",
        private: bool = False,
    ) -> None:
        self.step = step
        self.left_behind: Holder | None = None
        self._path, self._private = path, private
        self._task, self._run_id, self._since = task, run_id, ""
        self._clock = clock
        self._wait_seconds = wait_seconds
        # Not by thread: the database's is taken in a worker thread and released in the main one.
        # Not a soft lock on file systems without others: it would outlive its process.
        self._lock = FileLock(path, timeout=wait_seconds, thread_local=False, fallback_to_soft=False)

    def __enter__(self) -> ProcessLock:
        """Take the lock.

        Raises:
            LockHeldError: another process holds it; the message names it.
            StateError: the lock file cannot be written, or its folder is not to be trusted.
        """
        try:
            if self._private:
                make_private(self._path.parent)
            else:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            self._acquire()
        except Timeout as error:
            holder = read_holder(self._path)
            raise LockHeldError(
                f"another run holds the lock: {holder or 'its note is not readable'}",
                next_step="wait for it, or end it with ./run.sh kill",
            ) from error
        except OSError as error:
            raise StateError(
                f"the lock {self._path} cannot be taken: {error.strerror or error}",
                next_step="check the folder's owner and the free space of its disk",
            ) from error
        self._since = tehran_text(self._clock())
        self.left_behind = read_holder(self._path)
        self.note(self.step)
        return self

    def _acquire(self) -> None:
        # A noticeable wait is logged before it begins.
        unnoticed = min(_UNNOTICED_SECONDS, self._wait_seconds)
        with suppress(Timeout):
            self._lock.acquire(timeout=unnoticed)
            return
        if rest := self._wait_seconds - unnoticed:
            other = str(read_holder(self._path))
            log.info("waiting for another process", up_to_seconds=self._wait_seconds, other=other)
        self._lock.acquire(timeout=rest)

    def note(self, step: str) -> None:
        """Note what is being done now. A note that cannot be written does not stop the work."""
        self.step = step
        pid = os.getpid()
        holder = Holder(pid, _started(pid) or 0, self._since, self._task, step, self._run_id)
        note = note_of(self._path)
        # Not by `Disk`, which syncs: a note dies with its process, and is written at every step of a run.
        beside = note.with_name(f"{note.name}.new")
        with suppress(OSError):
            # A link left there is replaced, not followed.
            beside.unlink(missing_ok=True)
            with beside.open("x", encoding="utf-8") as file:
                file.write(json.dumps(holder._asdict()))
            beside.replace(note)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        note_of(self._path).unlink(missing_ok=True)
        self._lock.release()


def note_of(lock: Path) -> Path:
    """The path of a lock's note."""
    return lock.with_name(f"{lock.name}.json")


def read_holder(lock: Path) -> Holder | None:
    """The holder that a lock's note names, running or not; None if it is missing or cannot be read."""
    try:
        return Holder(**json.loads(note_of(lock).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def held_locks(folder: Path) -> dict[Path, Holder | None]:
    """The held locks of a folder with their holders; None if a note does not name it, as after a full disk.

    Raises:
        StateError: a lock file cannot be opened.
    """
    found: dict[Path, Holder | None] = {}
    for path in sorted(folder.glob("*.lock")):
        holder = read_holder(path)
        if holder is not None and holder.alive():
            found[path] = holder
            continue
        try:
            FileLock(path, timeout=0, fallback_to_soft=False).acquire().lock.release()
        except Timeout:
            found[path] = None
        except OSError as error:
            raise StateError(
                f"the lock {path} cannot be opened: {error.strerror}", next_step="check its owner"
            ) from error
    return found
