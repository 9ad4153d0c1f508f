"""Every remedy that a message names works: each is carried out as it is printed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from adapters._bases.tehran_time import tehran_text
from configurations.config import PROJECT_ROOT
from tests.commands.test_status import status_of
from tests.commands.test_verify import put
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.installation import JOB, Installation
from tests.support.price_table import Sql
from tests.support.stepped_clock import SteppedClock

RUN_SH = re.compile(r"\./run\.sh (\w+(?: (?:cmc_\w+|\d+))*)")
STATEMENT = re.compile(r"(?:DELETE FROM|KILL MUTATION|RENAME TABLE) [^;]+")


def carry_out(program: Installation, sql: Sql, step: str) -> None:
    """Execute the step's statements, then its commands."""
    commands = RUN_SH.findall(step)
    statements = STATEMENT.findall(step)
    assert commands or statements, f"nothing to do in {step!r}"
    for statement in statements:
        sql(statement)
    for command in commands:
        done = program.at_clock(*command.split())
        assert done.code == 0, done


def steps_of(program: Installation) -> dict[str, str]:
    """The steps that ``verify`` names, by subject; its exit code says whether there is any."""
    done = program.at_clock("verify")
    below = done.out.partition("\nwhat to do\n")[2].partition("\n\n")[0].splitlines()
    found = dict(line.strip().split(": ", 1) for line in below)
    assert done.code == bool(found), done
    return found


CHANGED = "ALTER TABLE {} UPDATE %s WHERE symbol = 'BTC' AND datetime IN (%s) SETTINGS mutations_sync = 2"
FAULTS = {
    "duplicate keys": "INSERT INTO {} (symbol, fetched_at, price) VALUES ('BTC', '2026-11-23 15:38:00', 90001)",
    "keys against fetched_at": (
        "INSERT INTO {} (symbol, fetched_at, price, datetime) SETTINGS insert_allow_materialized_columns = 1 "
        "VALUES ('BTC', '2026-11-23 10:37:09', 90000, '2026-11-23 00:00:00')"
    ),
    "prices": CHANGED % ("price = -1", "'2026-11-22 09:00:00', '2026-11-23 11:00:00', '2026-11-23 15:00:00'"),
    "coins": CHANGED % ("cmc_id = 99", "'2026-11-23 10:00:00', '2026-11-23 13:00:00'"),
}


@pytest.mark.parametrize(
    ("subject", "commands"),
    [
        ("duplicate keys", []),
        ("keys against fetched_at", ["cron_heal"]),
        ("prices", ["cron_backfill", "cron_run"]),
        ("coins", ["coins", "cron_backfill"]),
    ],
)
def test_what_verify_names(program: Installation, sql: Sql, subject: str, commands: list[str]) -> None:
    """A run asks again for the present hour, a backfill for past ones; of duplicates the shown row stays."""
    assert program.run_job("backfill", "31").code == program.run_job().code == 0
    keys, view = (
        f"SELECT {columns} FROM crypto.{table} ORDER BY symbol, datetime"
        for columns, table in (("symbol, datetime", "crypto_prices"), ("*", "crypto_prices_hourly"))
    )
    hours = sql(keys)
    if subject == "keys against fetched_at":
        sql("DELETE FROM crypto.crypto_prices WHERE symbol = 'BTC' AND datetime = '2026-11-23 00:00:00'")
    sql(FAULTS[subject].format("crypto.crypto_prices"))
    shown = sql(view)
    steps = steps_of(program)
    assert list(steps) == [subject]
    assert [command.split()[0] for command in RUN_SH.findall(steps[subject])] == commands
    carry_out(program, sql, steps[subject])
    assert steps_of(program) == {}
    assert sql(keys) == hours
    assert commands or sql(view) == shown


def test_absurd_prices_of_a_symbol_that_is_not_followed(program: Installation, sql: Sql, clock: SteppedClock) -> None:
    assert program.run_job().code == 0
    put(sql, ("ADA", tehran_text(clock()), -1.0))
    step = steps_of(program)["prices"]
    assert step.startswith(f"put ADA into SYMBOLS, then ./run.sh cron_run {JOB}")
    program.settings["SYMBOLS"] += ",ADA"
    carry_out(program, sql, step)
    assert steps_of(program) == {}


