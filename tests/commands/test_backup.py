"""``backup``: copies that are verified, the older ones removed, and missed by status when they stay away."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from adapters._bases.tehran_time import in_tehran
from tests.support.installation import Installation
from tests.support.price_table import Sql
from tests.support.stepped_clock import SteppedClock


def backups(program: Installation) -> list[str]:
    return sorted(path.name for path in (program.root / "backups").glob("*"))


def backed_up(program: Installation, *options: str, **settings: str) -> Path:
    """The path that ``backup --quiet`` prints, a day after the one before."""
    program.clock.advance(timedelta(days=1))
    done = program.at_clock("backup", "--quiet", *options, **settings)
    assert done.code == 0, done.log
    return Path(done.out.strip())


def test_backup_is_a_folder_of_every_table(program: Installation, sql: Sql, database: str, clock: SteppedClock) -> None:
    """Prices of both jobs, holes and runs: what ``backup --quiet`` prints restores all of it, here or elsewhere."""
    assert program.run_job().code == 0
    tables = ("crypto_prices", "binance_prices", "crypto_price_holes", "etl_runs")
    sql("INSERT INTO crypto.crypto_price_holes VALUES ('BTC', '2026-11-01 00:00:00', 1, '', '')")
    assert program.command("setup_db").code == 0
    sql("INSERT INTO crypto.binance_prices (symbol, price, fetched_at) VALUES ('BTC', 1.5, '2026-11-01 00:00:00')")
    rows = {table: sql(f"SELECT * FROM crypto.{table} ORDER BY ALL") for table in tables}
    path = backed_up(program, BACKUP_PATH="elsewhere")
    assert path.parent == program.root / "elsewhere"
    assert path.name.startswith(f"{database}-{in_tehran(clock()):%Y-%m-%d_%H-%M}")
    assert {one.name for one in path.iterdir()} == {"backup.json", *(f"{table}.jsonl.gz" for table in tables)}

    sql("DROP DATABASE crypto SYNC")
    assert program.command("restore", str(path)).code == 0
    assert {table: sql(f"SELECT * FROM crypto.{table} ORDER BY ALL") for table in tables} == rows
    for file in path.glob("*.gz"):
        assert "0 rows inserted" in program.command("restore", str(file)).out
    (path / "crypto_prices.jsonl.gz").unlink()
    assert program.command("restore", str(path)).code == 1


def test_keep_prunes_scheduled_backups_of_this_database_only(program: Installation, database: str) -> None:
    """Not what ``drop_db`` or a plain ``backup`` made, nor files of older versions, nor another server's."""
    assert program.run_job().code == 0
    kept = [backed_up(program), backed_up(program, "--keep", "1", CLICKHOUSE_HOST="localhost")]
    old = program.root / "backups" / f"{database}.crypto_prices-2026-01-01_00-00-00.jsonl.gz"
    old.touch()
    scheduled = [backed_up(program, "--keep", "2") for _ in range(3)]
    assert backups(program) == sorted(path.name for path in (*kept, old, *scheduled[1:]))
    dropped = program.at_clock("drop_db", "--yes", "--quiet").out.strip()
    assert program.command("restore", dropped).code == 0
    last = backed_up(program, "--keep", "1")
    assert backups(program) == sorted(path.name for path in (*kept, old, Path(dropped), last))


def test_nothing_is_pruned_after_a_loss(program: Installation) -> None:
    """Until it is accepted: a fresh table's backups must not push out those of the lost one."""
    assert program.run_job("backfill", "3").code == 0
    full = backed_up(program, "--keep", "1")
    assert program.command("drop_db", "--yes").code == 0
    assert backed_up(program, "--keep", "1") != full  # of the history, without prices
    assert program.run_job().code == 0
    assert program.command("setup_cron", "--backup").code == 0
    small = [backed_up(program, "--keep", "1") for _ in range(2)]
    assert {full.name, *(path.name for path in small)} < set(backups(program))
    says = "has 3 rows of crypto_prices, an earlier one 9"
    assert says in program.at_clock("status").out
    accepted = backed_up(program, "--accept", "--keep", "1")
    assert not {full.name, *(path.name for path in small)} & set(backups(program))
    assert accepted.name in backups(program)
    assert says not in program.at_clock("status").out


def test_two_backups_in_one_second_are_two_folders(program: Installation) -> None:
    assert program.run_job().code == 0
    for _ in range(2):
        assert program.at_clock("backup").code == 0
    assert len(backups(program)) == 2


def test_backup_without_rows_creates_nothing(program: Installation, embedded_program: Installation) -> None:
    for _ in range(2):
        done = program.command("backup", "--keep", "1")
        assert (done.code, done.out[:9]) == (0, "there is ")
        assert backups(program) == []
        assert program.command("setup_db").code == 0
    assert embedded_program.command("backup").code == 1
    assert not (embedded_program.data / "clickhouse").exists()


@pytest.mark.parametrize(("age", "says"), [(timedelta(hours=30), ""), (timedelta(hours=50), "no backup for 2 d 2 h")])
def test_overdue_backup_needs_attention(program: Installation, clock: SteppedClock, age: timedelta, says: str) -> None:
    assert program.run_job().code == 0
    assert "backup" not in program.at_clock("status").out
    assert program.command("setup_cron", "--backup").code == 0
    clock.advance(-age)
    assert program.at_clock("backup").code == 0
    clock.advance(age)
    out = program.at_clock("status").out
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
