"""The history of runs, behind the embedded engine and behind a server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.errors import StorageUnavailable
from adapters.clickhouse.etl_runs_clickhouse_adapter import FIELDS, EtlRunsAdapter, RunRecord
from tests.support.clickhouse_front import ClickHouseFront, Fault

GOOD = RunRecord("r1", "job", "run", "2026-11-23 12:00:01", "2026-11-23 12:00:05", "ok", inserted=3, host="h")
BAD = replace(GOOD, run_id="r2", started_at="2026-11-23 13:00:01", status="failed", error="refused")
HEALED = replace(GOOD, run_id="r3", started_at="2026-11-23 14:00:01", kind="heal")


@pytest.fixture
def runs(clickhouse: ClickHouseAdapter, database: str) -> EtlRunsAdapter:
    """The history behind each door in turn, its table not made yet."""
    return EtlRunsAdapter(clickhouse=clickhouse, database=database, keep_days=7_300)


def test_a_first_record_makes_the_table(runs: EtlRunsAdapter) -> None:
    """Every field of a run comes back as it was, from a table that the record itself made."""
    runs.record([GOOD])
    assert runs.recent("job", 10) == [GOOD]


def test_the_latest_run_comes_first(runs: EtlRunsAdapter) -> None:
    """Runs are given by their start, for one job, and no more than asked for."""
    runs.record([GOOD, BAD, HEALED, replace(GOOD, job="another")])
    assert runs.recent("job", 2) == [HEALED, BAD]
    assert runs.last("job", status="ok") == HEALED
    assert runs.last("job", status="ok", kind="run") == GOOD
    assert runs.last("job", status="failed") == BAD
    assert runs.last("job", status="failed", kind="heal") is None


def test_no_table_is_no_run(runs: EtlRunsAdapter) -> None:
    """Before the first record there is nothing to read, and that is no error."""
    assert runs.recent("job", 1) == []
    assert runs.last("job", status="ok") is None


def test_runs_since_a_time_the_latest_first(runs: EtlRunsAdapter) -> None:
    """Runs of every job that began then or later, with all that the record holds; none before the first record."""
    first, last = "2026-11-23 10:00:00", "2026-11-23 12:00:00"
    assert runs.since(first) == []
    told = [
        RunRecord(f"run-{number}", "cmc_hourly_prices", "run", started, started, "ok", credits=number)
        for number, started in enumerate(("2026-11-23 09:59:59", first, last))
    ]
    runs.record(told)
    assert runs.since(first) == [told[2], told[1]]


def test_a_record_that_may_be_there_is_not_doubled(runs: EtlRunsAdapter) -> None:
    """What an earlier attempt has stored without our hearing of it is not stored again."""
    runs.record([GOOD])
    runs.record([GOOD, BAD], perhaps_there=True)
    assert runs.recent("job", 10) == [BAD, GOOD]


def test_a_record_costs_one_statement(server: ClickHouseAdapter, front: ClickHouseFront, database: str) -> None:
    """Where the table is there, an INSERT is all that is asked."""
    runs = EtlRunsAdapter(clickhouse=server, database=database, keep_days=365)
    runs.ensure_ready()
    before = front.round_trips
    runs.record([GOOD])
    assert front.round_trips - before == 1


def test_a_failure_stores_nothing(server: ClickHouseAdapter, front: ClickHouseFront, database: str) -> None:
    """A database that drops the connection is an error, not tried again, and nothing is stored."""
    runs = EtlRunsAdapter(clickhouse=server, database=database, keep_days=7_300)
    runs.ensure_ready()
    front.faults.append(Fault("reset", "INSERT"))
    with pytest.raises(StorageUnavailable):
        runs.record([GOOD])
    assert runs.recent("job", 1) == []


def test_runs_are_kept_as_long_as_told(clickhouse: ClickHouseAdapter, database: str) -> None:
    """Another number of days changes the table's expiry; the same one asks for no change."""
    for days in (365, 30, 30):
        EtlRunsAdapter(clickhouse=clickhouse, database=database, keep_days=days).ensure_ready()
        found = clickhouse.query(
            "SELECT engine_full FROM system.tables WHERE database = {db:String} AND name = 'etl_runs'", {"db": database}
        )
        assert f"TTL toDateTime(started_at, 'UTC') + toIntervalDay({days})" in str(found[0][0])


def test_columns_are_described(clickhouse: ClickHouseAdapter, database: str) -> None:
    """Every column has a comment and the agreed type: numbers count, everything else is text."""
    EtlRunsAdapter(clickhouse=clickhouse, database=database, keep_days=365).ensure_ready()
    found = clickhouse.query(
        "SELECT name, type, comment FROM system.columns WHERE database = {db:String} AND table = 'etl_runs' "
        "ORDER BY position",
        {"db": database},
    )
    assert [name for name, _, _ in found] == list(FIELDS)
    assert all(comment for _, _, comment in found)
    numbers = [name for name, kind, _ in found if kind == "UInt64"]
    assert numbers == list(FIELDS[6:16])
