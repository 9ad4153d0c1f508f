"""``kill``: end the running jobs of this checkout."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from adapters._bases.errors import StateError
from adapters.files.locks import Holder, held_without_note, running_holders, users_of
from commands.screen import say
from configurations.config import SettingsError, load_settings
from crons.exits import DONE

GRACE_SECONDS = 10.0


def end_all() -> int:
    """End the running jobs of this checkout, print them, and return the exit code. Needs DATA_PATH only.

    Raises:
        ConfigurationError: DATA_PATH is wrong.
        StateError: a lock is held by a process that its note does not name; the others are ended.
    """
    try:
        data_path = load_settings().data_path
    except SettingsError as error:
        if "data_path" in error.wrong:
            raise
        data_path = error.settings.data_path
    locks = data_path / "locks"
    ended = end_running_jobs(locks, grace_seconds=GRACE_SECONDS)
    unnamed = held_without_note(locks)
    if ended or not unnamed:
        say("\n".join(ended) or "no job of this checkout is running")
    if unnamed:
        raise _not_ended(unnamed)
    return DONE


def end_running_jobs(locks: Path, *, grace_seconds: float) -> list[str]:
    """End every job that holds a lock in the folder, and return a line for each. Idempotent.

    SIGTERM first, SIGKILL after the grace time. A process that did not start when the lock's note says is left alone:
    the system may have reused the pid.
    """
    found = [(holder, process) for holder in running_holders(locks) if (process := _process(holder)) is not None]
    for _, process in found:
        _signal(process, forced=False)
    _, stubborn = psutil.wait_procs([process for _, process in found], timeout=grace_seconds)
    for process in stubborn:
        _signal(process, forced=True)
    psutil.wait_procs(stubborn, timeout=grace_seconds)
    return [f"ended {'by force ' if process in stubborn else ''}{holder}" for holder, process in found]


def _not_ended(locks: Sequence[Path]) -> StateError:
    """The error for locks without a note: a process that has the file open may only be reading it."""
    users = sorted({pid for path in locks for pid in users_of(path)})
    return StateError(
        f"held by a process that its note does not name, so not ended: {', '.join(map(str, locks))}",
        next_step=f"see whether it is a job, then end it: kill {' '.join(map(str, users))}"
        if users
        else f"find it with its owner's rights: fuser {' '.join(shlex.quote(str(path)) for path in locks)}",
    )


def _process(holder: Holder) -> psutil.Process | None:
    try:
        process = psutil.Process(holder.pid)
    except psutil.Error:
        return None
    # Asked after psutil has remembered the process's start, so that a later one of the same pid gets no signal.
    return process if holder.alive() else None


def _signal(process: psutil.Process, *, forced: bool) -> None:
    with suppress(psutil.NoSuchProcess):
        if forced:
            process.kill()
        else:
            process.terminate()
