"""The benchmarks work, at the smallest size; what they measure is not judged here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.document import document
from benchmarks.rivals import RIVALS
from benchmarks.section import Section, Target, ratio
from configurations.config import PROJECT_ROOT


def test_ratios_are_taken_pair_by_pair() -> None:
    """A run is compared with the one measured beside it, so that a machine that slows down changes nothing."""
    assert ratio([1.0, 10.0, 3.0], [2.0, 20.0, 6.0]) == 0.5


def test_the_document_says_of_each_target_whether_it_is_reached() -> None:
    """A target that is missed is shown with its reason, and one that is reached without."""
    missed = Target("size", 1.0, 2.0, "too large")
    section = Section("a", "A", ("x",), [("1",)], [missed, missed._replace(bound=2.0)], ["measured"])

    text = document([Section.from_json(section.as_json())])

    assert "| size | 1 | 2 | no: too large |" in text
    assert "| size | 2 | 2 | yes |" in text
    assert "- measured" in text


@pytest.mark.parametrize("name", ["process", "backfill"])
def test_whole_programs_are_measured_beside_dlt(tmp_path: Path, name: str) -> None:
    """With dlt installed, the benchmarks of whole programs run to their end and write their table."""
    if not RIVALS.exists():
        pytest.skip("the group bench is not installed; ./run.sh bench --tiny installs it")

    text = _measured(tmp_path, name)

    assert "| dlt, parquet |" in text
    assert "| yes |" in text


@pytest.mark.parametrize("name", ["memory", "upsert", "reads", "year", "server"])
def test_every_other_benchmark_runs_to_its_end(tmp_path: Path, name: str) -> None:
    """Each writes its table, at the smallest size."""
    assert "| --- |" in _measured(tmp_path, name)


def test_an_unknown_benchmark_is_refused(tmp_path: Path) -> None:
    """A wrong name ends with 2 and the list of names, and nothing is measured."""
    done = _bench(tmp_path, "nonsense")

    assert done.returncode == 2
    assert "process, backfill" in done.stderr
    assert list(tmp_path.iterdir()) == []


def _measured(folder: Path, name: str) -> str:
    done = _bench(folder, name)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _bench(folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, for a process can have but one folder of the embedded engine open."""
    command = [sys.executable, "-m", "benchmarks", "--tiny", "--folder", str(folder), name]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["src", "."])}
    return subprocess.run(command, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, check=False)
