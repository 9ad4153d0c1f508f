"""A folder of our own where everybody may make one: closed to others, or refused."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from adapters._bases.errors import StateError
from adapters.files.locks import make_private


def mode(folder: Path) -> int:
    """The rights on it."""
    return stat.S_IMODE(folder.stat().st_mode)


def test_it_is_made_closed_whatever_the_umask(tmp_path: Path) -> None:
    """Nobody else may look into it, also where new files are open to all by default; a repetition changes nothing."""
    before = os.umask(0)
    try:
        for _ in range(2):
            make_private(tmp_path / "locks")
            assert mode(tmp_path / "locks") == 0o700
    finally:
        os.umask(before)


def test_one_of_ours_that_others_could_only_read_is_closed(tmp_path: Path) -> None:
    """What is in it can only be ours."""
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks").chmod(0o755)
    make_private(tmp_path / "locks")
    assert mode(tmp_path / "locks") == 0o700


@pytest.mark.parametrize("rights", [0o770, 0o707, 0o1777])
def test_one_that_others_could_write_to_is_refused(tmp_path: Path, rights: int) -> None:
    """What is in it may be anybody's."""
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks").chmod(rights)
    with pytest.raises(StateError, match="open to other users"):
        make_private(tmp_path / "locks")
    assert mode(tmp_path / "locks") == rights


def test_a_link_to_a_folder_of_ours_is_refused(tmp_path: Path) -> None:
    """Whoever made it may point it elsewhere at any time."""
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "locks").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateError, match="is not a folder"):
        make_private(tmp_path / "locks")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_another_users_folder_is_refused(tmp_path: Path) -> None:
    """Even a closed one: its owner may replace every file in it."""
    (tmp_path / "locks").mkdir(mode=0o700)
    os.chown(tmp_path / "locks", 65534, 65534)
    with pytest.raises(StateError, match="belongs to another user"):
        make_private(tmp_path / "locks")
