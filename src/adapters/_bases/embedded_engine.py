"""The ClickHouse inside this process: its folder, and why it does not start."""

from __future__ import annotations

import fcntl
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from adapters._bases.clickhouse_errors import one_line
from adapters._bases.errors import StorageRejected, StorageUnavailable
from adapters._bases.network_causes import innermost_words

# The engine locks this file for as long as it runs, and writes into it who it is.
_STATUS_FILE = "status"

_EXCEPTION = re.compile(r"DB::Exception: (.+?)(?=\n\S*Code: \d+\.|\Z)", re.DOTALL)

_FILESYSTEM = re.compile(r"filesystem error: (.+?)(?:, Stack trace|\Z)", re.DOTALL)

_STDERR = 2


@dataclass(frozen=True)
class EmbeddedEngine:
    """The engine inside this process, its data in a folder that one process at a time can have open."""

    path: Path

    def __str__(self) -> str:
        return f"embedded engine at {self.path}"


def prepare_embedded_folder(path: Path) -> None:
    """Make the folder when missing, and check that no other process has it open. Idempotent.

    The engine itself names neither cause, it says only that it could not start.

    Raises:
        StorageUnavailable: another process has it open; the message names it and its program.
        StorageRejected: the folder cannot be made or written to.
    """
    correct = "Correct CLICKHOUSE_PATH, or the rights of that folder."
    try:
        path.mkdir(parents=True, exist_ok=True)
        writable = os.access(path, os.W_OK | os.X_OK)
        owner = _other_owner(path / _STATUS_FILE)
    except OSError as error:
        raise StorageRejected(
            f"the folder {path} of the embedded engine cannot be used: {error.strerror}", next_step=correct
        ) from error
    if not writable:
        raise StorageRejected(f"the folder {path} of the embedded engine cannot be written to", next_step=correct)
    if owner:
        raise StorageUnavailable(
            f"the folder {path} of the embedded engine is in use by {_named(owner)}",
            next_step="Wait until that process ends; `./run.sh kill` ends this checkout's jobs.",
        )


def _other_owner(status: Path) -> str:
    """The pid of another process that holds the lock, empty when there is none."""
    try:
        with status.open() as file:
            found = re.search(r"PID: (\d+)", file.read())
            pid = found.group(1) if found else "unknown"
            if pid == str(os.getpid()):
                return ""
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return ""
    except BlockingIOError:
        return pid
    return ""


def _named(pid: str) -> str:
    """The process and its program, as far as this user may know; of an interpreter also the script or module."""
    import psutil  # noqa: PLC0415 - a folder is seldom in use

    with suppress(psutil.Error, OSError, ValueError):
        program, *arguments = psutil.Process(int(pid)).cmdline()
        script = [Path(one).name for one in arguments[:1] if not one.startswith("-")]
        if arguments[:1] == ["-m"]:
            script = arguments[:2]
        # No further argument: one may be a secret.
        return f"process {pid} ({' '.join([Path(program).name, *script])})"
    return f"process {pid}"


class EngineWords:
    """A block whose stderr, that of libraries in C too, is kept; it goes where it belongs at the end of the block.

    Attributes:
        last_exception: the last exception of ClickHouse that was written there; empty where none was.
    """

    def __init__(self) -> None:
        self.last_exception = ""
        self._kept = -1
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed at the end of the block

    def __enter__(self) -> None:
        with suppress(OSError):  # a process without stderr has nothing to keep
            sys.stderr.flush()
            self._kept = os.dup(_STDERR)
            os.dup2(self._file.fileno(), _STDERR)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            if self._kept < 0:
                return
            sys.stderr.flush()
            os.dup2(self._kept, _STDERR)
            os.close(self._kept)
            self._file.seek(0)
            written = self._file.read()
        os.write(_STDERR, written)
        found = _EXCEPTION.findall(written.decode(errors="replace"))
        self.last_exception = found[-1] if found else ""


def engine_failure(error: BaseException, path: Path, written: str) -> StorageRejected:
    """The error for an engine that did not start: with what it wrote, else with what the lowest layer says.

    Args:
        error: what was caught.
        path: the engine's folder.
        written: the exception of ClickHouse on stderr; empty where there was none.
    """
    if isinstance(error, ImportError):
        return StorageRejected(
            f"the embedded engine cannot be loaded: {one_line(innermost_words(error))}",
            next_step="rm -rf .venv && ./run.sh install --embedded",
        )
    inner = innermost_words(error)
    if not written and (found := _FILESYSTEM.search(inner)):
        written = found.group(1)
    return StorageRejected(
        f"the embedded engine at {path} does not start: {one_line(written or inner)}",
        next_step=f"mend that; or move {path} away and run `./run.sh setup_db`, then restore a backup or cron_backfill",
    )


@contextmanager
def engine_zone() -> Iterator[None]:
    """Set TZ to UTC while the embedded engine starts, which takes IANA names only and dies of any other.

    Every statement names its zone, so the engine's own does not matter. The rest of the process keeps its TZ, by which
    it computes schedules.
    """
    environment = os.environ  # noqa: TID251 - the engine's setting, not ours
    before = environment.get("TZ")
    environment["TZ"] = "UTC"
    try:
        yield
    finally:
        if before is None:
            del environment["TZ"]
        else:
            environment["TZ"] = before
        time.tzset()  # the engine may have had the C library read it meanwhile
