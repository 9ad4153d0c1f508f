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


@pytest.mark.parametrize(
    "words",
    [
        "no crontab for root",
        "crontab: can't open 'root': No such file or directory",
        "2026-11-23 12:00:00 INFO user alice has no fcrontab.",
    ],
)
def test_missing_crontab_is_empty(tmp_path: Path, words: str) -> None:
    """In the words of Debian, cronie, busybox and fcron."""
    assert complaining(tmp_path, words).read() == ""


@pytest.mark.parametrize(
    "words",
    [
        "You (alice) are not allowed to use this program (crontab)",
        "crontab: can't open 'alice': Permission denied",
        "crontab: you are not authorized to use cron.  Sorry.",
        "",
    ],
)
def test_unreadable_crontab_is_an_error(tmp_path: Path, words: str) -> None:
    """It is never treated as an empty one, which would be written over."""
    with pytest.raises(StateError, match="cannot read"):
        complaining(tmp_path, words).read()


def complaining(folder: Path, words: str) -> Crontab:
    """The door to a command that gives no crontab, in these words."""
    program = folder / "crontab"
    program.write_text(f"#!/bin/sh\necho {shlex.quote(words)} >&2\nexit 1\n")
    program.chmod(0o755)
    return Crontab(program=str(program))


def test_bytes_that_are_not_utf8_stay_unchanged(crontab: Crontab, program: CrontabProgram) -> None:
    """What another program wrote in another encoding is written back byte for byte."""
    original = b"# caf\xe9 \xd8\xb3\n0 1 * * * true \\%\n"
    program.store(original)
    crontab.write(crontab.read())
    assert program.table == original


def test_ambiguous_text_is_not_written(crontab: Crontab, program: CrontabProgram) -> None:
    """Debian's listing shows a carriage return as two characters; writing them back would change the user's line."""
    program.store(b"# dos\r\n")
    with pytest.raises(StateError, match="control character"):
        crontab.write(crontab.read())
    assert program.table == b"# dos\r\n"


def test_missing_command_names_the_package(tmp_path: Path) -> None:
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
    with pytest.raises(StateError, match="failed"):
        Crontab(program=str(broken)).read()


def test_rejected_text_changes_nothing(crontab: Crontab, program: CrontabProgram) -> None:
    """When cron refuses the text, its reason is given and the old crontab stays."""
    program.store(b"# mine\n")
    program.behave("refusing")
    with pytest.raises(StateError, match="bad minute"):
        crontab.write("x\n")
    assert program.table == b"# mine\n"


def test_lost_write_is_an_error(crontab: Crontab, program: CrontabProgram) -> None:
    """A write that did not last is an error."""
    program.behave("forgetful")
    with pytest.raises(StateError, match="differs"):
        crontab.write("# new\n")


def test_copy_is_private_and_exact(tmp_path: Path) -> None:
    """The kept crontab has the very bytes, a Tehran time in its name, and is its owner's only."""
    path = keep_copy("# caf\udce9\r\n", folder=tmp_path / "backups", now=NOW)
    assert path.name == "crontab-2026-11-23_15-30-00-000007.txt"
    assert path.read_bytes() == b"# caf\xe9\r\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
