"""Installing and removing a crontab line through the door."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from adapters._bases.errors import ConfigurationError, StateError
from adapters.system.crontab import Crontab
from crons.install import CrontabChange, remove_cron, setup_cron
from tests.support.crontab_program import CrontabProgram

NOW = datetime(2026, 11, 23, 15, 30, tzinfo=ZoneInfo("Asia/Tehran"))
MINE = b"# mine\n5 4 * * * true\n"


@pytest.fixture
def program(tmp_path: Path) -> CrontabProgram:
    """A crontab command with a crontab of the user's."""
    program = CrontabProgram(tmp_path)
    program.store(MINE)
    return program


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """An empty checkout."""
    path = tmp_path / "check out"
    path.mkdir()
    return path


def set_up(
    program: CrontabProgram, checkout: Path, *, schedule: str = "0 * * * *", dry_run: bool = False
) -> CrontabChange:
    """Install the line."""
    return setup_cron(
        Crontab(program=program.make()),
        checkout=checkout,
        python=checkout / ".venv/bin/python",
        job="cmc_hourly_prices",
        schedule=schedule,
        now=NOW,
        dry_run=dry_run,
    )


def remove(program: CrontabProgram, checkout: Path, *, dry_run: bool = False) -> CrontabChange:
    """Remove the line."""
    door = Crontab(program=program.make())
    return remove_cron(door, checkout=checkout, job="cmc_hourly_prices", now=NOW, dry_run=dry_run)


def test_line_is_installed_and_the_previous_crontab_kept(program: CrontabProgram, checkout: Path) -> None:
    """The new crontab ends with the old one, of which a copy is in backups; the log's folder is there."""
    change = set_up(program, checkout)
    assert program.table == change.after.encode()
    assert change.is_change
    assert change.after.encode().endswith(MINE)
    assert change.backup
    assert change.backup.parent == checkout / "backups"
    assert change.backup.read_bytes() == MINE
    assert (checkout / "logs").is_dir()


def test_second_time_writes_nothing(program: CrontabProgram, checkout: Path) -> None:
    """A line that is there is left alone, without another copy."""
    set_up(program, checkout)
    calls = len(program.calls)
    change = set_up(program, checkout)
    assert not change.is_change
    assert change.backup is None
    assert program.calls[calls:] == ["-l"]
    assert len(list((checkout / "backups").iterdir())) == 1


def test_removing_gives_the_crontab_back(program: CrontabProgram, checkout: Path) -> None:
    """After installing and removing, the user's crontab has its very bytes."""
    set_up(program, checkout)
    change = remove_cron(
        Crontab(program=program.make()), checkout=checkout, job="cmc_hourly_prices", now=NOW.replace(second=1)
    )
    assert change.is_change
    assert program.table == MINE
    assert not remove(program, checkout).is_change


def test_dry_run_only_shows(program: CrontabProgram, checkout: Path) -> None:
    """A dry run has the diff of what would change, and changes nothing."""
    change = set_up(program, checkout, dry_run=True)
    added = [line for line in change.diff().split("\n") if line.startswith("+")]
    assert added[0].startswith("+++ crontab")
    assert [line[:5] for line in added[1:]] == ["+# >>", "+0 * ", "+# <<"]
    assert program.table == MINE
    assert set(program.calls) == {"-l"}
    assert list(checkout.iterdir()) == []


def test_dry_run_of_no_change_is_empty(program: CrontabProgram, checkout: Path) -> None:
    """Nothing to do shows as an empty diff."""
    assert remove(program, checkout, dry_run=True).diff() == ""


def test_unreadable_crontab_is_not_written(program: CrontabProgram, checkout: Path) -> None:
    """If the present crontab cannot be read, nothing is written."""
    program.behave("locked")
    with pytest.raises(StateError, match="cannot be read"):
        set_up(program, checkout)
    with pytest.raises(StateError, match="cannot be read"):
        remove(program, checkout)
    assert program.table == MINE
    assert set(program.calls) == {"-l"}


def test_wrong_schedule_touches_nothing(program: CrontabProgram, checkout: Path) -> None:
    """A wrong schedule is refused with nothing written anywhere."""
    with pytest.raises(ConfigurationError, match="schedule"):
        set_up(program, checkout, schedule="@hourly")
    assert program.table == MINE
    assert list(checkout.iterdir()) == []


def test_crontab_that_cannot_be_kept_is_not_changed(program: CrontabProgram, checkout: Path) -> None:
    """Without a copy of the previous crontab there is no new one."""
    (checkout / "backups").write_text("a file in the way")
    with pytest.raises(StateError, match="cannot be kept"):
        set_up(program, checkout)
    assert program.table == MINE


def test_log_folder_that_cannot_be_made_is_an_error(program: CrontabProgram, checkout: Path) -> None:
    """A line that could not write its log would never start the job, so it is not installed."""
    (checkout / "logs").write_text("a file in the way")
    with pytest.raises(StateError, match="log folder"):
        set_up(program, checkout)
    assert program.table == MINE
