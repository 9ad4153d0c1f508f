"""What happens before anything else is imported; made of the standard library alone."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import TracebackType

REMEDY = "./run.sh install"
_OWN = frozenset(path.stem for path in Path(__file__).resolve().parents[1].iterdir())


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
