"""The host's own troubles: a full disk, old time zone data, cron's bare environment; logs that machines read."""

from __future__ import annotations

import errno
import json
import re
import struct
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.clickhouse_front import ClickHouseFront
from tests.support.installation import JOB, MAIN_AT, RUN_AT, Installation
from tests.support.price_audit import PriceAudit
from tests.support.small_disk import filled, small_disk

ODD = str(Path(RUN_AT).with_name("odd_file_system.py"))


@pytest.mark.parametrize("stays_full", [False, True], ids=["a replay makes room", "it stays full"])
def test_full_disk_does_not_stop_a_replay(
    *, stays_full: bool, program: Installation, front: ClickHouseFront, table: PriceAudit
) -> None:
    """What waits is stored although the disk is full, and before the run's own rows: the younger price stands."""
    program.data.mkdir()
    with small_disk(program.data) as disk:
        assert program.run_job().code == 0
        front.refuse()
        program.clock.advance(timedelta(minutes=5))
        assert program.run_job(RUN_TIMEOUT_SECONDS="4").code == 1
        [waiting] = program.spooled
        front.listen()
        if stays_full:
            waiting.with_name("a second name").hardlink_to(waiting)
        ballast = filled(disk)
        program.clock.advance(timedelta(minutes=5))
        run = program.run_job()
        assert (run.code, program.spooled) == (int(stays_full), [])
        assert "No space left on device" in run.log
        assert ("free space on that disk" in run.log) == ("the rows are in the database" in run.log) == stays_full
        assert "Traceback" not in run.log
        assert min(row.source_updated_at for row in table.rows()) > "2026-11-23 12:44:00"
        table.assert_right()
        ballast.unlink()
        assert program.run_job().code == 0


def test_full_disk_without_a_database_names_both_causes(program: Installation, front: ClickHouseFront) -> None:
    """With nowhere to keep the rows each run names both causes, and is recorded in space that was reserved."""
    program.data.mkdir()
    with small_disk(program.data, "size=1m") as disk:
        assert program.run_job().code == 0
        ballast = filled(disk)
        front.refuse()
        for _ in range(2):
            program.clock.advance(timedelta(hours=1))
            run = program.run_job(RUN_TIMEOUT_SECONDS="5")
            assert run.code == 1
        found = next(line for line in program.command("check").out.splitlines() if line.startswith("disk"))
        assert re.search(rf"fail +data, database: {program.data}: No space left on device", found)
        front.listen()
        ballast.unlink()
        assert program.spooled == []
        assert program.at_clock("runs").out.count(" failed ") == 2
        assert "fetched rows lost" in program.at_clock("status").out
        program.clock.advance(timedelta(hours=1))
        assert program.run_job().code == 0
        assert program.at_clock("runs").out.count(" failed ") == 2
    [error] = run.errors
    for cause in ("3 fetched rows lost", "No space left on device", "the connection was refused"):
        assert cause in error
    assert "Traceback" not in run.log


@pytest.mark.parametrize("number", [errno.EBADF, errno.ENOLCK, errno.ENOSYS])
def test_file_system_without_locks_is_named(program: Installation, front: ClickHouseFront, number: int) -> None:
    """Nothing is done without a lock."""
    run = program.start(ODD, "flock", str(number), RUN_AT, program.clock().isoformat(), JOB).ended()
    assert run.code == 1
    [error] = run.errors
    assert "has no locks" in error
    assert "set DATA_PATH" in error
    assert "space" not in error
    assert front.statements == []


def test_file_system_without_folder_sync_is_a_warning(program: Installation, table: PriceAudit) -> None:
    odd = (ODD, "fsync", str(errno.EINVAL))
    assert program.start(*odd, RUN_AT, program.clock().isoformat(), JOB).ended().code == 0
    table.assert_right(3)
    assert "fsync of a folder fails" in program.start(*odd, MAIN_AT, program.clock().isoformat(), "check").ended().out


