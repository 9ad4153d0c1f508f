"""The door to the user's crontab: `crontab -l` and `crontab -`.

Text crosses it with every byte kept: UTF-8, other bytes as surrogates (PEP 383).
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tempfile
from datetime import datetime
from pathlib import Path

from adapters._bases.durable import Disk
from adapters._bases.errors import StateError

_TIMEOUT_SECONDS = 30
_NONE_YET = re.compile(
    r"\bno f?crontab\b"  # cronie, Debian, macOS, the BSDs, fcron
    r"|can't open '[^']*': No such file or directory"  # busybox
    r"|can't open your crontab file\.?$"  # Solaris; with another reason behind it where there is another
    r"|0481-103 ",  # AIX
    re.IGNORECASE,
)
"""crontab(1) has one exit code for "none yet" and for every failure, so its words distinguish them."""
_AMBIGUOUS = re.compile(rb"\\[rb]")


class Crontab:
    """The crontab of the user that this process runs as. `program` is looked for on PATH."""

    def __init__(self, *, program: str = "crontab") -> None:
        self._program = program

    def is_available(self) -> bool:
        """Whether the command is there."""
        return shutil.which(self._program) is not None

    def read(self) -> str:
        """The whole crontab, empty when the user has none. Reads only.

        Raises:
            StateError: the command is missing, or did not give the crontab.
        """
        listed = self._call("-l")
        complaint = _text(listed.stderr).strip()
        if listed.returncode != 0 and _NONE_YET.search(complaint):
            return ""
        if listed.returncode != 0:
            raise _unreadable(complaint)
        if _AMBIGUOUS.search(listed.stdout):
            return self._read_exactly()
        return _text(listed.stdout)

    def _read_exactly(self) -> str:
        r"""The crontab as `crontab -e` hands it to an editor, here one that only copies it.

        Debian's `crontab -l` (3.0pl1-162, tried) shows a carriage return as the two characters ``\r`` and a backspace
        as ``\b``, so that a line written back from it would not be the user's own line any more.
        """
        with tempfile.TemporaryDirectory() as folder:
            edited = self._call("-e", environment=f"VISUAL=cp -t {shlex.quote(folder)}")
            copies = list(Path(folder).iterdir())
            if edited.returncode != 0 or len(copies) != 1:
                raise _unreadable(_text(edited.stderr))
            return _text(copies[0].read_bytes())

    def write(self, text: str) -> None:
        """Replace the crontab by this text, and read it back. Idempotent.

        Raises:
            StateError: the command is missing or refuses the text (the crontab is then unchanged), or what is read back
                differs, because something else wrote at the same time.
        """
        written = self._call("-", text=text)
        if written.returncode != 0:
            raise StateError(
                f"the crontab was refused: {_one_line(_text(written.stderr))}",
                next_step="Nothing was changed. Put the named line right, then try again.",
            )
        if self.read() != text:
            raise StateError(
                "the crontab reads differently from what was written",
                next_step='See "crontab -l"; the previous one is in the backups folder.',
            )

    def _call(self, argument: str, *, text: str = "", environment: str = "") -> subprocess.CompletedProcess[bytes]:
        command = [self._program, argument]
        if not self.is_available():
            raise StateError(
                "there is no crontab command on this machine", next_step="Install cron: apt-get install cron"
            )
        try:
            return subprocess.run(  # noqa: S603 - a fixed program and argument; the text goes by stdin
                ["env", environment, *command] if environment else command,
                input=text.encode(errors="surrogateescape"),
                capture_output=True,
                check=False,
                timeout=_TIMEOUT_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise StateError(f"the crontab command did not work: {_one_line(str(exc))}") from exc


def _unreadable(complaint: str) -> StateError:
    return StateError(
        f"the present crontab cannot be read: {_one_line(complaint)}",
        next_step='Nothing was changed. See what "crontab -l" says.',
    )


def keep_copy(text: str, *, folder: Path, now: datetime) -> Path:
    """Keep a crontab in a new file, readable by its owner only and on disk when this returns.

    The file is ``folder/crontab-2026-11-23_15-30-00-000000.txt``, named by `now`; the folder is made if missing.

    Raises:
        StateError: the file cannot be written, or exists.
    """
    path = folder / f"crontab-{now:%Y-%m-%d_%H-%M-%S-%f}.txt"
    try:
        disk = Disk()
        disk.make_folder(folder)
        disk.write(path, text.encode(errors="surrogateescape"), mode=0o600)
        disk.sync_folder(folder)
    except OSError as exc:
        raise StateError(
            f"the previous crontab cannot be kept: {_one_line(str(exc))}", next_step="Nothing was changed."
        ) from exc
    return path


def _text(output: bytes) -> str:
    return output.decode(errors="surrogateescape")


def _one_line(text: str) -> str:
    return " ".join(text.split()) or "it gave no reason"
