"""Process locks, each with a note of who holds it. Whether it is held, and by whom, only the kernel knows for sure."""

from __future__ import annotations

import fcntl
import os
import shlex
import stat
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec
import structlog
from filelock import FileLock, Timeout

from adapters._bases.durable import fix_for
from adapters._bases.errors import LockHeldError, StateError
from adapters._bases.tehran_time import tehran_text

_UNNOTICED_SECONDS = 0.5  # a longer wait is logged before it begins

log = structlog.get_logger(__name__)


def _make_private(folder: Path) -> None:
    """Make a folder that only this user can use. Idempotent. Raises StateError or OSError, and has changed nothing."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    others_write = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or others_write:
        raise StateError(
            f"{folder} is not a folder of this user alone: others could hold its locks",
            next_step=f"check what is in it, then run `rm -r {shlex.quote(str(folder))}` as its owner",
        )
    folder.chmod(0o700)  # others could only read it, so its contents are ours


class Holder(msgspec.Struct):
    pid: int
    since: str  # when it took the lock, Tehran text
    task: str  # what it was started for, such as "cmc_hourly_prices run"
    step: str  # what it was doing last
    run_id: str = ""  # empty if it is not a run

    def __str__(self) -> str:
        return f"pid {self.pid}, {self.task} since {self.since} (Tehran), {self.step}"


class ProcessLock:
    """A lock that one process at a time holds, and that the kernel frees when that process ends.

    Args:
        path: the lock file; its folder is made if missing.
        task, run_id, step: as in `Holder`.
        wait_seconds: how long to wait for another holder; at least long enough for it to write its note.
        private: whether to make its folder private, for one in a place where every user may create it.
    """

    def __init__(
        self,
        path: Path,
        *,
        task: str,
        clock: Callable[[], datetime],
        wait_seconds: float = _UNNOTICED_SECONDS,
        run_id: str = "",
        step: str = "starting",
        private: bool = False,
    ) -> None:
        self.holder = Holder(os.getpid(), "", task, step, run_id)
        self.left_behind: Holder | None = None  # the holder before, if it was killed or the power was lost
        self._path, self._private = path, private
        self._clock = clock
        self._wait_seconds = wait_seconds
        # Not by thread: the database's is taken in a worker thread and released in the main one.
        # Not a soft lock on file systems without others: it would outlive its process.
        self._lock = FileLock(path, thread_local=False, fallback_to_soft=False)

    def __enter__(self) -> ProcessLock:
        """Take the lock.

        Raises:
            LockHeldError: another process holds it; the message names it.
            StateError: the lock file cannot be written, or its folder is not to be trusted.
        """
        try:
            if self._private:
                _make_private(self._path.parent)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire(timeout=_UNNOTICED_SECONDS)
            except Timeout:
                if self._wait_seconds <= _UNNOTICED_SECONDS:
                    raise
                other = str(read_holder(self._path))
                log.info("waiting for another process", up_to_seconds=self._wait_seconds, other=other)
                self._lock.acquire(timeout=self._wait_seconds - _UNNOTICED_SECONDS)
        except Timeout as error:
            holder = read_holder(self._path)
            raise LockHeldError(
                f"another run holds the lock: {holder or 'its note is not readable'}",
                next_step="wait for it, or end it with ./run.sh kill",
                since=holder.since if holder else "",
            ) from error
        except OSError as error:
            raise _failed(self._path, error) from error
        self.left_behind = read_holder(self._path)
        self.holder.since = tehran_text(self._clock())
        self.note(self.holder.step)
        return self

    def note(self, step: str) -> None:
        """Note what is being done now. A note that cannot be written does not stop the work."""
        self.holder.step = step
        note = note_of(self._path)
        # Not by `replacing`, which syncs: a note dies with its process, and is written at every step of a run.
        beside = note.with_name(f"{note.name}.new")
        with suppress(OSError):
            # A link left there is replaced, not followed.
            beside.unlink(missing_ok=True)
            with beside.open("xb") as file:
                file.write(msgspec.json.encode(self.holder))
            beside.replace(note)

    def __exit__(self, *_error: object) -> None:
        note_of(self._path).unlink(missing_ok=True)
        self._lock.release()


def note_of(lock: Path) -> Path:
    return lock.with_name(f"{lock.name}.json")


def read_holder(lock: Path) -> Holder | None:
    """The holder that a lock's note names, running or not; None if it is missing or cannot be read."""
    with suppress(OSError, ValueError):
        # Notes of earlier releases have more fields.
        return msgspec.json.decode(note_of(lock).read_bytes(), type=Holder)
    return None


def held_locks(folder: Path) -> dict[Path, Holder | None]:
    """The locks of a folder that processes hold now, with the holders that their notes name.

    Raises StateError if a lock cannot be inspected.
    """
    held = {}
    for path in sorted(folder.glob("*.lock")):
        try:
            with suppress(FileNotFoundError), path.open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:  # noqa: PERF203 - few locks
            held[path] = read_holder(path)
        except OSError as error:
            raise _failed(path, error) from error
    return held


def is_open_in(pid: int, lock: Path) -> bool:
    """Whether a process has a lock's file open, as its holder does, as far as this user may see."""
    # Not by the start of the process, which some kernels shift with the clock.
    with suppress(OSError):
        wanted = lock.stat()
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                if os.path.samestat(descriptor.stat(), wanted):
                    return True
    return False


def _failed(lock: Path, error: OSError) -> StateError:
    if error.filename is None:  # not by opening it, but by locking
        return StateError(
            f"cannot lock {lock}: its file system has no locks ({error.strerror})",
            next_step="set DATA_PATH and CLICKHOUSE_PATH to folders of a file system with locks, such as a local disk",
        )
    return StateError(f"cannot open the lock {lock}: {error.strerror}", next_step=fix_for(error))
