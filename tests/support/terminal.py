"""A terminal of a certain size, and what a command says to it."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
import threading
from collections.abc import Mapping
from pathlib import Path

from tests.support.eventually import PATIENCE_SECONDS
from tests.support.forked import ForkedPython
from tests.support.installation import Installation


def on_a_terminal(
    program: Installation,
    *arguments: str,
    columns: int = 80,
    lines: int = 24,
    code: int = 0,
    settings: Mapping[str, str] | None = None,
) -> str:
    """What ``python`` with these arguments says to a terminal, with its line ends; it ends with that exit code.

    Settings of this one process go over the program's others.
    """
    reading, writing = pty.openpty()
    fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environment = {"PYTHONPATH": str(program.root / "src"), "TERM": "xterm", **program.settings, **(settings or {})}
    terminal = Path(os.ttyname(writing))
    process = ForkedPython([*arguments], cwd=program.root, environment=environment, out=terminal, log=terminal)
    said = b""

    def close() -> None:
        process.wait(PATIENCE_SECONDS)
        os.close(writing)

    ending = threading.Thread(target=close)
    ending.start()
    try:
        while piece := os.read(reading, 65536):
            said += piece
    except OSError:  # a terminal whose other side is closed
        os.close(reading)
    ending.join()
    assert process.poll() == code, said
    return said.decode()
