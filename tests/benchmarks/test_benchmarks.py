"""The benchmarks run at the smallest size; the test does not judge what they measure."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from configurations.config import PROJECT_ROOT


@pytest.mark.parametrize(("name", "shown"), [("hourly", "floor"), ("table", "32"), ("server", "again")])
def test_benchmark_prints_its_table(name: str, shown: str) -> None:
    """Each in its own process, because a process can have only one embedded engine open."""
    done = bench("--tiny", name)
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout


def test_unknown_benchmark_is_rejected() -> None:
    """With the list of names."""
    done = bench("nonsense")
    assert done.returncode == 2
    assert "hourly, backfill" in done.stderr


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the benchmarks."""
    command = [sys.executable, "-m", "benchmarks", *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["src", "."])}
    return subprocess.run(command, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, check=False)
