"""Crontab lines: their schedules, their text, and installing and removing them."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._bases.errors import ConfigurationError, StateError
from adapters.system.crontab import read_crontab
from crons.install import (
    HEAL_SCHEDULE,
    change_crontab,
    check_schedule,
    crontab_line,
    heal_of,
    installed_schedules,
    installed_since,
    longest_interval,
    with_task,
)
from tests.support.crontab_program import CrontabProgram

DEFAULT_SCHEDULE = "0 * * * *"
MONDAY = datetime(2026, 11, 23, 12, 7, 9, tzinfo=timezone.utc)
NOW = datetime(2026, 11, 23, 15, 30, tzinfo=ZoneInfo("Asia/Tehran"))
MINE = b"# caf\xe9\n5 4 * * * true\n"
CHECKOUT = Path("/srv/data-processor")
PREFIX = Path("/srv/data")
JOB = "cmc_hourly_prices"
OTHERS = 'MAILTO=me@example.com\n# mine\n5 4 * * * date "+\\%F" >> /tmp/x\r\n\n@daily true'

CRONTABS = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "# >>> data-processor /srv/data >>>",
                "# <<< data-processor /srv/data <<<",
                "#>>> data-processor /srv/data-processor >>>",
                f"0 * * * * true # {JOB}",
                "SHELL=/bin/bash",
                "0 0 * * * date +\\%F\r",
                "",
            ]
        ),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\n")),
        st.binary().map(lambda line: line.replace(b"\n", b"").decode(errors="surrogateescape")),
    )
).map("\n".join)


def installed(current: str, checkout: Path = CHECKOUT) -> str:
    line = crontab_line(JOB, DEFAULT_SCHEDULE, checkout=checkout, python=checkout / ".venv/bin/python")
    return with_task(current, JOB, line, checkout=checkout)


def removed(current: str, checkout: Path = CHECKOUT) -> str:
    return with_task(current, JOB, None, checkout=checkout)


def test_line_holds_schedule_and_absolute_paths() -> None:
    assert installed("") == (
        "# >>> data-processor /srv/data-processor >>>\n"
        "0 * * * * cd /srv/data-processor && env PYTHONPATH=/srv/data-processor/src "
        "/srv/data-processor/.venv/bin/python -m crons.run cmc_hourly_prices "
        ">> /srv/data-processor/logs/cron.log 2>&1 # cmc_hourly_prices\n"
        "# <<< data-processor /srv/data-processor <<<\n"
    )


@given(current=CRONTABS)
def test_every_other_character_stays(current: str) -> None:
    """Installing adds the block, twice changes nothing, and removing gives the original back."""
    once = installed(current)
    assert once.endswith(current)
    assert len(once) == len(installed("")) + len(current)
    assert installed(once) == once
    assert removed(once) == removed(current) == current


@given(current=CRONTABS.filter(lambda text: "data-processor /srv/data " not in text))
def test_checkouts_do_not_disturb_each_other(current: str) -> None:
    """A checkout whose path begins like ours comes and goes without a trace, whichever was first."""
    ours, theirs = installed(current), installed(current, PREFIX)
    assert removed(installed(ours, PREFIX), PREFIX) == ours
    assert removed(installed(theirs)) == theirs
    assert removed(installed(theirs), PREFIX) == ours


def test_edited_block_keeps_foreign_lines_and_has_ours_once() -> None:
    once = installed(OTHERS)
    line = once.split("\n")[1] + "\n"
    assert installed(once.replace(line, line * 2)) == once
    mixed = once.replace("\n# <<<", "\n1 2 3 4 5 true\n# <<<")
    assert (installed(mixed), removed(mixed)) == (mixed, f"1 2 3 4 5 true\n{OTHERS}")
    dos = once.replace("\n", "\r\n")
    assert installed_schedules(dos, CHECKOUT) == {JOB: DEFAULT_SCHEDULE}
    assert installed(dos).count("-m crons.run") == 1


@pytest.mark.parametrize("lost", ["# >>> data-processor", "# <<< data-processor", "exists twice"])
@pytest.mark.parametrize("change", [installed, removed])
def test_damaged_block_is_rejected(change: Callable[[str], str], lost: str) -> None:
    """It could contain other lines, so the user has to fix it."""
    lines = installed(OTHERS).splitlines(keepends=True)
    damaged = "".join(line for line in lines if not line.startswith(lost))
    with pytest.raises(StateError, match="lacks one of its marks or exists twice"):
        change(damaged if lost.startswith("#") else installed("") * 2)


@pytest.mark.parametrize(
    "name",
    [
        "with space", "per%cent", "it's", 'say "x"', "a;b", "$HOME", "`id`", "back\\slash", "end\\", "\\%", "ünï", "..",
        "#",
    ],
)  # fmt: skip
def test_path_reaches_the_shell_as_it_is(name: str, tmp_path: Path) -> None:
    checkout = tmp_path / name
    (checkout / "logs").mkdir(parents=True)
    line = crontab_line(JOB, DEFAULT_SCHEDULE, checkout=checkout, python=Path("/python"))
    line = line.replace(f"/python -m crons.run {JOB}", "pwd")
    done = subprocess.run(["/bin/sh", "-c", as_cron_passes(line)], check=True, capture_output=True)
    assert done.stdout == b""
    assert (checkout / "logs/cron.log").read_text() == f"{checkout.resolve()}\n"


def as_cron_passes(line: str) -> str:
    """What Debian's cron gives to sh: a backslash hides a backslash or a per cent, a bare per cent ends the command."""
    command, hidden = "", False
    for character in line.split(" ", 5)[5]:
        if hidden and character in "%\\":
            command = command[:-1]
        elif character == "%":
            break
        hidden = character == "\\" and not hidden
        command += character
    return command


