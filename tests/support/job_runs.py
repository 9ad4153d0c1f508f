"""A job's run, backfill and heal, as the runner starts them, without its lock and its record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from adapters._bases.tehran_time import tehran_text
from crons.backfill import fill_past
from crons.job import Job, JobContext, Kind, Request, RunReport, run_hour
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
            return JobContext(Request(name), job, resources, run_id="r1")

        yield make


async def run(context: JobContext) -> RunReport:
    await run_hour(context)
    return context.report


async def backfill(context: JobContext, hours: int | None = None, **asked: Any) -> RunReport:
    """These past hours; options of cron_backfill by keyword, times as text or aware."""
    return await _fill_past(context, "backfill", hours, asked)


async def heal(context: JobContext, hours: int | None = None, **asked: Any) -> RunReport:
    """Those of these past hours that are missing, of the last day unless they are named."""
    return await _fill_past(context, "heal", None if "first" in asked else hours or 24, asked)


async def _fill_past(context: JobContext, kind: Kind, hours: int | None, asked: dict[str, Any]) -> RunReport:
    times = {name: tehran_text(one) for name, one in asked.items() if isinstance(one, datetime)}
    request = Request(context.name, kind, hours=hours, **{**asked, **times})
    await fill_past(replace(context, request=request), _no_hour)
    return context.report


async def _no_hour() -> None:
    """No hour begins meanwhile."""
