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
from tests.support.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"
IMPORTS = "import sys, main; from crons.resources import system_clock; from crons.exits import guarded"
COLLABORATORS = "tell=lambda error: None, clock=system_clock"
SIGNALLED = """
import asyncio, os, signal, threading
from adapters._bases.errors import EtlError
from crons.exits import supervise

async def work():
    os.kill(os.getpid(), signal.{name})
    await asyncio.to_thread(threading.Event().wait)

try:
    supervise(work(), limit=(30, "RUN_TIMEOUT_SECONDS"), step=lambda: "storing 3 rows")
except EtlError as error:
    print(error.exit_code, error.message, flush=True)
os._exit(0)
"""


def test_docs_have_the_exit_codes() -> None:
    table = (ROOT / "docs" / "operating.md").read_text().partition("| code | meaning |\n")[2].partition("\n\n")[0]
    found = re.findall(r"^\| (\d+) \| (.*) \|$", table, re.MULTILINE)
    assert {int(code): words for code, words in found} == EXIT_CODES


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_signal_ends_work_in_a_thread(name: str, code: int) -> None:
    """In a process of its own, because the thread is left behind."""
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED.format(name=name)],
        env={"PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    assert (done.stdout, done.stderr) == (f"{code} ended by {name} while storing 3 rows\n", "")


def test_interrupted_command_says_so() -> None:
    """Outside of a job."""
    shown: list[EtlError] = []

    def interrupted() -> int:
        raise KeyboardInterrupt

    assert guarded(interrupted, tell=shown.append, clock=system_clock) == 130
    assert [error.message for error in shown] == ["ended by Ctrl-C"]


@pytest.mark.parametrize("lines", [1, 10_000], ids=["in the buffer", "beyond the buffer"])
@pytest.mark.parametrize("said", ["print('x')", "print('x', file=sys.stderr)"], ids=["stdout", "stderr"])
def test_closed_output_ends_quietly(said: str, lines: int) -> None:
    script = f"sys.exit(guarded(lambda: [{said} for _ in range({lines})] and 0, {COLLABORATORS}))"
    assert ended(script, closed="stderr" if "stderr" in said else "stdout") == (141, "")


def test_table_to_a_closed_output_ends_quietly() -> None:
    script = "main.app(['jobs'], prog_name='run.sh')"
    assert ended(script, closed="stdout") == (141, "")


def test_unencodable_output_is_a_question_mark() -> None:
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
    broad = re.compile(r"^\s*except(:| Exception\b)", re.MULTILINE)
    found = [path.relative_to(SRC).as_posix() for path in SRC.rglob("*.py") if broad.search(path.read_text())]
    assert found == ["crons/exits.py"]
