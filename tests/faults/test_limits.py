"""Time limits and signals: a run goes on while there is time, ends if something hangs, and has lost nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
from datetime import datetime, timezone
from pathlib import Path

import pytest

from tests.support import faults
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.faulty_source import Fault, FaultySource
from tests.support.installation import JOB, Installation
from tests.support.price_audit import PriceAudit

TERMINATED = 143
TIMES = 5
"""More failures than five tries outlast."""


def test_hung_source_ends_the_run_in_time(program: Installation, source: FaultySource) -> None:
    """Exit code 1 at the run's limit, which names what was awaited; the lock is free."""
    source.faults.push(faults.hang(), path="/quotes/latest", times=9)
    began = datetime.now(timezone.utc)
    run = program.run_job(RUN_TIMEOUT_SECONDS="2")
    assert (datetime.now(timezone.utc) - began).total_seconds() < 25  # HTTP_TIMEOUT_SECONDS alone is 30
    assert run.code == 1
    assert "CoinMarketCap" in run.errors[0]
    assert "RUN_TIMEOUT_SECONDS" in run.log
    source.faults.release()
    source.faults.clear()
    assert program.run_job().code == 0


def test_engine_that_does_not_return_ends_the_run_in_time(embedded_program: Installation, tmp_path: Path) -> None:
    """Its rows are in the spool, and the log says so although the engine had stderr."""
    (tmp_path / "chdb.py").write_text("import time; time.sleep(300)")
    path = {"PYTHONPATH": f"{tmp_path}:{embedded_program.root / 'src'}"}
    run = embedded_program.run_job(RUN_TIMEOUT_SECONDS="3", **path)
    assert run.code == 1
    [error] = run.errors
    assert "not done within 3 s" in error
    assert "3 rows" in error


def test_hung_database_ends_the_run_in_time(program: Installation, front: ClickHouseFront, table: PriceAudit) -> None:
    front.fail("hang", "INSERT", times=9)
    run = program.run_job(RUN_TIMEOUT_SECONDS="4")
    assert (run.code, len(program.spooled)) == (1, 1)
    assert f"data/spool/{JOB}" in run.errors[-1]
    front.faults.clear()
    assert program.run_job().code == 0
    table.assert_right(3)