@pytest.mark.parametrize("name", ["new\nline", "carriage\rreturn", "tab\there", "nul\0"])
def test_path_with_control_character_is_rejected(name: str) -> None:
    with pytest.raises(ConfigurationError, match="control character"):
        installed("", Path("/srv") / name)


def test_command_longer_than_cron_accepts_is_rejected() -> None:
    """Debian's cron refuses a command of 999 bytes."""

    def line(letters: int) -> str:
        return crontab_line(JOB, DEFAULT_SCHEDULE, checkout=Path("/c"), python=Path("/" + "x" * letters))

    room = 998 - len(line(0).removeprefix(f"{DEFAULT_SCHEDULE} ").rstrip("\n"))
    assert line(room)
    with pytest.raises(ConfigurationError, match="998"):
        line(room + 1)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CrontabProgram:
    program = CrontabProgram.on_path(tmp_path, monkeypatch)
    program.store(MINE)
    return program


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    path = tmp_path / "check out"
    path.mkdir()
    return path


def set_up(
    checkout: Path, schedule: str = DEFAULT_SCHEDULE, task: str = JOB, now: datetime = NOW
) -> tuple[str, str, Path | None]:
    line = crontab_line(task, schedule, checkout=checkout, python=checkout / ".venv/bin/python")
    return change_crontab(task, line, checkout=checkout, now=now)


def test_line_is_installed_and_the_previous_crontab_kept(program: CrontabProgram, checkout: Path) -> None:
    """Once: a second installation writes nothing."""
    _, after, kept = set_up(checkout)
    assert program.table == after.encode(errors="surrogateescape")
    assert program.table.endswith(MINE)
    calls = len(program.calls)
    assert (set_up(checkout), program.calls[calls:]) == ((after, after, None), ["-l"])
    [backup] = (checkout / "backups").iterdir()
    assert (kept, backup.name, backup.read_bytes()) == (backup, "crontab-2026-11-23_15-30-00-000000.txt", MINE)
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert (checkout / "logs").is_dir()


@pytest.mark.parametrize("header", [b"", b"# x\n", b"# DO NOT EDIT THIS FILE\n" * 3, b"# (S)\n# (on %d)\n"])
def test_headers_of_the_program_do_not_add_up(program: CrontabProgram, checkout: Path, header: bytes) -> None:
    """As SUSE's crontab writes them before whatever it is given; the installed line is recognized below them."""
    path = program.folder / "header"
    path.write_bytes(header.replace(b"%d", b"1"))
    program.store(path.read_bytes() * 2 + MINE)
    for turn, schedule in enumerate(["5 * * * *", "6 * * * *"]):
        path.write_bytes(header.replace(b"%d", b"%d" % turn))
        set_up(checkout, schedule, now=NOW.replace(second=turn))
        assert installed_schedules(read_crontab(), checkout) == {JOB: schedule}
        assert (program.table or b"").startswith(path.read_bytes() + b"# >>> data-processor")
    change_crontab(JOB, None, checkout=checkout, now=NOW.replace(second=9))
    assert program.table == path.read_bytes() + MINE


def test_time_of_an_installation_is_that_of_the_last_crontab_without_the_line(
    program: CrontabProgram, checkout: Path
) -> None:
    assert installed_since(JOB, checkout) is None
    heal, (first, second, third, fourth) = heal_of(JOB), [NOW + timedelta(minutes=number) for number in range(4)]
    set_up(checkout, now=first)
    assert program.table
    set_up(checkout, HEAL_SCHEDULE, heal, second)
    assert (installed_since(JOB, checkout), installed_since(heal, checkout)) == (first, second)
    change_crontab(heal, None, checkout=checkout, now=third)
    set_up(checkout, HEAL_SCHEDULE, heal, fourth)
    assert installed_since(heal, checkout) == fourth


@pytest.mark.parametrize("folder", ["backups", "logs"])
def test_folder_that_cannot_be_made_is_an_error(program: CrontabProgram, checkout: Path, folder: str) -> None:
    """Without a copy of the previous crontab there is no new one; without a log the job would never start."""
    (checkout / folder).write_text("a file in the way")
    with pytest.raises(StateError):
        set_up(checkout)
    assert program.table == MINE


@pytest.mark.parametrize(
    "schedule", ["0 * * * *", "*/5 0-6/2 1,15 JAN-mar sun", "0 0 * * 7", "59 23 31 12 *", " 0\t* * * * "]
)
def test_schedule_of_five_fields_is_valid(schedule: str) -> None:
    assert check_schedule(schedule) == " ".join(schedule.split())


@pytest.mark.parametrize(
    "schedule",
    [
        "", "@hourly", "* * * *", "* * * * * *", "60 * * * *", "0 24 * * *", "0 0 0 * *", "*/0 * * * *",
        "0 * * * * id;", "0 * * *\n* id", "% * * * *", "0 * * * foo", "9-5 * * * *",
    ],
)  # fmt: skip
def test_invalid_schedule_is_rejected(schedule: str) -> None:
    with pytest.raises(ConfigurationError, match="schedule") as caught:
        check_schedule(schedule)
    assert "\n" not in caught.value.message
    assert "five fields" in caught.value.next_step


@pytest.mark.parametrize(
    ("schedule", "longest"),
    [
        (DEFAULT_SCHEDULE, timedelta(hours=1)),
        (HEAL_SCHEDULE, timedelta(days=1)),
        ("*/10 8-17 * * *", timedelta(hours=14, minutes=10)),
        ("0 9 * * 1-5", timedelta(days=3)),
        ("0 0 1 1 *", timedelta(days=365)),
    ],
)
def test_longest_interval_includes_pauses(schedule: str, longest: timedelta) -> None:
    assert longest_interval(schedule, MONDAY) == longest
