"""A folder of our own in a place where everybody may make one, such as ``/tmp``."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from adapters._bases.errors import StateError

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def make_private(folder: Path) -> None:
    """See that the folder is there, ours, and closed to everybody else; harmless to repeat.

    One of ours that others could only read is closed. What others may have written to, or made, is not trusted.

    Raises:
        StateError: what is there is no folder, somebody else's, or one that others may write to; nothing was changed.
        OSError: it cannot be made.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise StateError(f"{folder} is no folder", next_step="see who put it there, and remove it")
    if found.st_uid != os.getuid():
        raise StateError(
            f"{folder} belongs to another user (uid {found.st_uid})",
            next_step="see who made it, and have it removed",
        )
    if found.st_mode & _OTHERS_WRITE:
        raise StateError(
            f"{folder} is open to other users", next_step=f"see what they put there, then `rm -r {folder}`"
        )
    if found.st_mode & _OTHERS:
        folder.chmod(0o700)
