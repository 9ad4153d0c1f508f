"""The jobs. A new pipeline adds one line here."""

from __future__ import annotations

import importlib
from typing import NamedTuple, cast

from adapters._bases.errors import ConfigurationError
from crons.job import JobModule, PastJobModule


class Job(NamedTuple):
    """A job that can be run, scheduled and backfilled.

    Attributes:
        module: where it is; imported only when it is run, so that listing or scheduling jobs loads no database library.
        summary: what it does, in one line.
        schedule: its cron expression, in the host's own time zone.
        past: whether its source gives past hours too; without them there is no backfill and no heal.
        past_needs: the variable of the settings without which the source refuses past hours; empty when it needs none.
    """

    module: str
    summary: str
    schedule: str = "0 * * * *"
    past: bool = True
    past_needs: str = ""

    def load(self) -> JobModule:
        """The job's own file."""
        return cast("JobModule", importlib.import_module(self.module))

    def load_past(self) -> PastJobModule:
        """The same, of a job with a past."""
        return cast("PastJobModule", self.load())


JOBS: dict[str, Job] = {
    "cmc_hourly_prices": Job(
        "crons.jobs.cmc_hourly_prices",
        "the price of each symbol, hourly, from CoinMarketCap",
        past_needs="CMC_API_KEY",
    ),
}
MAIN_JOB = "cmc_hourly_prices"
"""The one that a command means which is given no name."""


def find_job(name: str) -> Job:
    """The job of that name.

    Raises:
        ConfigurationError: there is none; the message lists those there are.
    """
    if name not in JOBS:
        raise ConfigurationError(f"there is no job {name!r}", next_step=f"name one of these: {', '.join(sorted(JOBS))}")
    return JOBS[name]


def find_job_with_past(name: str) -> Job:
    """The job of that name, if its past hours can be filled.

    Raises:
        ConfigurationError: there is none, or its source gives the present hour only.
    """
    job = find_job(name)
    if not job.past:
        raise ConfigurationError(
            f"{name} has no backfill and no heal: its source gives the present hour only",
            next_step=f"./run.sh cron_run {name} stores the present hour",
        )
    return job
