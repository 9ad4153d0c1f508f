"""The jobs. A new pipeline adds one line here: the import of its job, under the job's name.

Importing a job loads neither the HTTP library nor the database's: its parts load them when they are first used.
"""

from __future__ import annotations

from adapters._bases.errors import ConfigurationError
from crons import MAIN_JOB
from crons.job import Job
from crons.jobs.binance_hourly_prices import JOB as binance_hourly_prices
from crons.jobs.cmc_hourly_prices import JOB as cmc_hourly_prices

_IMPORTED = {name: job for name, job in dict(globals()).items() if isinstance(job, Job)}
JOBS: dict[str, Job] = dict(sorted(_IMPORTED.items(), key=lambda one: (one[0] != MAIN_JOB, one[0])))
"""The jobs imported above, by their names; the main one first."""


def find_job(name: str) -> Job:
    """The job of that name.

    Raises:
        ConfigurationError: it is unknown; the message lists the jobs.
    """
    if name not in JOBS:
        raise ConfigurationError(f"there is no job {name!r}", next_step=f"name one of these: {', '.join(sorted(JOBS))}")
    return JOBS[name]


def find_job_with_past(name: str) -> Job:
    """The job of that name, if its past hours can be filled.

    Raises:
        ConfigurationError: it is unknown, or its source gives the present hour only.
    """
    job = find_job(name)
    if job.backfill is None:
        raise ConfigurationError(
            f"{name} has no backfill and no heal: its source gives the present hour only",
            next_step=f"./run.sh cron_run {name} stores the present hour",
        )
    return job
