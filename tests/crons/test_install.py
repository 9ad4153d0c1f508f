"""Crontab lines, text to text."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._bases.errors import ConfigurationError, StateError
from crons.install import heal_of, install_line, installed_schedule, job_command, remove_line
from crons.schedule import DEFAULT_SCHEDULE

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


def test_jobs_share_one_block() -> None:
    """Two jobs stand in one block, one line each, and go one by one."""
    both = installed(installed(OTHERS), job="other")
    assert both.count(">>>\n") == 1
    assert both.count("-m crons.run") == 2
    assert remove_line(both, checkout=CHECKOUT, job="other") == installed(OTHERS)
    assert remove_line(remove_line(both, checkout=CHECKOUT, job=JOB), checkout=CHECKOUT, job="other") == OTHERS


def test_new_schedule_replaces_the_line() -> None:
    """Installing with another schedule changes the one line where it stands."""
    changed = installed(installed(OTHERS), schedule="*/30  *  * * *")
    assert changed == installed(OTHERS).replace("0 * * * * cd", "*/30 * * * * cd")
    assert installed_schedule(changed, checkout=CHECKOUT, job=JOB) == "*/30 * * * *"


def test_line_installed_twice_by_hand_is_made_one() -> None:
    """A copy of our own line inside our block goes, since it would start the job twice."""
    once = installed(OTHERS)
    line = once.split("\n")[1] + "\n"
    assert installed(once.replace(line, line * 2)) == once


def test_foreign_line_inside_our_block_stays() -> None:
    """What a person wrote between our marks is theirs."""
    mixed = installed("").replace("\n# <<<", "\n1 2 3 4 5 true\n# <<<")
    assert installed(mixed) == mixed
    assert remove_line(mixed, checkout=CHECKOUT, job=JOB) == "1 2 3 4 5 true\n"


def test_block_with_dos_line_ends_is_found() -> None:
    """An editor that changed the line ends does not make a second block."""
    edited = installed(OTHERS).replace("\n", "\r\n")
    assert installed_schedule(edited, checkout=CHECKOUT, job=JOB) == DEFAULT_SCHEDULE
    assert installed(edited).count("-m crons.run") == 1


def test_schedule_of_an_absent_line_is_none() -> None:
    """Another checkout's line, or another job's, does not count as installed."""
    assert installed_schedule(installed("", checkout=PREFIX), checkout=CHECKOUT, job=JOB) is None
    assert installed_schedule(installed("", job="other"), checkout=CHECKOUT, job=JOB) is None


@pytest.mark.parametrize("lost", ["# >>> data-processor", "# <<< data-processor"])
def test_damaged_block_is_refused(lost: str) -> None:
    """A block that lost a mark could swallow others' lines, so a person has to mend it."""
    damaged = "".join(line for line in installed(OTHERS).splitlines(keepends=True) if not line.startswith(lost))
    with pytest.raises(StateError, match="lost one of its marks"):
        installed(damaged)
    with pytest.raises(StateError, match="lost one of its marks"):
        remove_line(damaged, checkout=CHECKOUT, job=JOB)
    with pytest.raises(StateError, match="stands there twice"):
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
def test_path_with_control_character_is_refused(name: str) -> None:
    """A path that would break the crontab into lines never gets near it."""
    with pytest.raises(ConfigurationError, match="control character"):
        installed("", checkout=Path("/srv") / name)


def test_relative_path_is_refused() -> None:
    """Cron starts in the home folder, so a relative path would mean another place."""
    with pytest.raises(ConfigurationError, match="absolute"):
        installed("", checkout=Path("srv"))


@pytest.mark.parametrize("job", ["", "a b", "x;id", "x\n* * * * * id", "../x", "x%y", "-x", "X"])
def test_odd_job_name_is_refused(job: str) -> None:
    """A name goes into the line unquoted, so it can only be a plain word."""
    with pytest.raises(ConfigurationError, match="job"):
        installed("", job=job)
    with pytest.raises(ConfigurationError, match="job"):
        remove_line("", checkout=CHECKOUT, job=job)


def test_command_with_newline_is_refused() -> None:
    """A newline in the command would begin another line of the crontab."""
    with pytest.raises(ConfigurationError, match="newline"):
        installed("", command="true\n* * * * * id")


def test_command_longer_than_cron_takes_is_refused() -> None:
    """Debian's cron refuses a command of 999 bytes, so we say so before it does."""
    room = 998 - len(f" # {JOB}")
    assert installed("", command="x" * room)
    with pytest.raises(ConfigurationError, match="longer than the 998"):
        installed("", command="x" * (room + 1))


def test_a_schedule_that_cron_would_refuse_makes_no_crontab() -> None:
    """The line is refused as a whole, whatever else stands in the crontab."""
    with pytest.raises(ConfigurationError, match="schedule"):
        installed(OTHERS, schedule="0 * * * * id;")


def test_import_brings_no_driver() -> None:
    """Changing a crontab works without the HTTP client and the database driver."""
    program = (
        "import sys, crons.install, crons.install, adapters.system.crontab\n"
        "print([name for name in ('httpx', 'clickhouse_connect', 'chdb') if name in sys.modules])"
    )
    source = Path(__file__).parents[2] / "src"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=source, check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "[]\n"


def test_heal_has_a_line_of_its_own() -> None:
    """A job's heal stands beside the job, runs the job's heal, and each goes without the other."""
    both = installed(installed(OTHERS), job=heal_of(JOB), schedule="17 4 * * *")
    assert installed_schedule(both, checkout=CHECKOUT, job=JOB) == DEFAULT_SCHEDULE
    assert installed_schedule(both, checkout=CHECKOUT, job=heal_of(JOB)) == "17 4 * * *"
    assert f" -m crons.run {JOB} heal >> " in both
    assert remove_line(both, checkout=CHECKOUT, job=heal_of(JOB)) == installed(OTHERS)
    only_heal = remove_line(both, checkout=CHECKOUT, job=JOB)
    assert installed_schedule(only_heal, checkout=CHECKOUT, job=JOB) is None
    assert remove_line(only_heal, checkout=CHECKOUT, job=heal_of(JOB)) == OTHERS
