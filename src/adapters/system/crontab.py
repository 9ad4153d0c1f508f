"""The user's crontab, through ``crontab -l`` and ``crontab -``.

Every byte is kept: UTF-8, other bytes as surrogates (PEP 383).
"""

from __future__ import annotations

import re
import shutil
import subprocess

import psutil

from adapters._bases.errors import StateError

START_CRON = "service cron start"
_PROGRAM = "crontab"
_DAEMONS = {"cron", "crond", "cronie", "fcron", "busybox", "systemd-cron"}
_TIMEOUT_SECONDS = 30
# crontab(1) has one exit code for "none yet" and for every failure; only its message distinguishes them.
_NONE_YET = re.compile(
    r"\bno f?crontab\b"  # Debian, cronie, fcron
    r"|can't open '[^']*': No such file or directory",  # busybox
    re.IGNORECASE,
)
# Debian's `crontab -l` shows a carriage return as the two characters \r and a backspace as \b.
_AMBIGUOUS = re.compile(r"\\[rb]")


def has_crontab() -> bool:
    return shutil.which(_PROGRAM) is not None


def cron_runs() -> bool:
    """Whether a cron daemon runs, as far as this user can see the host's processes."""
    names = {process.pid: process.info["name"] for process in psutil.process_iter(["name"])}
    # Where /proc hides other users' processes, the first one is hidden too.
    return 1 not in names or not _DAEMONS.isdisjoint(names.values())


def read_crontab() -> str:
    """The whole crontab, empty when the user has none. Raises StateError if it cannot be read."""
    code, shown, complaint = _call("-l")
    if code and not _NONE_YET.search(complaint):
        raise StateError(f"cannot read the crontab: {complaint}", next_step='nothing was changed; run "crontab -l"')
    return "" if code else shown


def write_crontab(text: str) -> str:
    """Replace the crontab, read it back, and return the comments that the program itself put first, as SUSE's does.

    Raises:
        StateError: the command is missing or refuses the text (the crontab is then unchanged), what is read back
            differs, or the text may not be what the crontab really contains.
    """
    if _AMBIGUOUS.search(text):
        raise StateError(
            r'"crontab -l" shows \r or \b, which may be a control character that would be lost',
            next_step='nothing was changed; remove it with "crontab -e" and try again',
        )
    code, _, complaint = _call("-", text)
    if code:
        raise StateError(
            f"cron refused the crontab: {complaint}",
            next_step="nothing was changed; fix the named line and try again",
        )
    shown = read_crontab()
    header = shown.removesuffix(text)
    if not shown.endswith(text) or not re.fullmatch(r"(#[^\n]*\n)*", header):
        raise StateError(
            "the crontab differs from what was written: another program changed it at the same time",
            next_step='run "crontab -l"; the previous crontab is in the backups folder',
        )
    return header


def _call(argument: str, text: str = "") -> tuple[int, str, str]:
    """The exit code, the output, and what went wrong, in one line."""
    if not has_crontab():
        raise StateError("there is no crontab command on this machine", next_step="install cron: apt-get install cron")
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program and argument; the text goes by stdin
            [_PROGRAM, argument],
            input=text.encode(errors="surrogateescape"),
            capture_output=True,
            check=False,
            timeout=_TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StateError(f"the crontab command failed: {error}") from error
    shown, complaint = (output.decode(errors="surrogateescape") for output in (done.stdout, done.stderr))
    return done.returncode, shown, " ".join(complaint.split()) or "no reason was given"
