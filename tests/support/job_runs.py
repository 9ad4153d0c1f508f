"""A job's run, backfill and heal, as the runner starts them, without its lock and its record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime

from crons.backfill import fill_past
from crons.job import BackfillRequest, Job, JobContext, RunReport, run_hour
from crons.resources import Resources
from tests.support.settings import make_settings

MakeContext = Callable[..., JobContext]
"""Makes the context of a run; settings other than the usual ones by keyword."""


@contextmanager
def contexts(name: str, job: Job, clock: Callable[[], datetime], **usual: object) -> Iterator[MakeContext]:
    """Makes contexts of runs, each with a connection of its own, with these settings."""
    with ExitStack() as opened:

        def make(**changes: object) -> JobContext:
            settings = make_settings(**{**usual, **changes})
            resources = opened.enter_context(Resources(settings, task="test", clock=clock))
            return JobContext(name, job, resources, run_id="r1")

        yield make


async def run(context: JobContext) -> RunReport:
    """The present hour's run."""
    await run_hour(context)
    return context.report


async def backfill(context: JobContext, hours: int | BackfillRequest, *, dry_run: bool = False) -> RunReport:
    """These past hours."""
    request = hours if isinstance(hours, BackfillRequest) else BackfillRequest(hours, dry_run)
    await fill_past(replace(context, kind="backfill"), request, _no_hour)
    return context.report


async def heal(context: JobContext, hours: int | BackfillRequest = 24) -> RunReport:
    """Those of these past hours that are missing."""
    request = hours if isinstance(hours, BackfillRequest) else BackfillRequest(hours)
    await fill_past(replace(context, kind="heal"), request, _no_hour)
    return context.report


async def _no_hour() -> None:
    """No hour begins meanwhile."""
