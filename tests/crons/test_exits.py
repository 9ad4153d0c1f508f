"""The edge of the program: its exit codes, and output that cannot be written."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from adapters._bases.errors import EtlError
from configurations.config import PROJECT_ROOT
from crons.exits import EXIT_CODES, guarded
from crons.resources import system_clock
from tests.support.process import run_program

OPENED = "from crons.start_up import open_streams; open_streams()\n"
PRINTING = f"""{OPENED}
import sys
from crons.exits import guarded, leave
from crons.resources import system_clock
def work():
    for _ in range(3):
        print("x" * 100_000)
        print("x" * 100_000, file=sys.stderr)
    open("done", "w").write(str(sys.stdin.isatty()))
    return 0
leave(guarded(work, tell=lambda error: None, clock=system_clock))
"""


def test_docs_have_the_exit_codes() -> None:
    page = (PROJECT_ROOT / "docs" / "scripting.md").read_text()
    table = page.partition("| code | meaning |\n")[2].partition("\n\n")[0]
    found = re.findall(r"^\| (\d+) \| (.*) \|$", table, re.MULTILINE)
    assert {int(code): words for code, words in found} == EXIT_CODES


def test_limit_ends_a_process_whose_engine_holds_python() -> None:
    """No Python code runs any more: the threads are shown, and the process ends."""
    script = """
import asyncio, ctypes
from crons import exits
exits._GRACE_SECONDS = 0.5
exits.supervise(asyncio.to_thread(ctypes.PyDLL(None).sleep, 300), limit=(0.5, "RUN_TIMEOUT_SECONDS"), step=str)
"""
    done = run_program(sys.executable, "-c", script)
    assert (done.returncode, done.stderr[:9]) == (1, "Timeout (")


def test_interrupted_command_says_so() -> None:
    """Outside of a job."""
    shown: list[EtlError] = []

    def interrupted() -> int:
        raise KeyboardInterrupt

    assert guarded(interrupted, tell=shown.append, clock=system_clock) == 130
    assert [error.message for error in shown] == ["ended by Ctrl-C"]


@pytest.mark.parametrize(
    ("streams", "code", "out", "err"),
    [
        ("{} >&-", 0, "", ""),
        ("{} 2>&-", 0, "", ""),
        ("{} <&- >&- 2>&-", 0, "", ""),
        ("{} >/dev/full", 1, "", "error: stdout could not be written: No space left on device\n"),
        ("{} 2>/dev/full", 1, "error: stderr could not be written: No space left on device\n", ""),
        ("{} >/dev/full 2>/dev/full", 1, "", ""),
        ("{} | :", 1, "", "error: stdout could not be written: Broken pipe\n"),
        ("{{ {} 2>&1 >&3 | :; }} 3>&1", 1, "error: stderr could not be written: Broken pipe\n", ""),
    ],
)
def test_work_is_done_whatever_takes_the_output(tmp_path: Path, streams: str, code: int, out: str, err: str) -> None:
    """Lost output is an error, except on a stream that is closed on purpose."""
    command = streams.format(shlex.join((sys.executable, "-c", PRINTING)))
    done = run_program("bash", "-o", "pipefail", "-c", command, folder=tmp_path)
    assert (done.returncode, done.stdout.lstrip("x\n"), done.stderr.lstrip("x\n")) == (code, out, err)
    assert (tmp_path / "done").read_text() == "False"


def test_unencodable_output_is_a_question_mark() -> None:
    done = run_program(sys.executable, "-c", OPENED + "print('\\u2581 5', flush=True)", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout, done.stderr) == (0, "? 5\n", "")
