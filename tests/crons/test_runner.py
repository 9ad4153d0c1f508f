"""What a request for a run stands for."""

from __future__ import annotations

import pytest

from configurations.config import Settings
from crons.job import BackfillRequest
from crons.registry import JOBS
from crons.runner import Request
from tests.support.settings import make_settings

JOB = JOBS["cmc_hourly_prices"]
RUN = Request("cmc_hourly_prices", JOB)
BACKFILL = Request("cmc_hourly_prices", JOB, "backfill", BackfillRequest(24))
HEAL = Request("cmc_hourly_prices", JOB, "heal", BackfillRequest(24))


def settings(**values: object) -> Settings:
    """Settings that depend on nothing around."""
    return make_settings(**values)


@pytest.mark.parametrize(("request_", "kind"), [(RUN, "run"), (BACKFILL, "backfill"), (HEAL, "heal")])
def test_limit_of_each_kind(request_: Request, kind: str) -> None:
    """A run must be through before the next is due; filling hours may take longer."""
    limit, variable = request_.limit(settings(run_timeout_seconds=60, backfill_timeout_seconds=7200))
    assert request_.kind == kind
    assert (limit, variable) == ((60, "RUN_TIMEOUT_SECONDS") if kind == "run" else (7200, "BACKFILL_TIMEOUT_SECONDS"))


def test_only_the_scheduled_run_is_monitored() -> None:
    """A backfill that went well must not hide that the hourly run did not come."""
    watched = settings(healthcheck_url="https://hc.test/ping")
    assert RUN.monitor(watched) == "https://hc.test/ping"
    assert RUN.monitor(settings()) is None
    assert (BACKFILL.monitor(watched), HEAL.monitor(watched)) == (None, None)