@pytest.mark.parametrize("wrong", ["table", "view"])
def test_another_shape(program: Installation, sql: Sql, database: str, wrong: str) -> None:
    assert program.at_clock("setup_db").code == 0
    if wrong == "table":
        sql("ALTER TABLE crypto.crypto_prices MODIFY COLUMN price Nullable(Float64)")
        put(sql, ("BTC", "2021-05-04 10:00:00", None))
        sql("DROP VIEW crypto.crypto_prices_hourly")
        shown = program.at_clock("verify").out
        assert f"{database}.crypto_prices: column price is 'Nullable(Float64)', not 'Float64'" in shown
        assert f"{database}.crypto_prices_hourly: it is missing" in shown
        assert "BTC 2021-05-04 10:00:00: price NULL" in shown
    else:
        sql("DROP VIEW crypto.crypto_prices_hourly")
        sql("CREATE VIEW crypto.crypto_prices_hourly AS SELECT symbol FROM crypto.crypto_prices")
    step = steps_of(program)["shape"]
    assert step.startswith("./run.sh setup_db")
    if wrong == "table":
        sql("RENAME TABLE crypto.crypto_prices TO crypto.mine")
    carry_out(program, sql, step)
    assert steps_of(program) == {}


def test_a_statement_runs_on_the_embedded_engine(embedded_program: Installation, clock: SteppedClock) -> None:
    assert embedded_program.run_job().code == 0
    line = re.search(
        r"^ +(\.venv/bin/python -c .*) <<'SQL'$", (PROJECT_ROOT / "docs" / "operating.md").read_text(), re.MULTILINE
    )
    assert line is not None
    _, *arguments = shlex.split(line[1])
    clock.advance(timedelta(hours=-2))
    [statement] = STATEMENT.findall(steps_of(embedded_program)["future rows"])
    subprocess.run([sys.executable, *arguments], cwd=embedded_program.root, input=statement, text=True, check=True)
    assert steps_of(embedded_program) == {}


@pytest.mark.parametrize("fault", ["no run yet", "late", "gap", "pending", "damaged"])
def test_what_status_names(
    program: Installation, front: ClickHouseFront, sql: Sql, clock: SteppedClock, fault: str
) -> None:
    assert program.at_clock("setup_db").code == 0
    spool = program.data / "spool" / JOB
    if fault != "no run yet":
        assert program.run_job().code == 0
    if fault in {"late", "gap"}:
        clock.advance(timedelta(hours=3))
    if fault == "gap":
        assert program.run_job().code == 0
        clock.advance(timedelta(hours=24))
        assert program.run_job("backfill", "24").code == program.run_job().code == 0
    elif fault == "pending":
        front.refuse()
        assert program.run_job(RUN_TIMEOUT_SECONDS="4").code == 1
        front.listen()
        for path in spool.rglob("*.spool"):
            os.utime(path, ((clock() - timedelta(hours=2)).timestamp(),) * 2)
    elif fault == "damaged":
        (spool / "0000000001.spool").write_text("?")
        assert program.run_job().code == 0
    needs = status_of(program, 1)["needs"]
    for need in needs:
        if found := re.search(r"see (\S+)\.reason, then remove both files", need):
            Path(found[1]).unlink()
            Path(f"{found[1]}.reason").unlink()
        elif "check SYMBOLS" not in need:  # its run is named beside it
            carry_out(program, sql, need)
    assert status_of(program, 0)["needs"] == []


def row_of(program: Installation, subject: str) -> str:
    lines = program.command("check").out.splitlines()
    return "\n".join(line for line in lines if line.startswith((f"{subject}  ", f"  {subject}: ")))


@pytest.mark.parametrize("subject", ["table", f"job {JOB}", f"spool {JOB}", ".env"])
def test_what_check_names(program: Installation, front: ClickHouseFront, sql: Sql, subject: str) -> None:
    if subject.startswith("spool"):
        assert program.at_clock("setup_db").code == 0
        front.refuse()
        assert program.run_job(RUN_TIMEOUT_SECONDS="4").code == 1
        front.listen()
    (program.root / ".env").write_text("")
    before = row_of(program, subject)
    assert " warn " in before
    if mode := re.search(r"chmod 600 .*\.env", before):
        subprocess.run(shlex.split(mode[0]), check=True)
    else:
        carry_out(program, sql, before)
    assert " warn " not in row_of(program, subject)
