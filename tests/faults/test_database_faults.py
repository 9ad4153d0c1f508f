"""The database fails: what was fetched waits in the spool, and the next run stores it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.clickhouse_front import ClickHouseFront, Fault, FaultKind
from tests.support.faulty_source import FaultySource
from tests.support.installation import Installation
from tests.support.price_audit import PriceAudit
from tests.support.price_table import Sql

HOUR = timedelta(hours=1)
THREE_AT_12 = {("BTC", "2026-11-23 12:00:00"), ("ETH", "2026-11-23 12:00:00"), ("SOL", "2026-11-23 12:00:00")}
THREE_AT_13 = {(symbol, "2026-11-23 13:00:00") for symbol, _ in THREE_AT_12}
QUICK = {"RUN_TIMEOUT_SECONDS": "4"}
"""The tries at the database take nearly all of it, so a test does not wait for ten minutes of them."""

KEPT = "3 rows kept in data/spool/cmc_hourly_prices; the next run stores them"


@pytest.fixture
def clean_slate(program: Installation, table: PriceAudit) -> PriceAudit:
    program.clock.advance(-HOUR)
    assert program.run_job().code == 0
    program.clock.advance(HOUR)
    return table


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("reset", times=99), "request failed"),
        (Fault("error", "INSERT", times=99, code=242), "242"),
        (Fault("error", "INSERT", times=99, code=164), "right to write"),
        (Fault("error", "INSERT", times=99, code=243, text="Not enough space"), "disk space"),
        (Fault("half", "SELECT toUInt64", times=99), "request failed"),
        (Fault("error", "SELECT", times=99, code=516), "CLICKHOUSE_PASSWORD"),
    ],
    ids=["reset", "read-only replica", "read-only user", "full disk", "half an answer", "wrong password"],
)
def test_rows_stay_in_the_spool_until_the_database_recovers(
    fault: Fault, words: str, program: Installation, front: ClickHouseFront, table: PriceAudit
) -> None:
    front.faults.append(fault)
    failed = program.run_job(**QUICK)
    assert failed.code == 1
    assert words in failed.log
    assert KEPT in failed.errors[-1]
    assert program.spooled_keys() == THREE_AT_12
    assert table.keys().isdisjoint(THREE_AT_12)
    front.faults.clear()
    program.clock.advance(HOUR)
    healed = program.run_job()
    assert healed.code == 0
    assert "replayed=3" in healed.log
    assert program.spooled == []
    table.assert_right(at_least=THREE_AT_12 | THREE_AT_13)


def test_unreachable_database_loses_no_hour(
    program: Installation, front: ClickHouseFront, source: FaultySource, table: PriceAudit
) -> None:
    front.refuse()
    for waiting in (1, 2):
        down = program.run_job(**QUICK)
        assert down.code == 1
        assert "refused" in down.log
        assert "Retry(total" not in down.log
        assert KEPT.replace("3", str(3 * waiting)) in down.errors[-1]
        assert len(program.spooled) == waiting
        program.clock.advance(HOUR)
    assert len([request for request in source.requests if request.path.endswith("/quotes/latest")]) == 2
    front.listen()
    assert "replayed=6" in program.run_job().log
    table.assert_right(9, at_least=THREE_AT_12 | THREE_AT_13)


def test_missing_table_is_created_and_a_different_one_is_kept(
    program: Installation, clean_slate: PriceAudit, sql: Sql
) -> None:
    sql("DROP TABLE crypto.crypto_prices SYNC")
    assert program.run_job().code == 0
    clean_slate.assert_right(at_least=THREE_AT_12)
    sql("TRUNCATE TABLE crypto.crypto_prices")
    sql("ALTER TABLE crypto.crypto_prices DROP COLUMN name")
    failed = program.run_job()
    assert failed.code == 1
    assert program.spooled_keys() == THREE_AT_12
    assert clean_slate.keys().isdisjoint(THREE_AT_12)
    sql("ALTER TABLE crypto.crypto_prices ADD COLUMN name String AFTER cmc_id")
    program.clock.advance(HOUR)
    assert program.run_job().code == 0
    assert clean_slate.keys() >= THREE_AT_12


@pytest.mark.parametrize("statement", ["INSERT", "ALTER"])
@pytest.mark.parametrize("kind", ["reset", "execute_then_reset"])
def test_ambiguous_answer_duplicates_nothing(
    statement: str, kind: FaultKind, program: Installation, front: ClickHouseFront, clean_slate: PriceAudit
) -> None:
    if statement == "ALTER":
        assert program.run_job().code == 0
        program.clock.advance(timedelta(minutes=10))
    front.fail(kind, statement)
    run = program.run_job()
    assert run.code == 0, run.log
    assert front.faults == []
    assert program.spooled == []
    clean_slate.assert_right(6, at_least=THREE_AT_12)
    assert {row.source_updated_at[11:16] for row in clean_slate.rows() if row.key in THREE_AT_12} == {
        "12:45" if statement == "ALTER" else "12:35"
    }
