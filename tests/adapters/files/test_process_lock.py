"""A lock for one process at a time, and the note of who holds it."""

from __future__ import annotations

import os
import stat
from datetime import datetime, timezone
from pathlib import Path

import pytest

from adapters._bases.errors import StateError
from adapters.files.locks import ProcessLock, make_private, note_of, read_holder

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)


def lock_at(path: Path) -> ProcessLock:
    """A lock that does not wait."""
    return ProcessLock(path, task="test", clock=lambda: NOW, wait_seconds=0)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pid": 1}', "\x00"])
def test_unreadable_note_names_no_holder(tmp_path: Path, text: str) -> None:
    note_of(tmp_path / "job.lock").write_text(text)
    assert read_holder(tmp_path / "job.lock") is None


def test_note_is_not_written_through_a_link(tmp_path: Path) -> None:
    path = tmp_path / "job.lock"
    other = tmp_path / "another file"
    other.write_text("theirs")
    for place in (note_of(path), tmp_path / "job.lock.json.new"):
        place.symlink_to(other)
    with lock_at(path):
        assert other.read_text() == "theirs"
        assert not note_of(path).is_symlink()
        assert read_holder(path) is not None


@pytest.mark.parametrize("rights", [0o770, 0o707, 0o1777])
def test_private_folder_that_others_could_write_to_is_refused(tmp_path: Path, rights: int) -> None:
    folder = tmp_path / "locks"
    folder.mkdir()
    folder.chmod(rights)
    lock = ProcessLock(folder / "job.lock", task="test", clock=lambda: NOW, private=True)
    with pytest.raises(StateError, match="of this user alone"), lock:
        pytest.fail("it was taken")
    assert stat.S_IMODE(folder.stat().st_mode) == rights
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_private_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    """Even a closed one: its owner may replace every file in it."""
    (tmp_path / "locks").mkdir(mode=0o700)
    os.chown(tmp_path / "locks", 65534, 65534)
    with pytest.raises(StateError, match="of this user alone"):
        make_private(tmp_path / "locks")
