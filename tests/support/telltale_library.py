"""``python telltale_library.py PREFIX MODULE …``: a module of the program on a Python that fails and quotes settings.

Looking for the home folder in a path that begins with PREFIX, and opening a ``.env`` of such a path, as reading the
settings does, and starting another program, as the crontab's door does, raise an error that nobody foresaw, with the
whole environment and ``.env`` in its text. A script of its own, started in the checkout with the program's ``src`` on
PYTHONPATH.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn


def fail(*_: object, **__: object) -> NoReturn:
    raise LookupError(f"odd: {dict(os.environ)} {Path('.env').read_text()}")


def expand(path: Path) -> Path:
    """What `Path.expanduser` does, but for the paths that it fails at."""
    return fail() if str(path).startswith(PREFIX) else EXPAND(path)


def opened(path: Path, *arguments: Any, **more: Any) -> Any:
    """What `Path.open` does, but for the file that it fails at."""
    return fail() if path.name == ".env" and str(path).startswith(PREFIX) else OPEN(path, *arguments, **more)


if __name__ == "__main__":
    _, PREFIX, *sys.argv = sys.argv
    EXPAND = Path.expanduser
    Path.expanduser = expand  # type: ignore[assignment, method-assign]  # the point of this script
    OPEN = Path.open
    Path.open = opened  # type: ignore[assignment, method-assign]  # likewise
    subprocess.run = fail
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
