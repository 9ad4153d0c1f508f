"""File operations that survive a power loss."""

from __future__ import annotations

import errno
import os
import pwd
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from adapters._bases.errors import StateError

# What some network and FUSE file systems say to fsync of a folder; they have no other way to make its names durable.
_NO_FOLDER_SYNC = {errno.EINVAL, errno.EBADF, errno.ENOSYS, errno.ENOTSUP}
_SPACE = "free space on that disk, then run again"
_FIXES = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EROFS: "that file system is mounted read-only: mount it for writing",
    errno.EACCES: "let this user write there: `ls -ld` shows owner and permissions",
    errno.EPERM: "let this user write there: `ls -ld` and `lsattr -d` show why not",
    errno.EMFILE: "raise the limit of open files, `ulimit -n`, where the command is started",
    errno.ENOMEM: "free memory, or raise the limit `ulimit -v` where the command is started",
    errno.EAGAIN: "raise the limits of threads and memory, `ulimit -u` and `ulimit -v`, where the command is started",
}


def fix_for(error: OSError) -> str:
    """The next step after a file or folder could not be used."""
    return _FIXES.get(error.errno or 0, "check that path and its disk, then run again")


@contextmanager
def state_errors(what: str, *, otherwise: str = "") -> Iterator[None]:
    """Raise an OSError of the block as a StateError: what failed, why, and the fix, or what else to do."""
    try:
        yield
    except OSError as error:
        raise StateError(f"{what}: {error.strerror or error}", next_step=f"{fix_for(error)}{otherwise}") from error


def fix_named_in(text: str) -> str:
    """As `fix_for`, for an error that a text quotes in the system's words; empty if there is none."""
    return next((fix for number, fix in _FIXES.items() if os.strerror(number) in text), "")


def check_writable(folder: Path) -> None:
    """Raise the OSError of a write to an existing folder, if there would be one."""
    if not os.access(folder, os.W_OK | os.X_OK):
        number = errno.EROFS if os.statvfs(folder).f_flag & os.ST_RDONLY else errno.EACCES
        raise OSError(number, os.strerror(number), str(folder))


class Foreign(NamedTuple):
    path: Path
    owner: str
    user: str  # this process's


def foreign_among(paths: Iterable[Path]) -> Foreign | None:
    """The first of these that belongs to another user; missing ones are skipped."""
    for path in paths:
        with suppress(OSError):
            if (owner := path.lstat().st_uid) != os.geteuid():
                return Foreign(path, _name_of(owner), _name_of(os.geteuid()))
    return None


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:  # as in many containers
        return str(user)


def make_folder(folder: Path) -> None:
    """Make a folder and its missing parents, durably. Idempotent. May raise OSError, like the functions below."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """The path to write a file to, which is renamed to `path`, durably, if the block ends without an error.

    It is a hidden name beside `path`; it is removed first, so it must have one writer.
    """
    draft = path.with_name(f".{path.name}.new")
    try:
        draft.unlink(missing_ok=True)
        yield draft
        move(draft, path)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def write(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Write a new file, with this mode less the umask. Its content is durable, its name after `sync_folder`."""
    # O_EXCL: an existing file is an error, so nothing is written through a link.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def move(source: Path, target: Path) -> None:
    """Rename a file or folder, atomically and durably."""
    source.replace(target)
    for folder in dict.fromkeys((target.parent, source.parent)):
        sync_folder(folder)


def sync_folder(folder: Path) -> bool:
    """Make the names in a folder durable: fsync of a file does not cover its name. False if the disk cannot."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
        return False
    finally:
        os.close(descriptor)
    return True
