"""``kill``: end the running jobs of this checkout."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from adapters._bases.errors import StateError
from adapters.files.locks import Holder, held_locks, is_open_in
from commands.screen import say
from configurations.config import SettingsError, load_settings
from crons.exits import DONE

GRACE_SECONDS = 10.0


def end_all() -> int:
    """End the running jobs of this checkout, print them, and return the exit code. Needs DATA_PATH only.

    SIGTERM first, SIGKILL after the grace time. A process that does not have the lock open is left alone, though a note
    names it: the system may have reused the pid.

    Raises:
        ConfigurationError: DATA_PATH is wrong.
        StateError: a lock is held by a process that its note does not name; the others are ended.
    """
    try:
        settings = load_settings()
    except SettingsError as error:
        if "data_path" in error.wrong:
            raise
        settings = error.settings
    held = held_locks(settings.data_path / "locks")
    named = {path: holder for path, holder in held.items() if holder}
    found = _send(signal.SIGTERM, named)
    forced = _send(signal.SIGKILL, {path: named[path] for path in found})
    for path in found:
        say(f"ended {'by force ' if path in forced else ''}{named[path]}")
    if unnamed := [path for path in held if path not in found]:
        users = [str(pid) for pid in psutil.pids() if any(is_open_in(pid, path) for path in unnamed)]
        raise StateError(
            f"held by a process that its note does not name, so not ended: {', '.join(map(str, unnamed))}",
            next_step=f"kill {' '.join(users) or 'it as its owner'}",
        )
    if not found:
        say("no job of this checkout is running")
    return DONE


def _send(number: signal.Signals, holders: Mapping[Path, Holder]) -> list[Path]:
    """Signal the holders that have their lock open, wait for their end, and return the locks of those."""
    sent, processes = [], []
    for path, holder in holders.items():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if is_open_in(holder.pid, path):
                processes.append(psutil.Process(holder.pid))
                os.kill(holder.pid, number)
                sent.append(path)
    psutil.wait_procs(processes, timeout=GRACE_SECONDS)
    return sent
