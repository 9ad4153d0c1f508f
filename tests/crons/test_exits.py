"""The edge of the program: its exit codes, and output that cannot be written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

import pytest

from adapters._bases.errors import EtlError
from crons.exits import EXIT_CODES, guarded
from crons.resources import system_clock

ROOT = Path(__file__).parents[2]
OPERATING = ROOT / "docs" / "operating.md"
SRC = ROOT / "src"
IMPORTS = "import sys, main; from crons.resources import system_clock; from crons.exits import guarded"
COLLABORATORS = "tell=lambda error: None, clock=system_clock"


def test_docs_have_the_exit_codes() -> None:
    """In the words of the help."""
    table = OPERATING.read_text().partition("| code | meaning |\n")[2].partition("\n\n")[0]
    found = re.findall(r"^\| (\d+) \| (.*) \|$", table, re.MULTILINE)
    assert {int(code): words for code, words in found} == EXIT_CODES


def test_interrupted_command_says_so() -> None:
    """Ctrl-C where no job runs: one line, and the exit code that shells give."""
    shown: list[EtlError] = []

    def interrupted() -> int:
        raise KeyboardInterrupt

    assert guarded(interrupted, tell=shown.append, clock=system_clock) == 130
    assert [error.message for error in shown] == ["ended by Ctrl-C"]


@pytest.mark.parametrize("lines", [1, 10_000], ids=["in the buffer", "beyond the buffer"])
@pytest.mark.parametrize("said", ["print('x')", "print('x', file=sys.stderr)"], ids=["stdout", "stderr"])
def test_closed_output_ends_quietly(said: str, lines: int) -> None:
    """As for ``head``: the exit code that a shell gives for a closed pipe, and not a word about it."""
    script = f"sys.exit(guarded(lambda: [{said} for _ in range({lines})] and 0, {COLLABORATORS}))"
    assert ended(script, closed="stderr" if "stderr" in said else "stdout") == (141, "")


def test_table_to_a_closed_output_ends_quietly() -> None:
    """As a library draws it."""
    script = "main.app(['jobs'], prog_name='run.sh')"
    assert ended(script, closed="stdout") == (141, "")


def test_unencodable_output_is_a_question_mark() -> None:
    """An encoding without the sparkline's signs stops no command."""
    script = f"sys.exit(guarded(lambda: print('\\u2581 5', file=sys.stdout) or 0, {COLLABORATORS}))"
    done = subprocess.run(
        [sys.executable, "-c", f"{IMPORTS}; {script}"],
        env={"PYTHONPATH": str(SRC), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"? 5\n", b"")


def ended(script: str, *, closed: Literal["stdout", "stderr"]) -> tuple[int, str]:
    """The exit code of a Python script with one output closed, and what it writes to the other."""
    reading, writing = os.pipe()
    os.close(reading)
    with tempfile.TemporaryFile("w+") as other:
        outputs: dict[str, Any] = {"stdout": other, "stderr": other, closed: writing}
        command = [sys.executable, "-c", f"{IMPORTS}; {script}"]
        done = subprocess.run(command, env={"PYTHONPATH": str(SRC), "PATH": "/nowhere"}, check=False, **outputs)
        os.close(writing)
        other.seek(0)
        return done.returncode, other.read()


def test_the_edge_has_the_only_broad_catch() -> None:
    """No other module treats unexpected errors as expected ones."""
    broad = re.compile(r"^\s*except(:| Exception\b)", re.MULTILINE)
    found = [path.relative_to(SRC).as_posix() for path in SRC.rglob("*.py") if broad.search(path.read_text())]
    assert found == ["crons/exits.py"]
