"""``python odd_file_system.py fsync|flock ERRNO SCRIPT …``: a script whose file system has no locks or folder fsync.

A script of its own, started with the program's ``src`` on PYTHONPATH.
"""

from __future__ import annotations

import fcntl
import os
import runpy
import stat
import sys
from typing import NoReturn

FSYNC = os.fsync


def refuse(*_: object) -> NoReturn:
    raise OSError(NUMBER, os.strerror(NUMBER))


def sync(descriptor: int) -> None:
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        refuse()
    FSYNC(descriptor)


if __name__ == "__main__":
    _, function, number, *sys.argv = sys.argv
    NUMBER = int(number)
    if function == "flock":
        fcntl.flock = refuse
    else:
        os.fsync = sync  # type: ignore[assignment]  # its argument may also be an object with a descriptor
    runpy.run_path(sys.argv[0], run_name="__main__")
