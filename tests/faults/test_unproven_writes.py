"""The database or a proxy acknowledges what is not so: the run fails, and no key is inserted twice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.clickhouse_front import ClickHouseFront
from tests.support.installation import Installation
from tests.support.price_audit import PriceAudit
from tests.support.price_table import Sql

LOOK_UP = "SELECT toUInt64"
HOUR = timedelta(hours=1)


@pytest.fixture
def stored(program: Installation, table: PriceAudit) -> PriceAudit:
    assert program.run_job().code == 0
    return table


@pytest.mark.parametrize("symbols", ["BTC", "BTC,ETH,SOL"])
def test_response_that_is_cut_doubles_no_key(
    symbols: str, program: Installation, front: ClickHouseFront, stored: PriceAudit
) -> None:
    """Without a length, so that the driver does not notice."""
    front.fail("cut", LOOK_UP, times=99)
    failed = program.run_job(RUN_TIMEOUT_SECONDS="4", SYMBOLS=symbols)
    assert failed.code == 1
    assert "cut short" in failed.errors[-1]
    front.faults.clear()
    assert program.run_job().code == 0
    assert len(stored.rows()) == 3


def test_cache_in_front_of_the_database_answers_nothing(
    program: Installation, front: ClickHouseFront, table: PriceAudit
) -> None:
    """Neither the look-up nor what comes before it, from the first run on."""
    front.cached = True
    for _ in range(2):
        assert program.run_job().code == 0
        program.clock.advance(timedelta(minutes=10))
    table.assert_right(3)


@pytest.mark.parametrize("hidden", ["symbol != 'ETH'", "0"])
def test_hidden_rows_are_inserted_once(
    hidden: str, program: Installation, front: ClickHouseFront, stored: PriceAudit
) -> None:
    """A row policy hides stored keys: each has one extra row, however many runs follow, and is held until seen."""
    front.shown = hidden
    for _ in range(3):
        failed = program.run_job()
        assert (failed.code, program.spooled) == (1, [])
        assert "ETH at 2026-11-23 12:00:00: not visible" in failed.errors[-1]
        assert "row policy" in failed.errors[-1]
        program.clock.advance(timedelta(minutes=5))
    extra = 1 if "ETH" in hidden else 3
    assert len(stored.rows()) == 3 + extra
    held = sorted(path.name for path in (program.data / "spool" / "cmc_hourly_prices" / "held").iterdir())
    assert len(held) == extra
    assert f"{extra} row" in program.command("check").out
    assert "ETH 2026-11-23 12:00:00.spool" in held
    front.shown = ""
    assert program.run_job().code == 0
    assert len(stored.rows()) == 3 + extra
    assert not list((program.data / "spool" / "cmc_hourly_prices" / "held").iterdir())


@pytest.mark.parametrize("statement", ["INSERT", "ALTER"])
def test_write_that_the_database_forgets_fails_the_run(
    statement: str, program: Installation, front: ClickHouseFront, stored: PriceAudit
) -> None:
    """An insert is never repeated, an update is; the operator may remove a held row."""
    program.clock.advance(HOUR if statement == "INSERT" else timedelta(minutes=5))
    front.fail("forget", statement)
    failed = program.run_job()
    assert failed.code == 1
    assert "acknowledged 3 rows" in failed.errors[-1]
    assert "3 stored" not in failed.log
    if statement == "ALTER":
        assert "BTC at 2026-11-23 12:00:00: still with price" in failed.errors[-1]
    else:
        for _ in range(2):
            program.clock.advance(HOUR)
            again = program.run_job()
            assert (again.code, "13:00:00: not visible" in again.errors[-1]) == (1, True)
        for held in (program.data / "spool" / "cmc_hourly_prices" / "held").iterdir():
            held.unlink()
    assert program.run_job().code == 0
    stored.assert_right(9 if statement == "INSERT" else 3)


@pytest.mark.present_engine
def test_setting_that_a_proxy_drops_is_named(program: Installation, front: ClickHouseFront, stored: PriceAudit) -> None:
    """Only if the value in force would make answers wrong."""
    front.dropped = ("limit", "wait_for_async_insert", "max_execution_time")
    assert program.run_job().code == 0
    for profile, named in (("limit", "limit or offset"), ("wait_for_async_insert", "wait_for_async_insert = 0")):
        front.profile = profile
        for run in (program.run_job(RUN_TIMEOUT_SECONDS="4"), program.command("status")):
            assert run.code == 1
            assert named in run.log + run.out
            assert "proxy" in run.log + run.out
    assert len(stored.rows()) == 3


def test_update_that_does_not_return_is_named(
    program: Installation, front: ClickHouseFront, stored: PriceAudit
) -> None:
    program.clock.advance(timedelta(minutes=5))
    front.fail("hang", "ALTER", times=9)
    failed = program.run_job(RUN_TIMEOUT_SECONDS="4")
    assert failed.code == 1
    assert "waits for the update" in failed.errors[-1]
    assert "system.mutations" in failed.errors[-1]
    assert len(stored.rows()) == 3


def test_rows_equal_to_removed_ones_are_stored(program: Installation, stored: PriceAudit, sql: Sql) -> None:
    """Insert deduplication, which a table may have, swallows no restored row."""
    sql("ALTER TABLE crypto.crypto_prices MODIFY SETTING non_replicated_deduplication_window = 100")
    assert program.command("backup").code == 0
    [backup] = (program.root / "backups").iterdir()
    for _ in range(2):
        sql("TRUNCATE TABLE crypto.crypto_prices")
        assert program.command("restore", str(backup)).code == 0
        assert len(stored.rows()) == 3
