"""What happens before anything else is imported; made of the standard library alone."""

from __future__ import annotations

import io
import os
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

REMEDY = "./run.sh install"
_OWN = frozenset(path.stem for path in Path(__file__).resolve().parents[1].iterdir())

unwritten: dict[str, OSError] = {}
"""Of stdout and stderr, those that lost some output, with their first error."""


class _Output(io.FileIO):
    def __init__(self, number: int, name: str) -> None:
        super().__init__(number, "w", closefd=False)
        self._stream = name

    def write(self, text: Any) -> int:
        """Keep the first error in `unwritten` instead of raising it: the work goes on."""
        try:
            return super().write(text)
        except OSError as error:
            unwritten.setdefault(self._stream, error)
            return len(text)


def open_streams() -> None:
    """Make stdin, stdout and stderr usable however they were handed in; `crons.exits.leave` reports lost output."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if (present := getattr(sys, name)) is None:
            # A closed one stays silent. The next file to be opened would take its number, and its output.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 - the only argument
        encoding = present.encoding if present else "utf-8"
        if number:
            buffer = io.BufferedWriter(_Output(number, name))
            at_once = name == "stderr" or os.isatty(number)
            # What the output's encoding cannot carry is printed as question marks.
            present = io.TextIOWrapper(buffer, encoding, errors="replace", line_buffering=at_once)
        setattr(sys, name, present or io.TextIOWrapper(io.FileIO(number, closefd=False), encoding))


def import_structlog() -> None:
    """Import structlog without rich, which it would import for tracebacks that this program does not draw."""
    if "structlog" in sys.modules or "rich" in sys.modules:
        return
    # A quarter of a run's start-up. Whatever else needs rich imports it later.
    sys.modules["rich"] = None  # type: ignore[assignment]  # the import system's own sign for "cannot be imported"
    try:
        import structlog  # noqa: F401, PLC0415
    finally:
        del sys.modules["rich"]


def missing_package(error: BaseException | None) -> str:
    """The package that an import did not find, or found in the wrong version; empty for any other error."""
    name = (error.name or "") if isinstance(error, ImportError) else ""
    package = name.partition(".")[0]
    return "" if package in _OWN else package


def report_missing_package(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """For `sys.excepthook`: a set-up older than the checkout is one line of cron's log, not a traceback."""
    if package := missing_package(error):
        stamp = time.strftime("%Y-%m-%d %H:%M:%S%z")
        sys.stderr.write(f"{stamp} [error    ] the package {package} is missing or outdated next={REMEDY!r}\n")
    else:
        sys.__excepthook__(kind, error, trace)
