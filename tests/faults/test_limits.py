"""Time limits and signals: whatever hangs, the run ends, says what it waited for, and has lost nothing."""

from __future__ import annotations

import json
import signal
import socket
from datetime import datetime, timezone

import pytest

from tests.support import faults
from tests.support.clickhouse_front import ClickHouseFront, Fault
from tests.support.eventually import eventually
from tests.support.faulty_source import FaultySource
from tests.support.installation import JOB, Installation
from tests.support.patience import PATIENCE_SECONDS
from tests.support.price_audit import PriceAudit

TERMINATED = 143


def test_a_hung_source_ends_the_run_in_time(program: Installation, source: FaultySource) -> None:
    """The source never answers: exit 1 at the run's limit, which says what was waited for; the lock is free."""
    source.faults.push(faults.hang(), path="/quotes/latest", times=9)
    began = datetime.now(timezone.utc)
    run = program.run_job(RUN_TIMEOUT_SECONDS="2")
    assert (datetime.now(timezone.utc) - began).total_seconds() < 25  # HTTP_TIMEOUT_SECONDS alone is 30
    assert run.code == 1
    assert "not done within 2 s; it was asking CoinMarketCap for the latest quotes" in run.log
    assert "RUN_TIMEOUT_SECONDS" in run.log
    source.faults.release()
    source.faults.clear()
    assert program.run_job().code == 0


def test_a_source_that_answers_too_late_is_tried_again(program: Installation, source: FaultySource) -> None:
    """One call without an answer within HTTP_TIMEOUT_SECONDS does not end the run: the next try stores the hour."""
    source.faults.push(faults.hang(), path="/quotes/latest")
    run = program.run_job(HTTP_TIMEOUT_SECONDS="0.5")
    assert run.code == 0
    assert "no complete answer within 0.5 seconds" in run.log


def test_a_hung_database_ends_the_run_in_time(program: Installation, front: ClickHouseFront, table: PriceAudit) -> None:
    """The database never answers: exit 1 in time, said so, and the rows wait for the next run."""
    front.faults.append(Fault("hang", "INSERT", times=9))
    run = program.run_job(RUN_TIMEOUT_SECONDS="4")
    assert run.code == 1
    assert "did not answer in time" in run.log
    assert len(program.spooled) == 1
    assert "3 rows are kept in data/spool/cmc_hourly_prices; the next run stores them" in run.errors[-1]
    front.faults.clear()
    assert program.run_job().code == 0
    assert len(table.rows()) == 3
    table.assert_right()


