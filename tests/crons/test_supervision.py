"""Work under a time limit and under signals; what is cut short is looked at in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from adapters._bases.errors import StateError
from crons.exits import supervise
from tests.support.patience import PATIENCE_SECONDS

SRC = Path(__file__).parents[2] / "src"
CHILD = """
import asyncio, os, sys, threading
from adapters._bases.errors import EtlError
from crons.exits import supervise

async def work():
    {before}
    await asyncio.to_thread(threading.Event().wait)

try:
    supervise(work(), limit=({limit}, "RUN_TIMEOUT_SECONDS"), step=lambda: "storing 3 rows")
except EtlError as error:
    print(type(error).__name__, getattr(error, "exit_code", None), error.message, "|", error.next_step)
sys.stdout.flush()
os._exit(0)
"""


def cut_short(*, before: str = "pass", limit: float = 30) -> str:
    """What becomes of work that waits in a thread for ever."""
    program = CHILD.format(before=before, limit=limit)
    arguments = [sys.executable, "-c", program]
    environment = {"PYTHONPATH": str(SRC)}
    done = subprocess.run(
        arguments, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True
    )
    assert done.stderr == ""
    return done.stdout


def test_result_is_returned() -> None:
    """Work that ends in time is as if it had been called."""

    async def work() -> int:
        return 7

    assert supervise(work(), limit=(5, "X"), step=lambda: "") == 7


def test_error_is_raised() -> None:
    """So is work that fails."""

    async def work() -> int:
        raise StateError("no disk")

    with pytest.raises(StateError, match="no disk"):
        supervise(work(), limit=(5, "X"), step=lambda: "")


def test_limit_names_the_step_and_the_variable() -> None:
    """The step, the limit and the variable that sets it; a thread that does not come back is left behind."""
    shown = cut_short(limit=0.2)
    assert shown.startswith("RunTimedOutError None not done within 0.2 s; it was storing 3 rows")
    assert "RUN_TIMEOUT_SECONDS" in shown


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_signal_ends_the_work(name: str, code: int) -> None:
    """With the exit code that shells give, 128 and the signal's number, and what was going on."""
    shown = cut_short(before=f"import signal; os.kill(os.getpid(), signal.{name})")
    assert shown.startswith(f"SignalledError {code} ended by {name} while storing 3 rows")
    assert "nothing is lost" in shown
