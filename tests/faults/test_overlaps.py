"""One run of a job at a time: the others say whom they met; runs of different checkouts take turns at one engine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.files.locks import ProcessLock
from tests.support import faults
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.eventually import eventually
from tests.support.faulty_source import FaultySource
from tests.support.installation import JOB, Installation
from tests.support.price_audit import PriceAudit

BUSY = 75


def engine_lock_of(program: Installation) -> Path:
    return program.data / "clickhouse.lock"


def test_one_of_eight_simultaneous_runs_proceeds(
    program: Installation, source: FaultySource, table: PriceAudit
) -> None:
    """Started together: seven exit 75 and name the one's pid, its start and what it does; the table is as after one."""
    hang = source.faults.push(faults.hang(), path="/quotes/latest", times=8)
    jobs = [program.start_job() for _ in range(8)]
    eventually(lambda: sum(job.process.poll() is not None for job in jobs) == 7)
    hang.wait()
    (winner,) = [job for job in jobs if job.process.poll() is None]
    hang.release()
    assert winner.ended().code == 0
    for job in jobs:
        if job is not winner:
            lost = job.ended()
            assert lost.code == BUSY
            holder = f"pid {winner.process.pid}, cmc_hourly_prices run since 2026-11-23 12:35:07 (Tehran), "
            assert lost.log.partition(holder)[2].startswith(("starting", "asking CoinMarketCap"))
    table.assert_right(3)
    assert len([one for one in source.requests if one.path.endswith("/quotes/latest")]) == 1


def test_run_during_a_backfill_exits_75(program: Installation, source: FaultySource, table: PriceAudit) -> None:
    backfill, hang = faults.hung(program, source, "backfill", "24")
    run = program.run_job()
    assert run.code == BUSY
    assert f"pid {backfill.process.pid}, cmc_hourly_prices backfill since" in run.log
    assert "asking CoinMarketCap for past quotes" in run.log
    hang.release()
    assert backfill.ended().code == 0
    assert program.run_job().code == 0
    table.assert_right(25 * 3)
    assert re.search(rf"{JOB} run +\d+ s +busy ", program.at_clock("runs").out)
    assert program.at_clock("status").code == 0


def test_two_checkouts_take_turns_at_one_engine(
    install: Callable[..., Installation], embedded_program: Installation, embedded_table: PriceAudit
) -> None:
    folder = str(embedded_program.data / "clickhouse")
    other = install("other", CLICKHOUSE_PATH=folder)
    for _ in range(2):
        jobs = [program.start_job(CLICKHOUSE_PATH=folder) for program in (embedded_program, other)]
        assert [job.ended().code for job in jobs] == [0, 0]
        embedded_program.clock.advance(timedelta(hours=1))
    embedded_table.assert_right(6)


@pytest.mark.parametrize("command", ["run", "drop_db", "restore"])
def test_writer_waits_for_another_checkouts_write(
    install: Callable[..., Installation], program: Installation, front: ClickHouseFront, table: PriceAudit, command: str
) -> None:
    """A run has not yet looked which keys are there.

    Else an hour stored between the copy and the drop would be lost, and one stored beside a restore doubled.
    """
    other = install("other", secrets=program.secrets, **program.settings)
    assert program.run_job().code == 0
    arguments = ["--yes"]
    if command == "restore":
        assert program.command("drop_db", "--yes").code == 0
        arguments = [str(path) for path in (program.root / "backups").iterdir()]
    program.clock.advance(timedelta(hours=1))
    hang = front.fail("hang", "INSERT")
    run = other.start_job()
    hang.wait()
    asked = len(front.statements)
    waiting = program.start_job() if command == "run" else program.start("-m", "main", command, *arguments)
    eventually(lambda: "waiting for another process" in waiting.log or program.step().startswith("storing"))
    assert len(front.statements) == asked
    run.end()
    assert waiting.ended().code == 0
    if command == "run":
        table.assert_right(6)


def test_drop_db_does_not_start_beside_a_run(program: Installation, front: ClickHouseFront) -> None:
    hang = front.fail("hang", "INSERT")
    job = program.start_job()
    hang.wait()
    dropped = program.command("drop_db", "--yes")
    assert dropped.code == BUSY
    assert f"pid {job.process.pid}" in dropped.log
    assert front.asked("DROP") == []
    assert not (program.root / "backups").exists()
    job.end()


@pytest.mark.parametrize("command", [["export", "-"], ["setup_db"]])
def test_reader_waits_for_a_run(embedded_program: Installation, command: list[str]) -> None:
    assert embedded_program.run_job().code == 0
    with ProcessLock(engine_lock_of(embedded_program), task=f"{JOB} run", clock=embedded_program.clock):
        reader = embedded_program.start("-m", "main", *command)
        eventually(lambda: "waiting for another process" in reader.log)
        assert f"pid {os.getpid()}, {JOB} run since" in reader.log
    assert reader.ended().code == 0


def test_run_waits_for_a_notebook(embedded_program: Installation, embedded_table: PriceAudit, tmp_path: Path) -> None:
    assert embedded_program.command("setup_db").code == 0
    script = tmp_path / "notebook.py"
    script.write_text("import chdb, sys; c = chdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()")
    command = [sys.executable, str(script), str(embedded_program.data / "clickhouse")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as notebook:
        assert notebook.stdout is not None
        assert notebook.stdout.readline() == "open\n"
        run = embedded_program.start_job()
        eventually(lambda: f"in use by process {notebook.pid}" in run.log)
        notebook.communicate("")
    assert run.ended().code == 0
    assert len(embedded_table.rows()) == 3
