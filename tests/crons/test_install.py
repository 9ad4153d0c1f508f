"""Crontab lines: their schedules, their text, and installing and removing them."""

from __future__ import annotations

import subprocess
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._bases.errors import ConfigurationError, StateError
from adapters.system.crontab import Crontab
from crons.install import (
    DEFAULT_SCHEDULE,
    HEAL_SCHEDULE,
    CrontabChange,
    check_schedule,
    heal_of,
    install_line,
    installed_schedule,
    job_command,
    longest_interval,
    next_run,
    remove_cron,
    remove_line,
    setup_cron,
)
from tests.support.crontab_program import CrontabProgram

MONDAY = datetime(2026, 11, 23, 12, 7, 9, tzinfo=timezone.utc)
NOW = datetime(2026, 11, 23, 15, 30, tzinfo=ZoneInfo("Asia/Tehran"))
MINE = b"# mine\n5 4 * * * true\n"
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


def installed(
    current: str, *, checkout: Path = CHECKOUT, job: str = JOB, schedule: str = DEFAULT_SCHEDULE, command: str = ""
) -> str:
    """The crontab with a line of the checkout."""
    command = command or job_command(
        checkout=checkout, python=checkout / ".venv/bin/python", job=job, log=checkout / "logs/cron.log"
    )
    return install_line(current, checkout=checkout, job=job, schedule=schedule, command=command)


def test_line_holds_schedule_and_absolute_paths() -> None:
    """The line names everything absolutely, because cron's environment knows no checkout."""
    assert installed("") == (
        "# >>> data-processor /srv/data-processor >>>\n"
        "0 * * * * cd /srv/data-processor && env PYTHONPATH=/srv/data-processor/src "
        "/srv/data-processor/.venv/bin/python -m crons.run cmc_hourly_prices "
        ">> /srv/data-processor/logs/cron.log 2>&1 # cmc_hourly_prices\n"
        "# <<< data-processor /srv/data-processor <<<\n"
    )


@given(current=CRONTABS)
def test_every_other_character_stays(current: str) -> None:
    """Installing adds the block, and nothing else changes."""
    assert installed(current).endswith(current)
    assert len(installed(current)) == len(installed("")) + len(current)


@given(current=CRONTABS)
def test_removing_gives_the_original_back(current: str) -> None:
    """Installing, then removing, leaves the crontab as it was."""
    assert remove_line(installed(current), checkout=CHECKOUT, job=JOB) == current


@given(current=CRONTABS)
def test_installing_twice_changes_nothing(current: str) -> None:
    """A line that is there already is not installed again."""
    assert installed(installed(current)) == installed(current)


@given(current=CRONTABS.filter(lambda text: "data-processor /srv/data " not in text))
def test_checkouts_do_not_disturb_each_other(current: str) -> None:
    """A checkout whose path begins like ours comes and goes without a trace, whichever was first."""
    ours = installed(current)
    assert remove_line(installed(ours, checkout=PREFIX), checkout=PREFIX, job=JOB) == ours
    theirs = installed(current, checkout=PREFIX)
    assert remove_line(installed(theirs), checkout=CHECKOUT, job=JOB) == theirs
    assert remove_line(installed(theirs), checkout=PREFIX, job=JOB) == ours


@given(current=CRONTABS)
def test_removing_what_is_not_there_changes_nothing(current: str) -> None:
    """Only a line of this checkout's own block is ever removed."""
    assert remove_line(current, checkout=CHECKOUT, job=JOB) == current


def test_new_schedule_replaces_the_line() -> None:
    """Installing with another schedule changes the one line where it stands."""
    changed = installed(installed(OTHERS), schedule="*/30  *  * * *")
    assert changed == installed(OTHERS).replace("0 * * * * cd", "*/30 * * * * cd")
    assert installed_schedule(changed, checkout=CHECKOUT, job=JOB) == "*/30 * * * *"


def test_duplicate_line_in_the_block_is_removed() -> None:
    """A copy of our own line inside our block goes, since it would start the job twice."""
    once = installed(OTHERS)
    line = once.split("\n")[1] + "\n"
    assert installed(once.replace(line, line * 2)) == once