@pytest.mark.parametrize("command", ["check", "status", "setup_db"])
def test_a_silent_database_keeps_nobody_waiting(command: str, program: Installation) -> None:
    """A port that takes connections and never answers: one line and exit 1 soon, not after half of a run's limit."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = str(silent.getsockname()[1])
        began = datetime.now(timezone.utc)
        told = program.command(command, CLICKHOUSE_PORT=port, HTTP_TIMEOUT_SECONDS="1")
    assert (datetime.now(timezone.utc) - began).total_seconds() < 20
    assert told.code == 1
    assert f"ClickHouse (http://127.0.0.1:{port}) did not answer in time" in told.out + told.log
    assert "Traceback" not in told.log


@pytest.mark.parametrize("arguments", [(), ("backfill", "5")], ids=["run", "backfill"])
def test_sigterm_while_the_source_hangs(
    arguments: tuple[str, ...], program: Installation, source: FaultySource, table: PriceAudit
) -> None:
    """Exit 143 at once, one line that says what was going on, no traceback, the lock free."""
    path = "/quotes/historical" if arguments else "/quotes/latest"
    hang = source.faults.push(faults.hang(), path=path)
    job = program.start_job(*arguments)
    assert hang.reached.wait(PATIENCE_SECONDS)
    ended = job.end(signal.SIGTERM)
    assert ended.code == TERMINATED
    assert "ended by SIGTERM while asking CoinMarketCap for" in ended.log
    assert "Traceback" not in ended.log
    assert "never awaited" not in ended.log
    assert not program.lock_note.exists()
    assert program.run_job(*arguments).code == 0
    table.assert_right()


def test_sigterm_while_the_database_hangs(program: Installation, front: ClickHouseFront, table: PriceAudit) -> None:
    """Exit 143 although a thread waits inside the driver; the rows are in the spool, and the next run stores them."""
    front.faults.append(Fault("hang", "INSERT"))
    job = program.start_job()
    eventually(lambda: front.asked("INSERT"))
    ended = job.end(signal.SIGTERM)
    assert ended.code == TERMINATED
    assert "ended by SIGTERM while storing 3 rows" in ended.log
    assert len(program.spooled) == 1
    assert "replayed=3" in program.run_job().log
    assert len(table.rows()) == 3
    table.assert_right()


def test_sigterm_while_the_run_is_recorded(program: Installation, front: ClickHouseFront, table: PriceAudit) -> None:
    """Exit 143 too, though the prices are stored; the record waits for the next run."""
    statement = f"INSERT INTO `{program.settings['CLICKHOUSE_DB']}`.`etl_runs`"
    front.faults.append(Fault("hang", statement))
    job = program.start_job()
    eventually(lambda: front.asked(statement))
    ended = job.end(signal.SIGTERM)
    assert ended.code == TERMINATED
    assert "ended by SIGTERM while recording the run" in ended.log
    assert len(table.rows()) == 3
    assert len(list((program.data / "spool" / "etl_runs" / "cmc_hourly_prices").glob("*.spool"))) == 1
    assert program.run_job().code == 0


def test_kill_ends_a_run_and_says_so(program: Installation, source: FaultySource) -> None:
    """``kill`` names the process and its task; a second one finds nothing to end."""
    hang = source.faults.push(faults.hang(), path="/quotes/latest")
    job = program.start_job()
    assert hang.reached.wait(PATIENCE_SECONDS)
    job.reap()
    told = program.command("kill")
    assert told.code == 0
    assert f"ended pid {job.process.pid}, cmc_hourly_prices run" in told.out
    assert job.ended().code == TERMINATED
    assert "no job of this checkout is running" in program.command("kill").out


def test_kill_ends_a_run_though_the_settings_have_gone_wrong(program: Installation, source: FaultySource) -> None:
    """Whoever spoils ``.env`` while a long backfill runs can still end it; only a wrong DATA_PATH is in the way."""
    hang = source.faults.push(faults.hang(), path="/quotes/latest")
    job = program.start_job()
    assert hang.reached.wait(PATIENCE_SECONDS)
    job.reap()
    assert program.command("kill", DATA_PATH=" ").code == 2
    told = program.command("kill", SYMBOLS="", LOG_LEVEL="LOUD")
    assert told.code == 0
    assert f"pid {job.process.pid}" in told.out
    assert job.ended().code == TERMINATED


@pytest.mark.parametrize("note", ["", "of a dead process"])
def test_kill_does_not_overlook_a_run_without_a_note(note: str, program: Installation, source: FaultySource) -> None:
    """A full disk may leave no note, or an old one: exit 1, and the command that ends the process."""
    hang = source.faults.push(faults.hang(), path="/quotes/latest")
    job = program.start_job()
    assert hang.reached.wait(PATIENCE_SECONDS)
    stale = {**json.loads(program.lock_note.read_text()), "process_started": 1.0}
    program.lock_note.write_text(json.dumps(stale) if note else "")
    told = program.command("kill")
    assert told.code == 1
    assert f"{JOB}.lock" in told.log
    assert f"kill {job.process.pid}\n" in told.log
    assert "no job" not in told.out
    assert job.end(signal.SIGTERM).code == TERMINATED
    assert "no job of this checkout is running" in program.command("kill").out


def test_kill_does_not_wait_for_a_process_that_will_not_listen(program: Installation, source: FaultySource) -> None:
    """A stopped process takes no SIGTERM: after the grace time it is ended by force, and that is said."""
    hang = source.faults.push(faults.hang(), path="/quotes/latest")
    job = program.start_job()
    assert hang.reached.wait(PATIENCE_SECONDS)
    job.process.send_signal(signal.SIGSTOP)
    job.reap()
    told = program.command("kill")
    assert f"ended by force pid {job.process.pid}" in told.out
    assert job.ended().code == -signal.SIGKILL
    source.faults.release()
    assert program.run_job().code == 0


def test_kill_leaves_another_checkouts_process_alone(program: Installation, source: FaultySource) -> None:
    """A note that a crash left behind, its pid now somebody else's, gets nobody killed."""
    hang = source.faults.push(faults.hang(), path="/quotes/latest")
    bystander = program.start_job(DATA_PATH=str(program.root / "elsewhere"))
    assert hang.reached.wait(PATIENCE_SECONDS)
    note = json.loads((program.root / "elsewhere" / "locks" / program.lock_note.name).read_text())
    program.lock_note.parent.mkdir(parents=True)
    program.lock_note.write_text(json.dumps({**note, "process_started": note["process_started"] - 1000}))
    assert "no job of this checkout is running" in program.command("kill").out
    hang.release()
    assert bystander.ended().code == 0
