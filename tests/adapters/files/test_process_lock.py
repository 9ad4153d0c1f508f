"""A lock for one process at a time, and the note of who holds it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

import pytest

from adapters._bases.errors import StateError
from adapters.files.locks import ProcessLock, held_locks, is_open_in, make_private, note_of, read_holder

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)
HOLDER = """
import sys
from datetime import datetime, timezone
from pathlib import Path
from adapters.files.locks import ProcessLock
clock = lambda: datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)
with ProcessLock(Path(sys.argv[1]), task="cmc_hourly_prices run", clock=clock) as lock:
    lock.note("asking the source")
    print("held", flush=True)
    sys.stdin.read()
"""


def lock_at(path: Path) -> ProcessLock:
    """A lock that does not wait."""
    return ProcessLock(path, task="test", clock=lambda: NOW, wait_seconds=0)


@contextmanager
def another_process_holding(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock until it is killed or the block ends."""
    source = Path(__file__).parents[3] / "src"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(source)},
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_lock_is_freed_by_the_death_of_its_process(tmp_path: Path) -> None:
    """The next process gets it at once, and knows the dead holder; an orderly end leaves no note."""
    path = tmp_path / "job.lock"
    with another_process_holding(path) as process:
        assert held_locks(tmp_path) == {path: read_holder(path)}
        assert is_open_in(process.pid, path)
        assert not is_open_in(os.getpid(), path)
        process.kill()
        process.wait()
        assert held_locks(tmp_path) == {}
        with lock_at(path) as lock:
            assert lock.left_behind is not None
            assert lock.left_behind.pid == process.pid
        assert read_holder(path) is None
        with lock_at(path) as lock:
            assert lock.left_behind is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pid": 1}', "\x00"])
def test_unreadable_note_names_no_holder(tmp_path: Path, text: str) -> None:
    """The lock still counts as held."""
    path = tmp_path / "job.lock"
    with another_process_holding(path):
        note_of(path).write_text(text)
        assert read_holder(path) is None
        assert held_locks(tmp_path) == {path: None}


def test_note_is_not_written_through_a_link(tmp_path: Path) -> None:
    path = tmp_path / "job.lock"
    other = tmp_path / "another file"
    other.write_text("theirs")
    for place in (note_of(path), tmp_path / ".job.lock.json.new"):
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
