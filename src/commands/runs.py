"""``runs``: the history of runs, whether the database has them already or not."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

from adapters._bases.tehran_time import from_text
from commands.screen import resources_for_reading, say, say_json, settings_with_log, show_table
from commands.status_facts import describe_age
from crons.exits import DONE
from crons.history import records_of
from crons.registry import JOBS
from crons.resources import has_no_database, interactive_timeouts, system_clock

_SHORT = timedelta(minutes=2)


def show(count: int, *, as_json: bool) -> int:
    """Print the last `count` runs of all jobs, latest first, then why runs failed; return the exit code.

    Raises:
        LockHeldError: a running job has the embedded engine open.
        StorageUnavailable, StorageRejected: the database cannot be read.
    """
    settings = interactive_timeouts(settings_with_log())
    with resources_for_reading(settings, "runs") as resources:
        # The disk first: a record that a run moves to the table meanwhile is then seen twice, not missed.
        spools = [resources.history_spool(name) for name in JOBS]
        found = [run for spool in spools for path in spool.waiting() for run in records_of(spool.read(path))]
        found += [] if has_no_database(settings) else resources.runs.latest(count)
    by_id = {run.run_id: run for run in found}
    runs = sorted(by_id.values(), key=lambda run: (run.started_at, run.run_id), reverse=True)[:count]
    if as_json:
        say_json(system_clock(), runs=[asdict(run) for run in runs])
        return DONE
    if not runs:
        say("no runs yet: ./run.sh cron_run")
        return DONE
    rows = []
    for run in runs:
        took = from_text(run.finished_at) - from_text(run.started_at)
        lasted = f"{took.seconds} s" if took < _SHORT else describe_age(took)
        stored = f"{run.inserted + run.updated:,}"
        rows.append((run.started_at[:16], f"{run.job} {run.kind}", lasted, run.status, stored))
    show_table(("began (Tehran)", "what", "took", "result", "rows"), rows, no_color=bool(settings.no_color))
    if reasons := {run.error: run.started_at[:16] for run in reversed(runs) if run.error}:
        say("\nwhy, the last time of each")
        show_table((), [(began, error) for error, began in reasons.items()], no_color=bool(settings.no_color))
    return DONE