@pytest.mark.parametrize("command", ["check", "setup_db"])
def test_unresponsive_database_times_out(command: str, program: Installation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = str(silent.getsockname()[1])
        began = datetime.now(timezone.utc)
        done = program.command(command, CLICKHOUSE_PORT=port, HTTP_TIMEOUT_SECONDS="1")
    assert (datetime.now(timezone.utc) - began).total_seconds() < 20
    assert done.code == 1
    assert f"127.0.0.1:{port}" in done.out + done.log
    assert "Traceback" not in done.log


@pytest.mark.parametrize(
    ("arguments", "number"), [((), signal.SIGTERM), (("backfill", "5"), signal.SIGINT)], ids=["run", "backfill"]
)
def test_signal_while_the_source_hangs(
    arguments: tuple[str, ...], number: signal.Signals, program: Installation, source: FaultySource, table: PriceAudit
) -> None:
    ended = faults.hung(program, source, *arguments)[0].end(number)
    assert (ended.code, number.name in ended.errors[0], "CoinMarketCap" in ended.errors[0]) == (
        128 + number,
        True,
        True,
    )
    assert "Traceback" not in ended.log
    assert "never awaited" not in ended.log
    assert not program.lock_note.exists()
    assert program.run_job(*arguments).code == 0
    table.assert_right()


@pytest.mark.parametrize("table_name", ["crypto_prices", "etl_runs"])
def test_sigterm_while_the_database_hangs(
    table_name: str, program: Installation, front: ClickHouseFront, table: PriceAudit
) -> None:
    statement = f"INSERT INTO `{program.settings['CLICKHOUSE_DB']}`.`{table_name}`"
    hang = front.fail("hang", statement)
    job = program.start_job()
    hang.wait()
    assert job.end(signal.SIGTERM).code == TERMINATED
    records = program.data / "spool" / "etl_runs" / JOB
    assert len(program.spooled) == (table_name == "crypto_prices")
    assert len(list(records.glob("*.spool"))) == 1
    assert program.run_job().code == 0
    assert (program.spooled, list(records.glob("*.spool"))) == ([], [])
    table.assert_right(3)


def test_kill_ends_a_run_even_with_invalid_settings(program: Installation, source: FaultySource) -> None:
    job, _ = faults.hung(program, source)
    job.reap()
    assert program.command("kill", DATA_PATH=" ").code == 2
    killed = program.command("kill", SYMBOLS="", LOG_LEVEL="LOUD")
    assert killed.code == 0
    assert f"pid {job.process.pid}" in killed.out
    assert job.ended().code == TERMINATED
    assert "pid" not in program.command("kill").out


@pytest.mark.parametrize("note", ["", "of a dead process"])
def test_kill_reports_a_run_without_a_valid_note(note: str, program: Installation, source: FaultySource) -> None:
    """A full disk may leave no note, or an old one: exit code 1, and the command that finds the process."""
    job, _ = faults.hung(program, source)
    stale = {**json.loads(program.lock_note.read_text()), "pid": os.getpid()}
    program.lock_note.write_text(json.dumps(stale) if note else "")
    done = program.command("kill")
    assert done.code == 1
    assert f"kill {job.process.pid}\n" in done.log
    assert job.end(signal.SIGTERM).code == TERMINATED


def test_kill_forces_a_stopped_process(program: Installation, source: FaultySource) -> None:
    """A stopped process takes no SIGTERM: it is ended by SIGKILL after the grace time."""
    job, _ = faults.hung(program, source)
    job.process.send_signal(signal.SIGSTOP)
    job.reap()
    assert f"pid {job.process.pid}" in program.command("kill").out
    assert job.ended().code == -signal.SIGKILL
    source.faults.release()
    assert program.run_job().code == 0


def test_kill_leaves_a_reused_pid_alone(program: Installation, source: FaultySource) -> None:
    """The note of a crashed run may name a pid that another process has now."""
    hang = source.faults.push(faults.hang(), path="/quotes/latest")
    bystander = program.start_job(DATA_PATH=str(program.root / "elsewhere"))
    hang.wait()
    shutil.copytree(program.root / "elsewhere" / "locks", program.lock_note.parent)
    assert "pid" not in program.command("kill").out
    hang.release()
    assert bystander.ended().code == 0


def test_source_failing_repeatedly_loses_no_hour(
    program: Installation, source: FaultySource, table: PriceAudit
) -> None:
    source.faults.push(faults.gateway_error(503), path="/quotes/latest", times=TIMES)
    run = program.run_job()
    assert run.code == 0, run.log
    assert len([request for request in source.requests if request.path.endswith("/quotes/latest")]) == TIMES + 1
    assert run.log.count("retry scheduled") == 1
    assert "stamina" not in run.log
    table.assert_right(3)


def test_database_failing_repeatedly_is_retried(
    program: Installation, front: ClickHouseFront, table: PriceAudit
) -> None:
    """Rows go in by the run that fetched them, not by the next."""
    front.fail("error", "INSERT", times=TIMES, code=242)
    run = program.run_job()
    assert run.code == 0, run.log
    assert "stamina" not in run.log
    assert (program.spooled, len(table.rows())) == ([], 3)


@pytest.mark.parametrize(
    ("fault", "words", "requests"),
    [(faults.refused(1010), "the month's credits are used up", 1), (faults.gateway_error(503), "HTTP 503", TIMES + 1)],
)
def test_spool_is_stored_although_the_source_fails(
    fault: Fault,
    words: str,
    requests: int,
    program: Installation,
    front: ClickHouseFront,
    *,
    source: FaultySource,
    table: PriceAudit,
) -> None:
    """The source is given up in time for what waits in the spool to be stored."""
    front.refuse()
    assert program.run_job(RUN_TIMEOUT_SECONDS="3").code == 1
    front.listen()
    source.requests.clear()
    source.faults.push(fault, path="/quotes/latest", times=99)
    run = program.run_job(RUN_TIMEOUT_SECONDS="8")
    assert (run.code, len(run.errors), words in run.errors[0]) == (1, 1, True), run.log
    assert "not done within" not in run.log
    assert len([request for request in source.requests if request.path.endswith("/quotes/latest")]) >= requests
    assert program.spooled == []
    table.assert_right(3)
