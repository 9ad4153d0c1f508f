"""A set-up that lacks a package, which an update of the checkout may bring: cron's line says so, and what to run.

Imported before anything that has to be installed, and made of the standard library alone.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
REMEDY = "./run.sh install"
_MONITORS = {"run": "HEALTHCHECK_URL", "heal": "HEALTHCHECK_URL_HEAL"}
_PING_SECONDS = 3.0
_OWN = frozenset(path.stem for path in (ROOT / "src").iterdir())


def lacks(error: BaseException | None) -> str:
    """The package that an import did not find or not find whole; empty for another error, or one of our own modules."""
    name = (error.name or "") if isinstance(error, ImportError) else ""
    package = name.partition(".")[0]
    return "" if package in _OWN else package


def complain(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """For `sys.excepthook`: an import that failed is one line and a ping of the monitor; another error is as ever."""
    if not (package := lacks(error)):
        sys.__excepthook__(kind, error, trace)
        return
    line = f"the set-up lacks {package}, or has another version of it than this checkout needs"
    stamp = time.strftime("%Y-%m-%d %H:%M:%S%z")
    sys.stderr.write(f"{stamp} [error    ] {line} next={REMEDY!r}\n")
    _ping(f"{line}; next: {REMEDY}")


def _ping(text: str) -> None:
    """Tell the monitor of this command that it failed; whatever goes wrong with that changes nothing."""
    import urllib.request  # noqa: PLC0415 - as above
    from urllib.parse import urlsplit, urlunsplit  # noqa: PLC0415

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        """The address is a secret: it goes nowhere else."""

        def redirect_request(self, *_: Any, **__: Any) -> None:
            return None

    kind = next((argument for argument in sys.argv[2:3] if not argument.startswith("-")), "run")
    try:
        address = urlsplit(_setting(_MONITORS[kind]) if kind in _MONITORS and "--dry-run" not in sys.argv else "")
        if address.scheme not in {"http", "https"}:
            return
        url = urlunsplit(address._replace(path=f"{address.path.rstrip('/')}/fail"))
        request = urllib.request.Request(url, text.encode(), method="POST")  # noqa: S310 - checked above
        urllib.request.build_opener(NoRedirect).open(request, timeout=_PING_SECONDS).close()
    except (OSError, ValueError):
        sys.stderr.write(f"the monitor of {_MONITORS[kind]} was not reached\n")


def _setting(name: str) -> str:
    """A setting out of the environment, else out of ``.env``: plain, or between quotes; empty where it is not set."""
    if os.environ.get(name):  # noqa: TID251 - the settings' own reader may be what is not installed
        return os.environ[name]  # noqa: TID251 - as above
    found = ""
    with suppress(OSError):
        for line in (ROOT / ".env").read_text(encoding="utf-8", errors="replace").splitlines():
            key, equals, value = line.strip().removeprefix("export ").partition("=")
            if equals and key.strip().upper() == name:
                value = value.strip()
                quoted = value[:1] in {"'", '"'}
                found = value[1:].partition(value[0])[0] if quoted else value.partition(" #")[0].strip()
    return found
