"""A lock for one process at a time, and the note of who holds it."""

from __future__ import annotations

import os
import stat
from datetime import datetime, timezone
from pathlib import Path

import pytest

from adapters._bases.errors import StateError
from adapters.files.locks import ProcessLock, note_of, read_holder

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)


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
    with ProcessLock(path, task="test", clock=lambda: NOW):
        assert other.read_text() == "theirs"
        assert not note_of(path).is_symlink()
        assert read_holder(path) is not None


@pytest.mark.parametrize(
    ("rights", "owner"),
    [(0o770, os.getuid()), (0o707, os.getuid()), (0o1777, os.getuid()), *([(0o700, 65534)] if not os.getuid() else [])],
)
def test_private_folder_that_others_could_write_to_is_refused(tmp_path: Path, rights: int, owner: int) -> None:
    """Even a closed one of another user: its owner may replace every file in it."""
    folder = tmp_path / "locks"
    folder.mkdir()
    folder.chmod(rights)
    os.chown(folder, owner, -1)
    lock = ProcessLock(folder / "job.lock", task="test", clock=lambda: NOW, private=True)
    with pytest.raises(StateError, match="of this user alone"), lock:
        pytest.fail("it was taken")
    assert stat.S_IMODE(folder.stat().st_mode) == rights
    assert list(folder.iterdir()) == []


def test_private_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "locks").symlink_to("elsewhere")
    lock = ProcessLock(tmp_path / "locks" / "job.lock", task="test", clock=lambda: NOW, private=True)
    with pytest.raises(StateError, match="of this user alone"), lock:
        pytest.fail("it was taken")
    assert list((tmp_path / "elsewhere").iterdir()) == []
