"""Storing rows and counting in the run's report what that did; the same for every pipeline."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from adapters._bases.errors import EtlError
from adapters._bases.hourly_table import HourlyRow
from crons.job import RunContext
from loaders.spooled_loader import SpooledLoader

log = structlog.get_logger(__name__)


async def load(context: RunContext, loader: SpooledLoader, rows: Sequence[HourlyRow]) -> None:
    """Store rows after what waits in the spool, and count in the run's report what that did."""
    context.step(f"storing {len(rows)} rows")
    await loader.keep(rows)
    await store_kept(context, loader)


async def store_kept(context: RunContext, loader: SpooledLoader) -> None:
    """Store what the loader keeps after what waits in the spool, and count in the run's report what that did."""
    context.step(f"storing {loader.kept} rows" if loader.kept else "storing what waits in the spool")
    done = await loader.store_kept()
    context.report.add_stored(done.stored)
    context.report.replayed = context.report.replayed.plus(done.replayed)
    context.report.warnings.extend(f"a damaged spool file was set aside: {line}" for line in done.set_aside)
    context.report.warnings.extend(f"a spool file is in the way: {line}" for line in done.left)


async def replay(context: RunContext, loader: SpooledLoader) -> None:
    """Store what waits in the spool although the source failed; if that fails too, the source's error is the news."""
    try:
        await store_kept(context, loader)
    except EtlError as error:
        log.warning("the spool could not be emptied either", reason=error.message)
