"""A batch that is rejected, or whose view fails, blocks nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.clickhouse_front import ClickHouseFront
from tests.support.installation import Installation
from tests.support.price_audit import PriceAudit
from tests.support.price_table import Sql

HOUR = timedelta(hours=1)


def reasons(program: Installation) -> str:
    return "".join(path.read_text() for path in (program.data / "spool/cmc_hourly_prices/rejected").glob("*.reason"))


@pytest.mark.parametrize("limit", ["a proxy's", "partitions"])
def test_batch_too_large_for_the_database_is_stored_in_parts(
    limit: str, program: Installation, front: ClickHouseFront, table: PriceAudit
) -> None:
    """A backfill and the hour after it, by runs that have nothing to report."""
    assert program.run_job().code == 0
    if limit == "partitions":
        front.profile = "few partitions"
    else:
        front.most_bytes = 30_000
    backfill = program.run_job("backfill", "740", SYMBOLS="BTC,ETH")
    assert backfill.code == 0, backfill.log
    program.clock.advance(HOUR)
    assert program.run_job().code == 0
    assert program.spooled == []
    table.assert_right(2 * 740 + 6)


@pytest.mark.parametrize("code", [241, 168])
def test_row_that_is_always_rejected_is_set_aside(
    code: int, program: Installation, front: ClickHouseFront, table: PriceAudit
) -> None:
    assert program.run_job().code == 0
    program.clock.advance(HOUR)
    front.refuse()
    assert program.run_job(RUN_TIMEOUT_SECONDS="2").code == 1
    front.listen()
    program.clock.advance(HOUR)
    front.fail("error", "INSERT", body=b"ETH", times=99, code=code)
    failed = program.run_job()
    assert failed.code == 1
    assert "the next run stores them" not in failed.log
    assert program.spooled == []
    table.assert_right(3 + 2 + 2)
    assert {f"'ETH' at 2026-11-23 {hour}:00:00: " in reasons(program) for hour in (13, 14)} == {True}
    assert f"error {code}" in reasons(program)
    front.faults.clear()
    program.clock.advance(HOUR)
    assert program.run_job().code == 0


def test_proxy_that_takes_no_row_is_named(program: Installation, front: ClickHouseFront, table: PriceAudit) -> None:
    assert program.run_job().code == 0
    program.clock.advance(HOUR)
    front.most_bytes = 1
    failed = program.run_job(RUN_TIMEOUT_SECONDS="4")
    assert (failed.code, "413" in failed.errors[-1], "client_max_body_size" in failed.errors[-1]) == (1, True, True)
    table.assert_right(3)


@pytest.mark.parametrize("broken", ["target", "cast"])
def test_view_that_fails_costs_no_row(broken: str, program: Installation, sql: Sql, table: PriceAudit) -> None:
    database = program.settings["CLICKHOUSE_DB"]
    assert program.run_job().code == 0
    sql("CREATE TABLE crypto.sink (price Float64, number UInt64) ENGINE = MergeTree ORDER BY price")
    select = f"SELECT price, {'toUInt64(name)' if broken == 'cast' else '1'} AS number FROM crypto.crypto_prices"
    sql(f"CREATE MATERIALIZED VIEW crypto.per_team TO crypto.sink AS {select}")
    if broken == "target":
        sql("DROP TABLE crypto.sink SYNC")
    program.clock.advance(HOUR)
    failed = program.run_job()
    assert failed.code == 1
    assert f"{database}.per_team" in failed.errors[-1]
    assert "3 stored" in failed.log
    assert program.spooled == []
    assert reasons(program) == ""
    table.assert_right(6)
    sql("DROP VIEW crypto.per_team SYNC")
    assert program.run_job().code == 0
