"""``runs``: the history of runs, whether the database has them already or not; ``kill``: end those of now."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import psutil

from adapters._bases.errors import StateError
from adapters._bases.wording import duration
from adapters.files.locks import Holder, held_locks, is_open_in
from commands.screen import say, say_json, settings_with_log, show_table
from commands.status_facts import latest_first
from configurations.config import SettingsError, load_settings
from crons.exits import DONE
from crons.history import kept_runs
from crons.registry import JOBS
from crons.resources import Resources, has_no_database, interactive_timeouts, system_clock

_GRACE_SECONDS = 10.0


def runs(count: int, *, as_json: bool) -> int:
    settings = interactive_timeouts(settings_with_log())
    with Resources(settings, task="runs", briefly=True) as resources:
        # The disk first: a record that a run moves to the table meanwhile is then seen twice, not missed.
        spools = [resources.history_spool(name) for name in JOBS]
        found = [run for spool in spools for run in kept_runs(map(spool.read, spool.waiting()))]
        found += [] if has_no_database(settings) else resources.runs.latest(count)
    runs = latest_first(found)[:count]
    if as_json:
        say_json(system_clock(), runs=[asdict(run) for run in runs])
        return DONE
    if not runs:
        say("no runs yet: ./run.sh cron_run")
        return DONE
    rows = []
    for run in runs:
        stored = f"{run.inserted + run.updated:,}"
        rows.append((run.started_at[:16], f"{run.job} {run.kind}", duration(run.took), run.status, stored))
    show_table(("began (Tehran)", "what", "took", "result", "rows"), rows)
    if reasons := {run.error: run.started_at[:16] for run in reversed(runs) if run.error}:
        say("\nwhy, the last time of each")
        show_table((), [(began, error) for error, began in reasons.items()])
    return DONE


def kill() -> int:
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
            # The system may have reused the pid of a note.
            if is_open_in(holder.pid, path):
                processes.append(psutil.Process(holder.pid))
                os.kill(holder.pid, number)
                sent.append(path)
    psutil.wait_procs(processes, timeout=_GRACE_SECONDS)
    return sent