def test_foreign_line_inside_our_block_stays() -> None:
    """What a user wrote between the marks is theirs."""
    mixed = installed("").replace("\n# <<<", "\n1 2 3 4 5 true\n# <<<")
    assert installed(mixed) == mixed
    assert remove_line(mixed, checkout=CHECKOUT, job=JOB) == "1 2 3 4 5 true\n"


def test_block_with_dos_line_ends_is_found() -> None:
    """An editor that changed the line ends does not make a second block."""
    edited = installed(OTHERS).replace("\n", "\r\n")
    assert installed_schedule(edited, checkout=CHECKOUT, job=JOB) == DEFAULT_SCHEDULE
    assert installed(edited).count("-m crons.run") == 1


@pytest.mark.parametrize("lost", ["# >>> data-processor", "# <<< data-processor"])
def test_damaged_block_is_rejected(lost: str) -> None:
    """A block without a mark could contain other lines, so the user has to fix it."""
    damaged = "".join(line for line in installed(OTHERS).splitlines(keepends=True) if not line.startswith(lost))
    with pytest.raises(StateError, match="lacks one of its marks"):
        installed(damaged)
    with pytest.raises(StateError, match="lacks one of its marks"):
        remove_line(damaged, checkout=CHECKOUT, job=JOB)
    with pytest.raises(StateError, match="exists twice"):
        installed(installed("") * 2)


@pytest.mark.parametrize(
    "name",
    [
        "with space",
        "per%cent",
        "it's",
        'say "x"',
        "a;b",
        "$HOME",
        "`id`",
        "back\\slash",
        "end\\",
        "\\%",
        "ünï",
        "..",
        "#",
    ],
)
def test_path_reaches_the_shell_as_it_is(name: str, tmp_path: Path) -> None:
    """Blanks, quotes, per cents and backslashes in the path survive cron and sh."""
    checkout = tmp_path / name
    (checkout / "src").mkdir(parents=True)
    line = installed("", checkout=checkout, command=job_command_of("pwd", checkout))
    done = subprocess.run(["/bin/sh", "-c", as_cron_passes(line.split("\n")[1])], check=True, capture_output=True)
    assert done.stdout == b""
    assert (checkout / "log").read_text() == f"{checkout.resolve()}\n"


def job_command_of(program: str, checkout: Path) -> str:
    """A job's command with something else for the interpreter's part."""
    command = job_command(checkout=checkout, python=Path("/python"), job=JOB, log=checkout / "log")
    return command.replace(f"/python -m crons.run {JOB}", program)


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
    """A path that would break the crontab into lines never gets near it."""
    with pytest.raises(ConfigurationError, match="control character"):
        installed("", checkout=Path("/srv") / name)


def test_command_longer_than_cron_accepts_is_rejected() -> None:
    """Debian's cron refuses a command of 999 bytes, so we say so before it does."""
    room = 998 - len(f" # {JOB}")
    assert installed("", command="x" * room)
    with pytest.raises(ConfigurationError, match="998"):
        installed("", command="x" * (room + 1))


def test_heal_has_a_separate_line() -> None:
    """A job's heal stands beside the job, runs the job's heal, and each goes without the other."""
    both = installed(installed(OTHERS), job=heal_of(JOB), schedule="17 4 * * *")
    assert installed_schedule(both, checkout=CHECKOUT, job=JOB) == DEFAULT_SCHEDULE
    assert installed_schedule(both, checkout=CHECKOUT, job=heal_of(JOB)) == "17 4 * * *"
    assert f" -m crons.run {JOB} heal >> " in both
    assert remove_line(both, checkout=CHECKOUT, job=heal_of(JOB)) == installed(OTHERS)
    only_heal = remove_line(both, checkout=CHECKOUT, job=JOB)
    assert installed_schedule(only_heal, checkout=CHECKOUT, job=JOB) is None
    assert remove_line(only_heal, checkout=CHECKOUT, job=heal_of(JOB)) == OTHERS


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


