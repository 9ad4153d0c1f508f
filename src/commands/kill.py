"""``kill``: end the running jobs of this checkout."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import psutil

from adapters._bases.errors import StateError
from adapters.files.locks import held_locks
from commands.screen import say
from configurations.config import SettingsError, load_settings
from crons.exits import DONE

GRACE_SECONDS = 10.0


def end_all() -> int:
    """End the running jobs of this checkout, print them, and return the exit code. Needs DATA_PATH only.

    SIGTERM first, SIGKILL after the grace time. A process that did not start when the lock's note says is left alone:
    the system may have reused the pid.

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
    found = []
    for holder in filter(None, held.values()):
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(holder.pid)
            # Asked after psutil has remembered the process's start, so that a later one of the same pid gets no signal.
            if holder.alive():
                process.terminate()
                found.append((holder, process))
    _, stubborn = psutil.wait_procs([process for _, process in found], timeout=GRACE_SECONDS)
    for process in stubborn:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=GRACE_SECONDS)
    for holder, process in found:
        say(f"ended {'by force ' if process in stubborn else ''}{holder}")
    if unnamed := [path for path, holder in held.items() if holder is None]:
        raise StateError(
            f"held by a process that its note does not name, so not ended: {', '.join(map(str, unnamed))}",
            next_step=f"kill {' '.join(map(str, _users_of(unnamed))) or 'it as its owner'}",
        )
    if not found:
        say("no job of this checkout is running")
    return DONE


def _users_of(paths: Collection[Path]) -> list[int]:
    """The processes that have one of these files open, as far as this user may see."""
    wanted, users = {str(path.resolve()) for path in paths}, []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            users += [process.pid] * any(file.path in wanted for file in process.open_files())
    return users
