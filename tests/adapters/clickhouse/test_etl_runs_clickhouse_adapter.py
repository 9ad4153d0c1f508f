"""The history of runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters.clickhouse.etl_runs_clickhouse_adapter import EtlRunsAdapter, RunRecord

GOOD = RunRecord("r1", "job", "run", "2026-11-23 12:00:01", "2026-11-23 12:00:05", "ok", inserted=3, host="h")
BAD = replace(GOOD, run_id="r2", started_at="2026-11-23 13:00:01", status="failed", error="refused")
HEALED = replace(GOOD, run_id="r3", started_at="2026-11-23 14:00:01", kind="heal")


@pytest.fixture
def runs(clickhouse: ClickHouseAdapter, database: str) -> EtlRunsAdapter:
    """The history embedded and on a server, its table not made yet."""
    return EtlRunsAdapter(clickhouse=clickhouse, database=database, keep_days=7_300)


def test_runs_come_latest_first(runs: EtlRunsAdapter) -> None:
    """Of one job, the limit of each kind and status; of every job, those since a time. None before the first record."""
    assert runs.since(GOOD.started_at) == runs.recent("job", 1) == []
    earlier = replace(GOOD, run_id="r0", started_at="2026-11-23 12:00:00")
    other = replace(HEALED, run_id="r4", job="another")
    runs.record([earlier, GOOD, other, BAD, HEALED])
    assert runs.recent("job", 1) == [HEALED, BAD, GOOD]
    assert runs.recent("job", 2) == [HEALED, BAD, GOOD, earlier]
    assert runs.since(GOOD.started_at) == [other, HEALED, BAD, GOOD]


def test_record_that_may_exist_is_not_duplicated(runs: EtlRunsAdapter) -> None:
    """What an earlier attempt stored, whose answer was lost, is not stored again."""
    runs.record([GOOD])
    runs.record([GOOD, BAD], perhaps_there=True)
    assert runs.recent("job", 10) == [BAD, GOOD]


def test_expiry_follows_the_setting(clickhouse: ClickHouseAdapter, database: str) -> None:
    for days in (365, 30, 30):
        EtlRunsAdapter(clickhouse=clickhouse, database=database, keep_days=days).ensure_ready()
        found = clickhouse.query(
            "SELECT engine_full FROM system.tables WHERE database = {db:String} AND name = 'etl_runs'", {"db": database}
        )
        assert f"TTL toDateTime(started_at, 'UTC') + toIntervalDay({days})" in str(found[0][0])
