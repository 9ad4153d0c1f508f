"""The main job's run, backfill and heal, as the runner starts them, without its lock and its record."""

from __future__ import annotations

from crons.job import BackfillRequest, RunContext, RunReport


async def run(context: RunContext) -> RunReport:
    """The present hour's run."""
    await context.job.run(context)
    return context.report


async def backfill(context: RunContext, hours: int, *, dry_run: bool) -> RunReport:
    """The hours before the present one."""
    return await fill(context, BackfillRequest(hours, dry_run))


async def fill(context: RunContext, wanted: BackfillRequest) -> RunReport:
    """Past hours, however they are asked for."""
    await context.job.fill(context, "backfill", wanted)
    return context.report


async def heal(context: RunContext, fill: BackfillRequest) -> RunReport:
    """Those hours before the present one that are missing."""
    await context.job.fill(context, "heal", fill)
    return context.report
