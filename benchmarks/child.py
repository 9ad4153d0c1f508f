"""One program run from start to end, with the operating system's own account of it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_LAUNCHER = Path(__file__).parent / "programs" / "account.py"
_PEAK_UNIT = 1e6 / 1024  # Linux tells units of 1,024 bytes; figures here are MB of a million


class Ran(NamedTuple):
    """A run that ended well.

    Attributes:
        wall_seconds: from its start to its end.
        peak_megabytes: the most memory it held at once.
        output: what it wrote to stdout and stderr.
    """

    wall_seconds: float
    peak_megabytes: float
    output: str


def run_python(arguments: Sequence[str], environment: Mapping[str, str]) -> Ran:
    """Run this Python with these arguments, such as ``["-m", "crons.run", …]``; see `run_program`."""
    return run_program([sys.executable, *arguments], environment)


def run_program(command: Sequence[str], environment: Mapping[str, str]) -> Ran:
    """Run a program to its end.

    Args:
        command: the program and its arguments.
        environment: all of it; nothing is inherited.

    Raises:
        RuntimeError: it failed; the message holds its output.
    """
    with tempfile.TemporaryDirectory() as folder:
        account, output = Path(folder) / "account", Path(folder) / "output"
        with output.open("wb") as file:
            launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), str(account)]
            subprocess.run([*launcher, *command], stdout=file, stderr=file, env=dict(environment), check=True)
        wall, peak, code = account.read_text(encoding="ascii").split()
        text = output.read_text(encoding="utf-8", errors="replace")
    if code != "0":
        raise RuntimeError(f"{' '.join(command)[:200]} ended with {code}:\n{text[-4000:]}")
    return Ran(float(wall), int(peak) / _PEAK_UNIT, text)


def in_turn(runs: int, *programs: Callable[[], Ran]) -> list[list[Ran]]:
    """Run the programs A B C A B C …, after a warm-up of each that does not count; the runs of each program."""
    for program in programs:
        program()
    rounds = [[program() for program in programs] for _ in range(runs)]
    return [list(of_one) for of_one in zip(*rounds, strict=True)]


def walls(runs: Sequence[Ran]) -> list[float]:
    """The wall seconds of each."""
    return [run.wall_seconds for run in runs]


def peaks(runs: Sequence[Ran]) -> list[float]:
    """The peak megabytes of each."""
    return [run.peak_megabytes for run in runs]