def test_second_installation_writes_nothing(program: CrontabProgram, checkout: Path) -> None:
    """A line that is there is left alone, without another copy."""
    set_up(program, checkout)
    calls = len(program.calls)
    change = set_up(program, checkout)
    assert not change.is_change
    assert change.backup is None
    assert program.calls[calls:] == ["-l"]
    assert len(list((checkout / "backups").iterdir())) == 1


def test_removal_restores_the_crontab(program: CrontabProgram, checkout: Path) -> None:
    """After installing and removing, the user's crontab has its very bytes."""
    set_up(program, checkout)
    change = remove_cron(
        Crontab(program=program.make()), checkout=checkout, job="cmc_hourly_prices", now=NOW.replace(second=1)
    )
    assert change.is_change
    assert program.table == MINE
    assert not remove(program, checkout).is_change


def test_dry_run_changes_nothing(program: CrontabProgram, checkout: Path) -> None:
    """A dry run has the diff of what would change, and changes nothing."""
    change = set_up(program, checkout, dry_run=True)
    added = [line for line in change.diff().split("\n") if line.startswith("+")]
    assert added[0].startswith("+++ crontab")
    assert [line[:5] for line in added[1:]] == ["+# >>", "+0 * ", "+# <<"]
    assert program.table == MINE
    assert set(program.calls) == {"-l"}
    assert list(checkout.iterdir()) == []


def test_invalid_schedule_writes_nothing(program: CrontabProgram, checkout: Path) -> None:
    """A wrong schedule is refused with nothing written anywhere."""
    with pytest.raises(ConfigurationError, match="schedule"):
        set_up(program, checkout, schedule="@hourly")
    assert program.table == MINE
    assert list(checkout.iterdir()) == []


def test_crontab_that_cannot_be_kept_is_not_changed(program: CrontabProgram, checkout: Path) -> None:
    """Without a copy of the previous crontab there is no new one."""
    (checkout / "backups").write_text("a file in the way")
    with pytest.raises(StateError, match="cannot keep"):
        set_up(program, checkout)
    assert program.table == MINE


def test_log_folder_that_cannot_be_made_is_an_error(program: CrontabProgram, checkout: Path) -> None:
    """A line that could not write its log would never start the job, so it is not installed."""
    (checkout / "logs").write_text("a file in the way")
    with pytest.raises(StateError, match="log folder"):
        set_up(program, checkout)
    assert program.table == MINE


@pytest.mark.parametrize(
    "schedule", ["0 * * * *", "*/5 0-6/2 1,15 JAN-mar sun", "0 0 * * 7", "59 23 31 12 *", " 0\t* * * * "]
)
def test_schedule_of_five_fields_is_valid(schedule: str) -> None:
    """Every form of crontab(5) is taken, with its blanks made single."""
    assert check_schedule(schedule) == " ".join(schedule.split())


@pytest.mark.parametrize(
    "schedule",
    [
        "",
        "@hourly",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "0 24 * * *",
        "0 0 0 * *",
        "0 0 L * *",
        "0 0 * * 5#2",
        "5/15 * * * *",
        "*/0 * * * *",
        "0 * * * * id;",
        "0 * * *\n* id",
        "% * * * *",
        "0 * * * foo",
        "9-5 * * * *",
    ],
)
def test_invalid_schedule_is_rejected(schedule: str) -> None:
    """It is reported in one line, with an example of a valid one."""
    with pytest.raises(ConfigurationError, match="schedule") as caught:
        check_schedule(schedule)
    assert "\n" not in caught.value.message
    assert DEFAULT_SCHEDULE in caught.value.next_step


@pytest.mark.parametrize(("zone", "due"), [("UTC", "13:00"), ("Asia/Tehran", "12:30"), ("Asia/Kathmandu", "12:15")])
def test_next_run_follows_the_hosts_zone(zone: str, due: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cron goes by the host's wall clock, whose hours begin at another minute in another zone."""
    with monkeypatch.context() as environment:
        environment.setenv("TZ", zone)
        time.tzset()
        told = next_run(DEFAULT_SCHEDULE, MONDAY)
    time.tzset()
    assert told.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S") == f"2026-11-23 {due}:00"


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
    """A schedule that pauses by night, at weekends or for a year is judged by its pause."""
    assert longest_interval(schedule, MONDAY) == longest
