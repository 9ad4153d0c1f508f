"""The table's own troubles: a mutation that is stuck, a backup that is none, a TTL."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.clickhouse_front import ClickHouseFront
from tests.support.eventually import eventually
from tests.support.installation import Installation
from tests.support.price_audit import PriceAudit
from tests.support.price_table import Sql, fingerprint


def backup_of(program: Installation) -> Path:
    (backup,) = (program.root / "backups").glob("[!.]*")
    return backup


def test_stuck_mutation_is_reported_with_its_fix(program: Installation, sql: Sql, table: PriceAudit) -> None:
    assert program.run_job().code == 0
    sql(
        "ALTER TABLE crypto.crypto_prices UPDATE name = toString(throwIf(1, 'boo')) WHERE 1 "
        "SETTINGS mutations_sync = 0, alter_update_mode = 'heavy'"
    )
    stuck = "SELECT count() FROM system.mutations WHERE database = 'crypto' AND latest_fail_reason != ''"

    eventually(lambda: sql(stuck) != [(0,)])
    program.clock.advance(timedelta(hours=1))
    run = program.run_job()
    assert run.code == 0
    assert (
        f"KILL MUTATION WHERE database = '{program.settings['CLICKHOUSE_DB']}' AND table = 'crypto_prices'" in run.log
    )
    assert "boo" in run.log
    assert "KILL MUTATION" in "".join(program.command("check").out.split("\n"))
    sql("KILL MUTATION WHERE database = 'crypto' AND table = 'crypto_prices'")
    assert "KILL MUTATION" not in program.run_job().log
    table.assert_right(6)


def test_damaged_backup_is_rejected(program: Installation, sql: Sql) -> None:
    assert program.run_job("backfill", "24").code == 0
    assert program.command("drop_db", "--yes").code == 0
    backup = backup_of(program) / "crypto_prices.jsonl.gz"
    whole = backup.read_bytes()
    assert program.run_job().code == 0
    before = fingerprint(sql)
    backup.write_bytes(whole[: len(whole) // 2])
    refused = program.command("restore", str(backup.parent))
    assert refused.code == 1
    assert len([line for line in refused.log.splitlines() if line.startswith("error: ")]) == 1
    assert "Traceback" not in refused.log
    assert fingerprint(sql) == before


def test_failed_backup_keeps_the_table(program: Installation, front: ClickHouseFront, sql: Sql) -> None:
    assert program.run_job().code == 0
    before = fingerprint(sql)
    front.fail("half", "SELECT symbol, cmc_id", times=9)
    dropped = program.command("drop_db", "--yes", RUN_TIMEOUT_SECONDS="4")
    assert dropped.code == 1
    assert fingerprint(sql) == before
    assert list((program.root / "backups").iterdir()) == []


def test_next_backup_removes_what_a_killed_one_left(program: Installation, front: ClickHouseFront) -> None:
    assert program.run_job().code == 0
    hang = front.fail("hang", "SELECT symbol, cmc_id")
    exporting = program.start("-m", "main", "drop_db", "--yes")
    hang.wait()
    exporting.end()
    assert front.asked("DROP") == []
    assert len(list((program.root / "backups").iterdir())) == 1
    assert program.command("drop_db", "--yes").code == 0
    assert list((program.root / "backups").iterdir()) == [backup_of(program)]
    assert not backup_of(program).name.startswith(".")


@pytest.mark.parametrize(
    "ttl",
    [
        "toDateTime(datetime, 'Asia/Tehran') + INTERVAL {hours} HOUR",
        "parseDateTimeBestEffort(fetched_at, 'Asia/Tehran') + toIntervalHour({hours}) DELETE WHERE endpoint != 'x'",
    ],
)
def test_hours_that_a_ttl_deletes_are_left_out(ttl: str, program: Installation, sql: Sql, table: PriceAudit) -> None:
    """By the backfill and the heal, which are done then; `check` and `verify` report it."""
    assert program.run_job().code == 0
    since_then = sql("SELECT dateDiff('hour', toDateTime('2026-11-23 12:00:00', 'Asia/Tehran'), now())")
    hours = int(str(since_then[0][0])) + 30
    name = f"{program.settings['CLICKHOUSE_DB']}.crypto_prices"
    sql(f"ALTER TABLE {name} MODIFY TTL {ttl.format(hours=hours)} SETTINGS materialize_ttl_after_modify = 0")
    for task in ("backfill", "heal"):
        done = program.run_job(task, "48")
        assert done.code == 0, done.log
        left_out = re.search(rf"(\d+) hours of 48 left out: the TTL of {name} deletes them: .*toIntervalHour", done.log)
        assert left_out
        assert 48 - 30 - 3 <= int(left_out[1]) <= 48 - 30
        assert len(table.rows()) == 3 * (48 - int(left_out[1]) + 1)
    for command in ("check", "verify"):
        assert "toIntervalHour" in program.command(command).out
