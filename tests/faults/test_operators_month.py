"""Forty days of an operator: what goes wrong in them loses no hour and no backup."""

from __future__ import annotations

import csv
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from sandbox.market import Market
from tests.support.faulty_source import FaultySource
from tests.support.installation import Installation
from tests.support.scale import LARGE
from tests.support.small_disk import filled, small_disk

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
DAYS, KEPT = (20, 30) if LARGE else (2, 3)
"""How many days pass at a time, and how many of the daily backups are kept."""
DAILY_BACKUPS = """
import sys
from datetime import datetime, timedelta
import time_machine
from main import app
start, days, kept = sys.argv[-3:]
for day in range(int(days)):
    with time_machine.travel((datetime.fromisoformat(start) + timedelta(days=day)).timestamp()):
        assert app(["backup", "--keep", kept, "--quiet"], standalone_mode=False) == 0
"""
OLDER_VIEWS = """
from crons.resources import Resources, system_clock
from configurations.config import load_settings
settings = load_settings()
with Resources(settings, task="test", clock=system_clock) as resources:
    for statement in ("DROP TABLE {}.crypto_renames SYNC", "DROP VIEW {}.crypto_prices_hourly",
                      "CREATE VIEW {}.crypto_prices_hourly AS SELECT symbol, datetime, price FROM {}.crypto_prices"):
        resources.database.command(statement.replace("{}", settings.clickhouse_db))
"""


TABLES = ("crypto_prices", "crypto_price_holes", "crypto_renames")


def done(program: Installation, *arguments: str) -> str:
    """What a command prints that succeeds."""
    finished = program.at_clock(*arguments)
    assert finished.code == 0, finished.out + finished.log
    return finished.out.strip()


def rows(program: Installation, sql: str) -> list[list[str]]:
    return list(csv.reader(done(program, "query", sql, "--format", "csv").splitlines()))[1:]


def pass_days(program: Installation) -> None:
    """With a backup on each, and no run: a heal fetches the hours."""
    finished = program.start("-c", DAILY_BACKUPS, program.clock().isoformat(), str(DAYS), str(KEPT)).ended()
    assert finished.code == 0, finished.log
    program.clock.advance(DAY * DAYS)
    assert program.run_job().code == 0
    assert program.run_job("heal", str(DAYS * 24), "--max-credits", "1000").code == 0


def drop_and_restore(program: Installation, backup: str = "") -> None:
    """From this backup, or from that of the drop."""
    sql = " UNION ALL ".join(f"SELECT '{table}' AS name, count(), sum(sipHash64(*)) FROM {table}" for table in TABLES)
    before = sorted(rows(program, sql))
    copy = done(program, "drop_db", "--yes", "--quiet")
    done(program, "restore", backup or copy)
    assert sorted(rows(program, sql)) == before


@pytest.mark.parametrize("fixture", ["embedded_program", "program"], ids=["embedded", "server"])
def test_a_month_loses_nothing(fixture: str, source: FaultySource, request: pytest.FixtureRequest) -> None:
    """Missed hours, an upgrade, a full disk, a renamed coin, drops and restores, daily backups."""
    program: Installation = request.getfixturevalue(fixture)
    clock, began = program.clock, program.clock()
    assert program.run_job().code == 0
    pass_days(program)
    assert program.start("-c", OLDER_VIEWS).ended().code == 0
    clock.advance(HOUR)
    assert program.run_job().code == 0

    clock.advance(HOUR)
    with small_disk(program.data / "spool") as disk:
        filled(disk)
        full = program.run_job()
    assert (full.code, "the rows are in the database" in full.errors[-1]) == (1, True)

    clock.advance(HOUR)
    source.market = Market(coin._replace(symbol="SOLX") if coin.id == 5426 else coin for coin in source.market.coins)
    renamed = program.run_job()
    command = re.search(r"\./run\.sh (coins --rename \S+); then set SYMBOLS=(\S+)", renamed.errors[-1])
    assert (renamed.code, command is not None) == (1, True)
    assert command is not None
    done(program, *command[1].split())
    program.settings["SYMBOLS"] = command[2]
    assert program.run_job().code == 0

    drop_and_restore(program)
    pass_days(program)
    last = done(program, "backup", "--keep", str(KEPT), "--quiet")
    drop_and_restore(program, last)

    assert "no errors" in done(program, "verify")
    assert "nothing needs attention" in done(program, "status")
    kept = [path.name for path in (program.root / "backups").iterdir() if path.is_dir()]
    assert (len(kept), Path(last).name in kept) == (KEPT + 2, True)
    hours = str((clock() - began) // HOUR + 1)
    view = "SELECT symbol, count(), uniqExact(datetime) FROM crypto_prices_hourly GROUP BY symbol ORDER BY symbol"
    assert rows(program, view) == [[symbol, hours, hours] for symbol in ("BTC", "ETH", "SOLX")]
    for cmc_id, updated, price in rows(program, "SELECT cmc_id, source_updated_at, toString(price) FROM crypto_prices"):
        assert float(price) == source.market.price(int(cmc_id), datetime.fromisoformat(f"{updated}+03:30"))
