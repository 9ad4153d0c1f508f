"""The jobs. A new pipeline adds one line here: the name of its module in `crons.jobs`, which is the job's name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from adapters._bases.errors import ConfigurationError

if TYPE_CHECKING:  # the help needs a name only
    from crons.job import Job

MAIN_JOB = "cmc_hourly_prices"
"""The default job of commands."""
_NAMES = (
    MAIN_JOB,
    "binance_hourly_prices",
    "usdt_toman_hourly_rates",
)


class _Jobs(Mapping[str, "Job"]):
    """Each job by its name. A job is imported when it is asked for: a run needs one of them."""

    def __getitem__(self, name: str) -> Job:
        if name not in _NAMES:
            raise KeyError(name)
        job: Job = import_module(f"crons.jobs.{name}").JOB
        return job

    def __iter__(self) -> Iterator[str]:
        return iter(_NAMES)

    def __len__(self) -> int:
        return len(_NAMES)


JOBS = _Jobs()


def find_job(name: str, *, with_past: bool = False) -> Job:
    """The job of that name. Raises ConfigurationError if it is unknown, or has no past although `with_past`."""
    if name not in JOBS:
        raise ConfigurationError(f"unknown job {name!r}", next_step=f"name one of these: {', '.join(sorted(JOBS))}")
    job = JOBS[name]
    if with_past and job.backfill is None:
        raise ConfigurationError(
            f"{name} has no backfill and no heal: its source gives the present hour only",
            next_step=f"./run.sh cron_run {name} stores the present hour",
        )
    return job