@pytest.mark.parametrize(
    ("folder", "command"),
    [
        ("data", "cron_run"),
        ("clickhouse", "setup_db"),
        ("backups", "backup"),
        ("backups", "export backups/prices.csv"),
        ("reports", "report"),
        ("data", "check"),
    ],
)
def test_read_only_folder_is_called_so(embedded_program: Installation, folder: str, command: str) -> None:
    """Without advice that does not help."""
    program, read_only = embedded_program, embedded_program.root / folder
    assert program.run_job(CLICKHOUSE_PATH="engine").code == 0
    read_only.mkdir(exist_ok=True)
    with small_disk(read_only, "ro"):
        path = "clickhouse" if folder == "clickhouse" else "engine"
        done = program.at_clock(*command.split(), CLICKHOUSE_PATH=path)
    assert done.code == 1
    told = done.out + done.log
    assert "Read-only file system" in told
    assert "mount it for writing" in told
    assert not re.search(r"\b(free space|move|Traceback)\b", told)


def zone_data(folder: Path, name: str, offset_seconds: int) -> None:
    """A time zone file (RFC 8536) of one fixed offset."""
    header = b"TZif" + b"\0" * 16 + struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header + struct.pack(">lBB", offset_seconds, 1, 0) + b"OLD\0")


def test_outdated_time_zone_data_changes_no_key(program: Installation, table: PriceAudit, tmp_path: Path) -> None:
    """A host that still has summer time in Tehran: hour keys and log are by the locked data, +03:30 all year."""
    zone_data(tmp_path / "zoneinfo", "Asia/Tehran", 16200)
    shown = "import zoneinfo, datetime; print(datetime.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo('Asia/Tehran')))"
    old = {"PYTHONTZPATH": str(tmp_path / "zoneinfo"), "TZDIR": str(tmp_path / "zoneinfo"), "TZ": "Asia/Tehran"}
    assert program.start("-c", shown, **old).ended().out.strip().endswith("+04:30")
    run = program.run_job(**old)
    assert run.code == 0
    assert {row.hour for row in table.rows()} == {"2026-11-23 12:00:00"}
    assert run.log.startswith("2026-11-23 12:35:07")
    table.assert_right()


def test_unrotatable_log_does_not_fail_the_run(program: Installation, table: PriceAudit) -> None:
    """A large ``cron.log`` and a folder where the last old one would go: a warning in the log, the run as ever."""
    log = program.root / "logs" / "cron.log"
    log.write_bytes(b"x" * 5_000_000)
    log.with_name("cron.log.2").touch()
    log.with_name("cron.log.3").mkdir()
    command = [sys.executable, RUN_AT, program.clock().isoformat(), JOB]
    environment = {"PYTHONPATH": str(program.root / "src"), **program.settings}
    with log.open("ab") as output:  # as cron does
        subprocess.run(command, cwd=program.root, env=environment, stdout=output, stderr=output, check=True)
    [warning] = [line for line in log.read_text().splitlines() if "cron.log.3" in line]
    assert "warning" in warning
    table.assert_right(3)


@pytest.mark.parametrize("fails", [False, True], ids=["a run that goes well", "a run that fails"])
def test_json_log_is_one_object_per_line(*, fails: bool, program: Installation, front: ClickHouseFront) -> None:
    if fails:
        front.refuse()
    run = program.run_job(LOG_FORMAT="json", LOG_LEVEL="INFO", RUN_TIMEOUT_SECONDS="4")
    assert run.code == int(fails)
    events = [json.loads(line) for line in run.log.splitlines()]
    assert len(events) >= 2
    for event in events:
        assert (event["timestamp"], event["job"]) == ("2026-11-23T12:35:07+03:30", JOB)
        assert event["level"] in {"info", "warning", "error"}
        assert (event["run"], len(event["run"])) == (events[0]["run"], 12)
    assert (events[-1]["level"] == "error") == fails


def test_damaged_spool_file_is_reported_until_removed(program: Installation, table: PriceAudit) -> None:
    spool = program.data / "spool" / JOB
    spool.mkdir(parents=True)
    (spool / "0000000001.spool").write_bytes(bytes(100))
    run = program.run_job()
    assert run.code == 0
    assert "damaged spool file set aside" in run.log
    table.assert_right(3)
    for _ in range(2):
        told = "".join(program.command("check").out.split())
        assert "damaged:" in told
        assert "0000000001-0000.spool" in told
    for path in (spool / "rejected").iterdir():
        path.unlink()
    assert "damaged:" not in program.command("check").out
