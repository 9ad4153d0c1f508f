"""What the set-up installs: the locked versions, without what the program does not need."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

import pytest

from configurations.config import PROJECT_ROOT
from sandbox.coin_market_cap import StandIn
from sandbox.market import Market
from tests.support.process import run_program

NOT_NEEDED = {"numpy", "pandas", "pyarrow", "plotly"}
WITHOUT = """
import sys
for name in {names!r}:
    sys.modules[name] = None  # as if it were not installed
from crons.run import main
code = main(["cmc_hourly_prices"])
print(sorted(name for name in {names!r} if sys.modules[name] is not None))
sys.exit(code)
"""


def names_in(file: str) -> list[str]:
    """The packages of a requirements file."""
    return re.findall(r"^([a-z0-9.-]+)==", (PROJECT_ROOT / file).read_text(), re.MULTILINE)


def test_the_files_say_what_the_lock_says() -> None:
    """Each package of each group of poetry.lock, with its version, marker and hashes, and no other."""
    done = run_program(sys.executable, ".ci/requirements.py", "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_engine_comes_alone() -> None:
    """Of the engine's group only the engine is installed, and nothing anywhere brings what it is better without."""
    assert names_in("requirements-engine.txt") == ["chdb-core"]
    assert set(names_in("requirements.txt")).isdisjoint(NOT_NEEDED | {"chdb"})
    assert set(names_in("requirements-dev.txt")).isdisjoint({"plotly", "chdb"})


def test_installs_without_network(tmp_path: Path) -> None:
    """From wheels on a disk, as docs/installing.md says; without a server the engine would come from there too."""
    checkout, wheel = tmp_path / "checkout", tmp_path / "wheels/tiny-1.0-py3-none-any.whl"
    (checkout / "src").mkdir(parents=True)
    wheel.parent.mkdir()
    with ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    hashed = sha256(wheel.read_bytes()).hexdigest()
    (checkout / "requirements.txt").write_text(f"tiny==1.0 --hash=sha256:{hashed}\n")
    (checkout / "src" / "main.py").write_text("import tiny; print('ready')")
    for file in ("run.sh", "pyproject.toml"):
        shutil.copy(PROJECT_ROOT / file, checkout)
    options = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheel.parent), "PIP_INDEX_URL": "http://127.0.0.1:9"}
    machine = {"PATH": "/usr/bin:/bin", "PYTHON": sys.executable, "CLICKHOUSE_HOST": "db"}
    done = run_program("bash", "run.sh", "install", folder=checkout, **machine, **options)
    assert (done.returncode, done.stdout) == (0, "ready\n"), done.stderr
    assert "127.0.0.1:9" not in done.stderr


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """Of a program with the embedded engine, in a folder of its own."""
    return {
        "NO_PROXY": "127.0.0.1",
        "DATA_PATH": str(tmp_path),
        "CLICKHOUSE_HOST": "embedded",
        "CLICKHOUSE_PATH": str(tmp_path / "clickhouse"),
    }


def test_the_engine_works_without_them(settings: dict[str, str]) -> None:
    """A whole run with the embedded engine, where pandas, pyarrow and numpy cannot be imported."""
    with StandIn(Market(), clock=lambda: datetime.now(timezone.utc)) as source:
        done = run_without(NOT_NEEDED, settings | {"CMC_BASE_URL": source.base_url, "CMC_API_KEY": source.key})
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"
    assert "inserted=3" in done.stderr


def test_a_missing_engine_is_one_line(settings: dict[str, str]) -> None:
    """Where the engine is needed and was left out, exit code 2 and the command that adds it."""
    with StandIn(Market(), clock=lambda: datetime.now(timezone.utc)) as source:
        done = run_without({"chdb"}, settings | {"CMC_BASE_URL": source.base_url, "CMC_API_KEY": source.key})
    assert done.returncode == 2
    [line] = [line for line in done.stderr.splitlines() if "[error" in line]
    assert "the embedded engine is not installed" in line
    assert "next=./run.sh install --embedded" in line.replace("'", "")


def run_without(names: set[str], settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The hourly job, once, in a process that cannot import these."""
    return run_program(sys.executable, "-c", WITHOUT.format(names=sorted(names)), **settings)
