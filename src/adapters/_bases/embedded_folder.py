"""The folder of the embedded engine's data: one process at a time may have it open."""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path

from adapters._bases.errors import StorageRejected, StorageUnavailable

# The engine locks this file for as long as it runs, and writes into it who it is.
_STATUS_FILE = "status"


def prepare_embedded_folder(path: Path) -> None:
    """Make the folder when missing, and see that no other process has it open; harmless to repeat.

    The engine itself names neither cause: it says only that it could not start.

    Raises:
        StorageUnavailable: another process has it open; the message names its pid.
        StorageRejected: the folder cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        writable = os.access(path, os.W_OK | os.X_OK)
        owner = _other_owner(path / _STATUS_FILE)
    except OSError as error:
        raise StorageRejected(
            f"the folder {path} of the embedded engine cannot be used: {error.strerror}",
            next_step="Correct CLICKHOUSE_PATH, or the rights of that folder.",
        ) from error
    if not writable:
        raise StorageRejected(
            f"the folder {path} of the embedded engine cannot be written to",
            next_step="Correct CLICKHOUSE_PATH, or the rights of that folder.",
        )
    if owner:
        raise StorageUnavailable(
            f"the folder {path} of the embedded engine is in use by process {owner}",
            next_step="Wait until that process ends; `./run.sh kill` ends this checkout's jobs.",
        )


def _other_owner(status: Path) -> str:
    """The pid of another process that holds the lock; empty when nobody else does."""
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
