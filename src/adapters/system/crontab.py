"""The user's crontab, through ``crontab -l`` and ``crontab -``.

Every byte is kept: UTF-8, other bytes as surrogates (PEP 383).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

from adapters._bases.durable import Disk
from adapters._bases.errors import StateError

_TIMEOUT_SECONDS = 30
# crontab(1) has one exit code for "none yet" and for every failure; only its message distinguishes them.
_NONE_YET = re.compile(
    r"\bno f?crontab\b"  # Debian, cronie, fcron
    r"|can't open '[^']*': No such file or directory",  # busybox
    re.IGNORECASE,
)
# Debian's `crontab -l` shows a carriage return as the two characters \r and a backspace as \b.
_AMBIGUOUS = re.compile(r"\\[rb]")


class Crontab:
    """The crontab of the user that this process runs as. `program` is looked up on PATH."""

    def __init__(self, *, program: str = "crontab") -> None:
        self._program = program

    def is_available(self) -> bool:
        """Whether the command exists."""
        return shutil.which(self._program) is not None

    def read(self) -> str:
        """The whole crontab, empty when the user has none.

        Raises:
            StateError: the command is missing or failed.
        """
        listed = self._call("-l")
        complaint = _text(listed.stderr).strip()
        if listed.returncode == 0:
            return _text(listed.stdout)
        if _NONE_YET.search(complaint):
            return ""
        raise StateError(
            f"cannot read the crontab: {_one_line(complaint)}", next_step='nothing was changed; run "crontab -l"'
        )

    def write(self, text: str) -> None:
        """Replace the crontab and read it back. Idempotent.

        Raises:
            StateError: the command is missing or refuses the text (the crontab is then unchanged), what is read back
                differs, or the text may not be what the crontab really contains.
        """
        if _AMBIGUOUS.search(text):
            raise StateError(
                r'"crontab -l" shows \r or \b, which may be a control character that would be lost',
                next_step='nothing was changed; remove it with "crontab -e" and try again',
            )
        written = self._call("-", text=text)
        if written.returncode != 0:
            raise StateError(
                f"cron refused the crontab: {_one_line(_text(written.stderr))}",
                next_step="nothing was changed; fix the named line and try again",
            )
        if self.read() != text:
            raise StateError(
                "the crontab differs from what was written: another program changed it at the same time",
                next_step='run "crontab -l"; the previous crontab is in the backups folder',
            )

    def _call(self, argument: str, *, text: str = "") -> subprocess.CompletedProcess[bytes]:
        if not self.is_available():
            raise StateError(
                "there is no crontab command on this machine", next_step="install cron: apt-get install cron"
            )
        try:
            return subprocess.run(  # noqa: S603 - a fixed program and argument; the text goes by stdin
                [self._program, argument],
                input=text.encode(errors="surrogateescape"),
                capture_output=True,
                check=False,
                timeout=_TIMEOUT_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise StateError(f"the crontab command failed: {_one_line(str(error))}") from error


def keep_copy(text: str, *, folder: Path, now: datetime) -> Path:
    """Keep a crontab in a new file, ``folder/crontab-2026-11-23_15-30-00-000000.txt``, readable by its owner only.

    Raises:
        StateError: the file cannot be written, or exists.
    """
    path = folder / f"crontab-{now:%Y-%m-%d_%H-%M-%S-%f}.txt"
    try:
        disk = Disk()
        disk.make_folder(folder)
        disk.write(path, text.encode(errors="surrogateescape"), mode=0o600)
        disk.sync_folder(folder)
    except OSError as error:
        raise StateError(
            f"cannot keep a copy of the previous crontab: {_one_line(str(error))}", next_step="nothing was changed"
        ) from error
    return path


def _text(output: bytes) -> str:
    return output.decode(errors="surrogateescape")


def _one_line(text: str) -> str:
    return " ".join(text.split()) or "no reason was given"
