"""The door to the user's crontab, against a command that keeps its text in a file."""

from __future__ import annotations

import shlex
from contextlib import nullcontext
from pathlib import Path

import psutil
import pytest

from adapters._bases.errors import StateError
from adapters.system.crontab import cron_runs, has_crontab, read_crontab, write_crontab
from tests.support.crontab_program import CrontabProgram


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CrontabProgram:
    """A crontab command without a crontab."""
    return CrontabProgram.on_path(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        ("no crontab for root", True),
        ("crontab: can't open 'root': No such file or directory", True),
        ("2026-11-23 12:00:00 INFO user alice has no fcrontab.", True),
        ("You (alice) are not allowed to use this program (crontab)", False),
        ("crontab: can't open 'alice': Permission denied", False),
        ("crontab: you are not authorized to use cron.  Sorry.", False),
        ("", False),
    ],
)
def test_crontab_that_is_missing_is_empty_and_an_unreadable_one_is_not(
    program: CrontabProgram, words: str, *, missing: bool
) -> None:
    """It would be written over."""
    (program.folder / "crontab").write_text(f"#!/bin/sh\necho {shlex.quote(words)} >&2\nexit 1\n")
    with nullcontext() if missing else pytest.raises(StateError, match="cannot read"):
        assert read_crontab() == ""


def test_bytes_that_are_not_utf8_stay_unchanged(program: CrontabProgram) -> None:
    original = b"# caf\xe9 \xd8\xb3\n0 1 * * * true \\%\n"
    program.store(original)
    write_crontab(read_crontab())
    assert program.table == original


def test_ambiguous_text_is_not_written(program: CrontabProgram) -> None:
    """Debian's listing shows a carriage return as two characters; writing them back would change the user's line."""
    program.store(b"# dos\r\n")
    with pytest.raises(StateError, match="control character"):
        write_crontab(read_crontab())
    assert program.table == b"# dos\r\n"


def test_missing_command_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert not has_crontab()
    with pytest.raises(StateError, match="no crontab command") as caught:
        read_crontab()
    assert "apt-get install cron" in caught.value.next_step


def test_command_that_cannot_start_is_an_error(program: CrontabProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(program.folder))
    (program.folder / "crontab").write_text("#!/no/such/interpreter\n")
    with pytest.raises(StateError, match="failed"):
        read_crontab()


@pytest.mark.parametrize(("how", "words"), [("refusing", "bad minute"), ("forgetful", "differs")])
def test_failed_write_changes_nothing(program: CrontabProgram, how: str, words: str) -> None:
    program.store(b"# mine\n")
    program.behave(how)
    with pytest.raises(StateError, match=words):
        write_crontab("x\n")
    assert program.table == b"# mine\n"


@pytest.mark.parametrize(
    ("names", "runs"),
    [({1: "systemd", 7: "cron"}, True), ({1: "init", 9: "crond"}, True), ({1: "bash"}, False), ({8: "bash"}, True)],
)
def test_daemon_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: dict[int, str], *, runs: bool
) -> None:
    """Among the processes of /proc; where those of other users are hidden, it may run."""
    for number, name in names.items():
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "stat").write_text(f"{number} ({name}) S 0 {'0 ' * 48}")
    (tmp_path / "stat").write_text("btime 1\n")
    monkeypatch.setattr("psutil.PROCFS_PATH", str(tmp_path))
    psutil.process_iter.cache_clear()  # which an earlier look at the real processes left
    assert cron_runs() == runs
