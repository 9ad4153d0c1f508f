"""Every remedy that a message names mends what it is named for: each is carried out as it is printed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.tehran_time import tehran_text
from tests.commands.test_status import status_of
from tests.commands.test_verify import put
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.installation import JOB, Installation
from tests.support.stepped_clock import SteppedClock

ROOT = Path(__file__).parents[2]
RUN_SH = re.compile(r"\./run\.sh (\w+(?: (?:cmc_\w+|\d+))*)")
STATEMENT = re.compile(r"(?:DELETE FROM|KILL MUTATION|RENAME TABLE) [^;]+")
KINDS = {"cron_run": [], "cron_backfill": ["backfill"], "cron_heal": ["heal"]}


def carry_out(program: Installation, step: str) -> None:
    commands = RUN_SH.findall(step)
    assert commands, f"no command in {step!r}"
    for name, *rest in map(str.split, commands):
        if name in KINDS:
            assert rest[:1] == [JOB]
            done = program.run_job(*KINDS[name], *rest[1:])
        else:
            done = program.at_clock(name, *rest)
        assert done.code == 0, done


def steps_of(program: Installation) -> dict[str, str]:
    """What ``verify`` says is to be done, by what it looked at; it fails if that is anything."""
    done = program.at_clock("verify")
    below = done.out.partition("\nwhat to do\n")[2].partition("\n\n")[0].splitlines()
    found = dict(line.strip().split(": ", 1) for line in below)
    assert done.code == bool(found), done
    return found


def break_key(embedded: ClickHouseAdapter, database: str, ago: str) -> None:
    embedded.command(
        f"INSERT INTO {database}.crypto_prices (symbol, fetched_at, price, datetime) SETTINGS "
        f"insert_allow_materialized_columns = 1 VALUES ('BTC', '{ago}', 90000, '{ago[:11]}00:00:00')"
    )


def test_duplicates(program: Installation, embedded: ClickHouseAdapter, database: str, clock: SteppedClock) -> None:
    assert program.run_job("backfill", "3").code == program.run_job().code == 0
    for minutes in (1, 2):
        put(embedded, database, ("BTC", tehran_text(clock() + timedelta(minutes=minutes)), 90_000.0 + minutes))
    view = f"SELECT * FROM {database}.crypto_prices_hourly ORDER BY symbol, datetime"
    shown = embedded.query(view)
    steps = steps_of(program)
    assert list(steps) == ["duplicate keys"]
    [statement] = STATEMENT.findall(steps["duplicate keys"])
    embedded.command(statement)
    assert steps_of(program) == {}
    assert embedded.query(view) == shown


def test_wrong_keys(program: Installation, embedded: ClickHouseAdapter, database: str, clock: SteppedClock) -> None:
    assert program.run_job("backfill", "30").code == program.run_job().code == 0
    hours = embedded.query(f"SELECT symbol, datetime FROM {database}.crypto_prices ORDER BY ALL")
    ago = tehran_text(clock() - timedelta(hours=5))
    embedded.command(f"DELETE FROM {database}.crypto_prices WHERE symbol = 'BTC' AND datetime = '{ago[:11]}00:00:00'")
    break_key(embedded, database, ago)
    steps = steps_of(program)
    assert list(steps) == ["keys against fetched_at"]
    [statement] = STATEMENT.findall(steps["keys against fetched_at"])
    embedded.command(statement)
    carry_out(program, steps["keys against fetched_at"])
    assert steps_of(program) == {}
    assert embedded.query(f"SELECT symbol, datetime FROM {database}.crypto_prices ORDER BY ALL") == hours


def test_absurd_prices(program: Installation, embedded: ClickHouseAdapter, database: str, clock: SteppedClock) -> None:
    """A run asks again for the present hour, a backfill for past ones, and both where both are wrong."""
    assert program.run_job("backfill", "31").code == program.run_job().code == 0
    keys = ", ".join(f"'{tehran_text(clock() - timedelta(hours=hours))[:13]}:00:00'" for hours in (0, 4, 30))
    embedded.command(
        f"ALTER TABLE {database}.crypto_prices UPDATE price = -1 WHERE symbol = 'ETH' AND datetime IN ({keys}) "
        "SETTINGS mutations_sync = 2"
    )
    steps = steps_of(program)
    assert list(steps) == ["prices"]
    assert "cron_run" in steps["prices"]
    assert "cron_backfill" in steps["prices"]
    carry_out(program, steps["prices"])
    assert steps_of(program) == {}


def test_absurd_prices_of_a_symbol_that_is_not_followed(
    program: Installation, embedded: ClickHouseAdapter, database: str, clock: SteppedClock
) -> None:
    assert program.run_job().code == 0
    put(embedded, database, ("ADA", tehran_text(clock()), -1.0))
    step = steps_of(program)["prices"]
    assert step.startswith(f"put ADA into SYMBOLS, then ./run.sh cron_run {JOB}")
    program.settings["SYMBOLS"] += ",ADA"
    carry_out(program, step)
    assert steps_of(program) == {}


def test_two_coins(program: Installation, embedded: ClickHouseAdapter, database: str, clock: SteppedClock) -> None:
    """The hours of the coin that the symbol does not mean take the prices of the one that it does."""
    assert program.run_job("backfill", "6").code == program.run_job().code == 0
    keys = ", ".join(f"'{tehran_text(clock() - timedelta(hours=hours))[:13]}:00:00'" for hours in (2, 5))
    embedded.command(
        f"ALTER TABLE {database}.crypto_prices UPDATE cmc_id = 99 WHERE symbol = 'BTC' AND datetime IN ({keys}) "
        "SETTINGS mutations_sync = 2"
    )
    steps = steps_of(program)
    assert list(steps) == ["coins"]
    carry_out(program, steps["coins"])
    assert steps_of(program) == {}


@pytest.mark.parametrize("wrong", ["table", "view"])
def test_another_shape(program: Installation, embedded: ClickHouseAdapter, database: str, wrong: str) -> None:
    assert program.at_clock("setup_db").code == 0
    if wrong == "table":
        embedded.command(f"ALTER TABLE {database}.crypto_prices MODIFY COLUMN price Nullable(Float64)")
    else:
        embedded.command(f"DROP VIEW {database}.crypto_prices_hourly")
        embedded.command(f"CREATE VIEW {database}.crypto_prices_hourly AS SELECT symbol FROM {database}.crypto_prices")
    step = steps_of(program)["shape"]
    assert step.startswith("./run.sh setup_db")
    if wrong == "table":
        embedded.command(f"RENAME TABLE {database}.crypto_prices TO {database}.mine")
    carry_out(program, step)
    assert steps_of(program) == {}


def test_a_statement_runs_on_the_embedded_engine(embedded_program: Installation, clock: SteppedClock) -> None:
    assert embedded_program.run_job().code == 0
    line = re.search(
        r"^ +(\.venv/bin/python -c .*) <<'SQL'$", (ROOT / "docs" / "operating.md").read_text(), re.MULTILINE
    )
    assert line is not None
    _, *arguments = shlex.split(line[1])
    clock.advance(timedelta(hours=-2))
    [statement] = STATEMENT.findall(steps_of(embedded_program)["future rows"])
    subprocess.run([sys.executable, *arguments], cwd=embedded_program.root, input=statement, text=True, check=True)
    assert steps_of(embedded_program) == {}


def no_run_yet(_program: Installation, _front: ClickHouseFront, _clock: SteppedClock) -> None:
    """A fresh table."""


def late(program: Installation, _front: ClickHouseFront, clock: SteppedClock) -> None:
    assert program.run_job().code == 0
    clock.advance(timedelta(hours=3))


def gap(program: Installation, front: ClickHouseFront, clock: SteppedClock) -> None:
    late(program, front, clock)
    assert program.run_job().code == 0
    clock.advance(timedelta(hours=24))
    assert program.run_job("backfill", "24").code == program.run_job().code == 0


def waiting(program: Installation, front: ClickHouseFront, clock: SteppedClock) -> None:
    assert program.run_job().code == 0
    front.refuse()
    assert program.run_job().code == 1
    front.listen()
    old = (clock() - timedelta(hours=2)).timestamp()
    for path in (program.data / "spool").rglob("*.spool"):
        os.utime(path, (old, old))


def damaged(program: Installation, _front: ClickHouseFront, _clock: SteppedClock) -> None:
    assert program.run_job().code == 0
    (program.data / "spool" / JOB).mkdir(parents=True, exist_ok=True)
    (program.data / "spool" / JOB / "0000000001.spool").write_text("?")
    assert program.run_job().code == 0


@pytest.mark.parametrize("fault", [no_run_yet, late, gap, waiting, damaged])
def test_what_status_names(
    program: Installation,
    front: ClickHouseFront,
    clock: SteppedClock,
    fault: Callable[[Installation, ClickHouseFront, SteppedClock], None],
) -> None:
    assert program.at_clock("setup_db").code == 0
    fault(program, front, clock)
    needs = status_of(program, 1)["needs"]
    for need in needs:
        if found := re.search(r"see (\S+)\.reason, then remove both files", need):
            Path(found[1]).unlink()
            Path(f"{found[1]}.reason").unlink()
        elif "check SYMBOLS" not in need:  # its run is named beside it
            carry_out(program, need)
    assert status_of(program, 0)["needs"] == []


def row_of(program: Installation, subject: str) -> str:
    lines = program.command("check").out.splitlines()
    return "\n".join(line for line in lines if line.startswith((f"{subject}  ", f"  {subject}: ")))


@pytest.mark.parametrize("subject", ["table", f"job {JOB}", f"spool {JOB}", ".env"])
def test_what_check_names(program: Installation, front: ClickHouseFront, subject: str) -> None:
    if subject.startswith("spool"):
        assert program.at_clock("setup_db").code == 0
        front.refuse()
        assert program.run_job().code == 1
        front.listen()
    (program.root / ".env").write_text("")
    before = row_of(program, subject)
    assert " warn " in before
    if mode := re.search(r"chmod 600 .*\.env", before):
        subprocess.run(shlex.split(mode[0]), check=True)
    else:
        carry_out(program, before)
    assert " warn " not in row_of(program, subject)
