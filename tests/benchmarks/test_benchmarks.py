"""The benchmarks run at the smallest size; the test does not judge what they measure."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from configurations.config import PROJECT_ROOT


@pytest.mark.parametrize(
    ("arguments", "code", "shown"),
    [
        ("--tiny hourly", 0, "floor"),
        ("--tiny table", 0, "32"),
        ("--tiny server", 0, "again"),
        ("nonsense", 2, "hourly, "),
    ],
)
def test_benchmark_prints_its_table(arguments: str, code: int, shown: str) -> None:
    """Each in its own process, because a process can have only one embedded engine open."""
    command = [sys.executable, "-m", "benchmarks", *arguments.split()]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["src", "."])}
    done = subprocess.run(command, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, shown in done.stdout + done.stderr) == (code, True), done.stderr
