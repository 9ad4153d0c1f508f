"""The door to the user's crontab, against a command that keeps its text in a file."""

from __future__ import annotations

import shlex
import stat
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from adapters._bases.errors import StateError
from adapters.system.crontab import Crontab, keep_copy
from tests.support.crontab_program import CrontabProgram

NOW = datetime(2026, 11, 23, 15, 30, 0, 7, tzinfo=ZoneInfo("Asia/Tehran"))


@pytest.fixture
def program(tmp_path: Path) -> CrontabProgram:
    """A crontab command without a crontab."""
    return CrontabProgram(tmp_path)


@pytest.fixture
def crontab(program: CrontabProgram) -> Crontab:
    """The door to it."""
    return Crontab(program=program.make())


def test_no_crontab_is_an_empty_one(crontab: Crontab) -> None:
    """A user who never had a crontab reads as one with an empty crontab."""
    assert crontab.is_available()
    assert crontab.read() == ""


@pytest.mark.parametrize(
    "words",
    [
        "no crontab for root",
        "crontab: no crontab for alice",
        "crontab: can't open 'root': No such file or directory",
        "crontab: can't open 'al.ice': No such file or directory",
        "crontab: can't open your crontab file.",
        "crontab: can't open your crontab file",
        "2026-11-23 12:00:00 INFO user alice has no fcrontab.",
        "0481-103 Cannot open a file in the /var/spool/cron/crontabs directory.",
    ],
)
def test_no_crontab_is_an_empty_one_in_the_words_of_every_cron(tmp_path: Path, words: str) -> None:
    """Debian's, cronie's, macOS's, FreeBSD's, busybox's, Solaris's, fcron's and AIX's."""
    assert complaining(tmp_path, words).read() == ""


@pytest.mark.parametrize(
    "words",
    [
        "You (alice) are not allowed to use this program (crontab)",
        "crontab: can't open 'alice': Permission denied",
        "crontab: can't open your crontab file: Permission denied",
        "crontab: you are not authorized to use cron.  Sorry.",
        "crontab: spool: No such file or directory",
        "",
    ],
)
def test_no_right_is_not_an_empty_crontab(tmp_path: Path, words: str) -> None:
    """What is there would be written over."""
    with pytest.raises(StateError, match="cannot be read"):
        complaining(tmp_path, words).read()


def complaining(folder: Path, words: str) -> Crontab:
    """The door to a command that gives no crontab, in these words."""
    program = folder / "crontab"
    program.write_text(f"#!/bin/sh\necho {shlex.quote(words)} >&2\nexit 1\n")
    program.chmod(0o755)
    return Crontab(program=str(program))


def test_bytes_that_are_no_utf8_come_and_go_unchanged(crontab: Crontab, program: CrontabProgram) -> None:
    """What another program wrote in another encoding is written back byte for byte."""
    original = b"# caf\xe9 \xd8\xb3\n0 1 * * * true \\%\n"
    program.store(original)
    crontab.write(crontab.read())
    assert program.table == original


def test_carriage_returns_come_and_go_unchanged(crontab: Crontab, program: CrontabProgram) -> None:
    """A listing that shows a carriage return as two characters is not trusted: the exact text is fetched."""
    original = b"# dos\r\n0 1 * * * tr -d '\\r'\n"
    program.store(original)
    crontab.write(crontab.read())
    assert program.table == original
    assert program.calls == ["-l", "-e", "-", "-l", "-e"]


@pytest.mark.parametrize("how", ["locked", "no_editor"])
def test_unreadable_crontab_is_an_error(crontab: Crontab, program: CrontabProgram, how: str) -> None:
    """A crontab that cannot be read is never taken for an empty one."""
    program.store(b"# mine\r\n")
    program.behave(how)
    with pytest.raises(StateError, match="cannot be read") as caught:
        crontab.read()
    assert "\n" not in caught.value.message
    assert "Nothing was changed" in caught.value.next_step


def test_missing_command_says_what_to_install(tmp_path: Path) -> None:
    """Without cron on the machine the next step names its package."""
    crontab = Crontab(program=str(tmp_path / "crontab"))
    assert not crontab.is_available()
    with pytest.raises(StateError, match="no crontab command") as caught:
        crontab.read()
    assert "apt-get install cron" in caught.value.next_step


def test_command_that_cannot_start_is_an_error(tmp_path: Path) -> None:
    """A crontab command that the system cannot execute is named, not a traceback."""
    broken = tmp_path / "crontab"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    with pytest.raises(StateError, match="did not work"):
        Crontab(program=str(broken)).read()


def test_refused_text_changes_nothing(crontab: Crontab, program: CrontabProgram) -> None:
    """When cron refuses the text, its reason is given and the old crontab stays."""
    program.store(b"# mine\n")
    program.behave("refusing")
    with pytest.raises(StateError, match="bad minute"):
        crontab.write("x\n")
    assert program.table == b"# mine\n"


def test_text_is_read_back(crontab: Crontab, program: CrontabProgram) -> None:
    """A write that did not last is an error."""
    program.behave("forgetful")
    with pytest.raises(StateError, match="reads differently"):
        crontab.write("# new\n")


def test_copy_is_private_and_exact(tmp_path: Path) -> None:
    """The kept crontab has the very bytes, a Tehran time in its name, and is its owner's only."""
    path = keep_copy("# caf\udce9\r\n", folder=tmp_path / "backups", now=NOW)
    assert path.name == "crontab-2026-11-23_15-30-00-000007.txt"
    assert path.read_bytes() == b"# caf\xe9\r\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_copy_never_replaces_a_file(tmp_path: Path) -> None:
    """A copy that is there already is kept, and the second one is refused."""
    path = keep_copy("first", folder=tmp_path, now=NOW)
    with pytest.raises(StateError, match="cannot be kept"):
        keep_copy("second", folder=tmp_path, now=NOW)
    assert path.read_text() == "first"
