"""What happens before anything else is imported; made of the standard library and our errors alone."""

from __future__ import annotations

import io
import os
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from adapters._bases.errors import EtlError

REMEDY = "./run.sh install"
_MEMORY = ("the memory is limited", "raise `ulimit -v`")
_OWN = frozenset(path.stem for path in Path(__file__).resolve().parents[1].iterdir())

unwritten: dict[int, OSError] = {}
"""The numbers of stdout and stderr, if they lost some output, with their first error."""


class _Output(io.FileIO):
    def write(self, text: Any) -> int:
        """Keep the first error in `unwritten` instead of raising it: the work goes on."""
        try:
            return super().write(text)
        except OSError as error:
            unwritten.setdefault(self.fileno(), error)
            return len(text)


def open_streams() -> None:
    """Make stdin, stdout and stderr usable however they were handed in; `crons.exits.leave` reports lost output."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if (present := getattr(sys, name)) is None:
            # A closed one stays silent. The next file to be opened would take its number, and its output.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 - the only argument
        encoding = present.encoding if present else "utf-8"
        if number:
            buffer = io.BufferedWriter(_Output(number, "w", closefd=False))
            at_once = name == "stderr" or os.isatty(number)
            # What the output's encoding cannot carry is printed as question marks.
            present = io.TextIOWrapper(buffer, encoding, errors="replace", line_buffering=at_once)
        setattr(sys, name, present or io.TextIOWrapper(io.FileIO(number, closefd=False), encoding))


def prepare() -> None:
    """Prepare a program before it imports any package.

    structlog is imported without rich, which it would import for tracebacks that this program does not draw.
    """
    open_streams()
    sys.excepthook = report_import_fault
    if "structlog" in sys.modules or "rich" in sys.modules:
        return
    # A quarter of a run's start-up. Whatever else needs rich imports it later.
    sys.modules["rich"] = None  # type: ignore[assignment]  # the import system's own sign for "cannot be imported"
    try:
        import structlog  # noqa: F401, PLC0415
    finally:
        del sys.modules["rich"]


def import_fault(error: BaseException | None) -> EtlError | None:
    """Why an import of a package failed: missing, another version, or not to be loaded; None for any other error."""
    if not isinstance(error, ImportError):
        return None
    if error.path and "failed to map segment" in str(error):
        noexec = os.statvfs(error.path).f_flag & os.ST_NOEXEC
        why, step = ("its file system is mounted noexec", "mount it without noexec") if noexec else _MEMORY
        return EtlError(f"{error.path} cannot be loaded: {why}", next_step=step)
    package = (error.name or "").partition(".")[0]
    if not package or package in _OWN:
        return None
    return EtlError(f"the package {package} is missing or outdated", next_step=REMEDY)


def report_import_fault(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """For `sys.excepthook`: a set-up that does not fit the checkout is one line of cron's log, not a traceback."""
    if fault := import_fault(error):
        stamp = time.strftime("%Y-%m-%d %H:%M:%S%z")
        sys.stderr.write(f"{stamp} [error    ] {fault.message} next={fault.next_step!r}\n")
    else:
        sys.__excepthook__(kind, error, trace)
