"""``backup``: copies that are verified, the older ones removed, and missed by status when they stay away."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.clickhouse_front import ClickHouseFront, Fault
from tests.support.crontab_program import CrontabProgram
from tests.support.installation import Installation
from tests.support.main_at import __file__ as main_at
from tests.support.stepped_clock import SteppedClock


def backups(program: Installation) -> list[str]:
    return sorted(path.name for path in (program.root / "backups").glob("*"))


def test_keep_removes_only_older_backups_of_the_table(
    program: Installation, database: str, clock: SteppedClock
) -> None:
    """The latest N stay, the new one among them, and so does every file of another name."""
    assert program.run_job().code == 0
    folder = program.root / "backups"
    folder.mkdir()
    old = [f"{database}.crypto_prices-2026-01-0{day}_00-00-00.native.gz" for day in (1, 2, 3)]
    mine = [
        f"{database}.crypto_prices-mine.native.gz",
        "other.crypto_prices-2026-01-01_00-00-00.native.gz",
        "crontab.txt",
    ]
    for name in [*old, *mine]:
        (folder / name).touch()
    assert program.start(main_at, clock().isoformat(), "backup").ended().code == 0
    assert {*old, *mine} < set(backups(program))
    done = program.command("backup", "--keep", "2")
    assert done.code == 0
    assert set(mine) < set(backups(program))
    assert not set(old) & set(backups(program))
    assert len(backups(program)) == len(mine) + 2


def test_two_backups_in_one_second_are_two_files(program: Installation, clock: SteppedClock) -> None:
    assert program.run_job().code == 0
    for _ in range(2):
        assert program.start(main_at, clock().isoformat(), "backup").ended().code == 0
    assert len(backups(program)) == 2


def test_failed_backup_removes_nothing(program: Installation, front: ClickHouseFront, database: str) -> None:
    assert program.run_job().code == 0
    (program.root / "backups").mkdir()
    old = f"{database}.crypto_prices-2026-01-01_00-00-00.native.gz"
    (program.root / "backups" / old).touch()
    front.faults.append(Fault("half_answer", statement="SELECT `symbol`", times=99))
    done = program.command("backup", "--keep", "1")
    assert done.code == 1
    assert backups(program) == [old]


def test_backup_before_the_first_run_creates_nothing(program: Installation, embedded_program: Installation) -> None:
    done = program.command("backup")
    assert (done.code, done.out[:9]) == (0, "there is ")
    assert embedded_program.command("backup").code == 1
    assert not (embedded_program.data / "clickhouse").exists()


def test_cron_line_makes_a_backup(program: Installation, crontab: CrontabProgram) -> None:
    assert program.run_job().code == 0
    done = program.command("setup_cron", "--backup")
    assert done.code == 0
    [line] = [line for line in (crontab.folder / "table").read_text().splitlines() if line.endswith("# backup")]
    assert line.startswith("47 4 * * * ")
    assert " -m main backup --keep 30 --quiet >> " in line
    assert re.search(r"^backup .* yes *$", program.command("jobs").out, re.MULTILINE)
    assert program.command("setup_cron", "--backup").out.startswith("the crontab is already")
    assert program.command("setup_cron", "--backup", "--heal").code == 2
    assert program.command("remove_cron", "--backup").code == 0
    assert "# backup" not in (crontab.folder / "table").read_text()


@pytest.mark.parametrize(("age", "says"), [(timedelta(hours=30), ""), (timedelta(hours=50), "no backup for 2 d 2 h")])
def test_overdue_backup_needs_attention(program: Installation, clock: SteppedClock, age: timedelta, says: str) -> None:
    assert program.run_job().code == 0
    assert "backup" not in program.start(main_at, clock().isoformat(), "status").ended().out
    assert program.command("setup_cron", "--backup").code == 0
    assert "no backup yet" in program.start(main_at, clock().isoformat(), "status").ended().out
    assert program.start(main_at, (clock() - age).isoformat(), "backup").ended().code == 0
    out = program.start(main_at, clock().isoformat(), "status").ended().out
    assert (says in out) if says else ("no backup" not in out)


def test_old_reports_are_removed(program: Installation) -> None:
    assert program.run_job().code == 0
    folder = program.root / "reports"
    folder.mkdir()
    for name in ("prices-2026-01-01_00-00-00.html", "prices-mine.html"):
        (folder / name).touch()
    done = program.command("report", "24", "--keep", "1", "--quiet")
    assert done.code == 0
    assert {path.name for path in folder.iterdir()} == {"prices-mine.html", Path(done.out.strip()).name}
