"""A `crontab` command that keeps its text in a file: the outside of the crontab door."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

_PROGRAM = """#!/bin/sh
table={folder}/table
echo "$1" >> {folder}/calls
case "$1" in
-l)
    if [ -e {folder}/locked ]; then echo "you are not allowed to use this program" >&2; exit 1; fi
    if [ ! -e "$table" ]; then echo "no crontab for tester" >&2; exit 1; fi
    # As Debian's does: a carriage return shows as two characters.
    sed "s/$(printf '\\r')/\\\\\\\\r/g" "$table" ;;
-)
    if [ -e {folder}/refusing ]; then echo "bad minute" >&2; exit 1; fi
    if [ -e {folder}/forgetful ]; then cat > /dev/null; else cat {folder}/header - > "$table"; fi ;;
esac
"""


@dataclass(frozen=True)
class CrontabProgram:
    """The command and its state, in an empty folder without blanks in its path.

    A file in it named ``locked``, ``refusing`` or ``forgetful`` makes the command behave so, and the text in one named
    ``header`` goes before each crontab.
    """

    folder: Path

    def make(self) -> str:
        (self.folder / "header").touch()
        program = self.folder / "crontab"
        program.write_text(_PROGRAM.format(folder=self.folder))
        program.chmod(0o755)
        return str(program)

    @classmethod
    def on_path(cls, folder: Path, monkeypatch: pytest.MonkeyPatch) -> CrontabProgram:
        program = cls(folder)
        program.make()
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        return program

    def behave(self, how: str) -> None:
        (self.folder / how).touch()

    @property
    def table(self) -> bytes | None:
        path = self.folder / "table"
        return path.read_bytes() if path.exists() else None

    def store(self, table: bytes) -> None:
        (self.folder / "table").write_bytes(table)

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().split() if path.exists() else []
