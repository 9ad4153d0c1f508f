"""How much is printed, and in which colors."""

from __future__ import annotations

import re
import signal
from datetime import timedelta

import pytest

from adapters._bases.tehran_time import in_tehran
from tests.support import faults
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.eventually import eventually
from tests.support.faulty_source import FaultySource
from tests.support.installation import JOB, MAIN_AT, RUN_AT, Installation
from tests.support.price_table import Sql
from tests.support.stepped_clock import SteppedClock
from tests.support.terminal import on_a_terminal


@pytest.mark.parametrize(("which", "where"), [("job", ".env"), ("status", "environment"), ("status", ".env")])
def test_no_color_is_respected(program: Installation, clock: SteppedClock, which: str, where: str) -> None:
    assert program.run_job().code == 0
    clock.advance(timedelta(hours=2))  # status shows the missing hour in yellow
    assert program.run_job().code == 0
    backfill, status = (RUN_AT, JOB, "backfill", "5"), (MAIN_AT, "status", JOB, "--all")
    file, *rest = backfill if which == "job" else status
    arguments = (file, clock().isoformat(), *rest)
    assert "\x1b[3" in on_a_terminal(program, *arguments)
    (program.root / ".env").write_text("NO_COLOR=1\n" if where == ".env" else "")
    wanted = {"NO_COLOR": "1"} if where == "environment" else {}
    assert "\x1b[3" not in on_a_terminal(program, *arguments, settings=wanted)


def test_a_command_in_a_table_stands_on_one_line(program: Installation) -> None:
    assert program.run_job().code == 0
    assert program.run_job(SYMBOLS="BTC:1027").code == 2
    shown = on_a_terminal(program, "-m", "main", "runs")
    for command in ("./run.sh coins --accept BTC:1027", "./run.sh coins --reset BTC"):
        assert command in shown


def plain(drawn: str) -> str:
    """What a terminal was sent, without its colors and movements of the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn)


def test_a_terminal_gets_bars(program: Installation, clock: SteppedClock) -> None:
    """Of a backfill by hours, coins and rows; of an export and a restore by rows; each with its speed and time left."""
    backfill = on_a_terminal(program, RUN_AT, clock().isoformat(), JOB, "backfill", "5", columns=160)
    assert re.search(r"━+ +100% +15/15 hours.* 0:00:00", plain(backfill))
    dropped = on_a_terminal(program, "-m", "main", "drop_db", "--yes", columns=160)
    assert re.search(r"verifying .* 100% +15/15 rows.* 0:00:00", plain(dropped))
    [backup] = (program.root / "backups").iterdir()
    restored = on_a_terminal(program, "-m", "main", "restore", str(backup), columns=160)
    assert re.search(r"storing .* 100% +15/15 rows.* 0:00:00", plain(restored))


def test_lines_at_a_terminal_are_short(program: Installation, clock: SteppedClock) -> None:
    """Time of day, level, event and what matters of it, broken at blanks alone; the same run's file has every fact."""
    arguments = (RUN_AT, clock().isoformat(), JOB)
    lines = plain(on_a_terminal(program, *arguments)).splitlines()
    assert max(map(len, lines)) < 80
    assert [line for line in lines if line[:8] == f"{in_tehran(clock()):%H:%M:%S}" and "info    run finished: " in line]
    assert not any("job=" in line or "run=" in line for line in lines)
    [whole] = [line for line in program.run_job().log.splitlines() if "] run finished " in line]
    assert all(f" {name}=" in whole for name in ("inserted", "updated", "unchanged", "credits", "job", "run"))


def test_errors_at_a_terminal_are_broken_at_blanks(program: Installation) -> None:
    wrong = {"LOG_LEVEL": "LOUD", "CLICKHOUSE_PORT": "tcp://10.0.0.1:9000"}
    shown = on_a_terminal(program, "-m", "main", "status", code=2, settings=wrong).splitlines()
    piped = program.command("status", **wrong).log
    assert max(map(len, shown)) < 80
    assert " ".join(" ".join(shown).split()) == " ".join(piped.split())


def test_quiet_commands_print_errors_only(
    program: Installation, front: ClickHouseFront, sql: Sql, clock: SteppedClock
) -> None:
    """At a terminal too; a report and a backup print their path, a check of the prices what is wrong."""
    for arguments in ((), ("backfill", "5"), ("heal",)):
        assert on_a_terminal(program, RUN_AT, clock().isoformat(), JOB, *arguments, "--quiet") == ""
    report = on_a_terminal(program, "-m", "main", "report", "5", "--quiet")
    assert [report.strip()] == [str(path) for path in (program.root / "reports").iterdir()]
    dropped = on_a_terminal(program, "-m", "main", "drop_db", "--yes", "--quiet")
    [backup] = (program.root / "backups").iterdir()
    assert dropped.strip() == str(backup)
    assert on_a_terminal(program, "-m", "main", "restore", str(backup), "--quiet") == ""
    assert on_a_terminal(program, "-m", "main", "verify", "--quiet") == ""
    sql("ALTER TABLE crypto.crypto_prices UPDATE price = -1 WHERE 1 SETTINGS mutations_sync = 2")
    wrong = program.command("verify", "--quiet")
    assert (wrong.code, wrong.log, "fail" in wrong.out, " ok " in wrong.out) == (1, "", True, False)
    refused = program.command("restore", "nowhere", "--quiet")
    assert (refused.code, refused.out, refused.log[:7]) == (1, "", "error: ")
    front.refuse()
    failed = program.run_job("--quiet", RUN_TIMEOUT_SECONDS="4")
    assert (failed.code, failed.out) == (1, "")
    assert any("connection was refused" in line for line in failed.errors)


def test_a_run_that_was_killed_is_in_the_history(
    program: Installation, sql: Sql, source: FaultySource, clock: SteppedClock
) -> None:
    """SIGKILL leaves a run no time for a record; the next run makes it from the note that the lock kept."""
    assert program.run_job().code == 0
    source.faults.push(faults.hang(), path="/quotes/latest")
    clock.advance(timedelta(seconds=1))
    running = program.start_job()
    eventually(lambda: program.noted("pid") == running.process.pid and "latest quotes" in program.step())
    assert running.end().code == -signal.SIGKILL
    clock.advance(timedelta(seconds=1))
    assert "was killed" in program.run_job().log
    clock.advance(timedelta(seconds=1))
    assert "was killed" not in program.run_job().log
    told = sql("SELECT kind, started_at, status, error FROM crypto.etl_runs ORDER BY started_at")
    assert [run[2] for run in told] == ["ok", "failed", "ok", "ok"]
    assert told[1][:3] == ("run", "2026-11-23 15:37:10", "failed")
    assert str(told[1][3]).endswith("while asking CoinMarketCap for the latest quotes")


def test_a_dry_run_of_a_heal_makes_no_database(embedded_program: Installation) -> None:
    done = embedded_program.run_job("heal", "5", "--dry-run")
    assert (done.code, done.log.count("dry_run=True")) == (0, 2)
    assert "hours_each=5" in done.log
    assert not list(embedded_program.data.glob("clickhouse*"))
