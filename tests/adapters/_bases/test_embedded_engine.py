"""The engine inside this process: zones of the host, folders in use, damaged folders."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.embedded_engine import EmbeddedEngine, engine_failure
from tests.support.process import SRC, run_program

OPEN = """
import os, sys
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.embedded_engine import EmbeddedEngine
from adapters._bases.errors import EtlError
noon = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
before, engine = noon.astimezone().isoformat(), EmbeddedEngine(Path(sys.argv[1]))
with closing(ClickHouseAdapter(address=engine, connect_timeout_seconds=5, query_timeout_seconds=5)) as door:
    try:
        door.command("CREATE DATABASE IF NOT EXISTS crypto")
        print(noon.astimezone().isoformat() == before, repr(os.environ.get("TZ")))
    except EtlError as error:
        print(type(error).__name__, error.message, error.next_step, sep="\\n")
"""


def opened(folder: Path, limit: str = "-c 0", **environment: str) -> subprocess.CompletedProcess[str]:
    """The output of a process that opens the engine there, with a limit of ``ulimit``."""
    limited = f'ulimit {limit}; exec "$0" "$@"'
    return run_program("bash", "-c", limited, sys.executable, "-c", OPEN, folder, **environment)


@pytest.mark.parametrize("zone", ["<+0330>-3:30", ":/etc/localtime", None])
def test_engine_starts_in_any_zone_and_leaves_it(tmp_path: Path, zone: str | None) -> None:
    """Schedules are computed by it."""
    done = opened(tmp_path / "engine", **({} if zone is None else {"TZ": zone}))
    assert done.stdout == f"True {zone!r}\n", done.stderr[-2000:]


def test_damaged_folder_is_explained_beside_the_engines_own_words(tmp_path: Path) -> None:
    folder = tmp_path / "clickhouse"
    opened(folder)
    (folder / "metadata" / "crypto.sql").write_text("ATTACH DATABASE _ UUID '1' ENGINE = ")
    done = opened(folder)
    kind, message, next_step = done.stdout.splitlines()
    assert kind == "StorageRejected"
    assert f"the embedded engine at {folder} does not start: " in message
    assert f"move {folder} away" in next_step
    assert "crypto.sql" in done.stderr


@pytest.mark.parametrize("limit", ["-n 24", "-v 1500000"])
def test_low_limit_is_named_before_the_engine_starts(tmp_path: Path, limit: str) -> None:
    flag, number = limit.split()
    kind, message, next_step = opened(tmp_path / "engine", limit).stdout.splitlines()
    assert kind == "StorageRejected"
    assert f"`ulimit {flag}` is {number}" in message
    assert "raise it" in next_step
    assert not (tmp_path / "engine").exists()


@pytest.mark.parametrize(
    ("reason", "step"), [("errno: 24, strerror: Too many open files", "-n"), ("Cannot allocate memory", "-v")]
)
def test_limit_that_the_engine_meets_is_named(reason: str, step: str) -> None:
    assert f"`ulimit {step}`" in engine_failure(RuntimeError(reason), Path("data")).next_step


def test_trace_of_missing_cgroups_stays_out_of_the_log(tmp_path: Path) -> None:
    """What else the engine writes when it is imported is passed on."""
    trace = (
        "Cannot use cgroups reader: Code: 107. DB::Exception: x, Stack trace:\\n\\n0. ? @ 0x1\\n (version 26.9.2.1)\\n"
    )
    (tmp_path / "chdb.py").write_text(f"import os; os.write(2, b'before\\n{trace}after\\n')")
    script = "from adapters._bases.embedded_engine import import_engine; import_engine()"
    assert run_program(sys.executable, "-c", script, PYTHONPATH=f"{tmp_path}:{SRC}").stderr == "before\nafter\n"


@pytest.mark.parametrize("cause", ["libstdc++.so.6: cannot open shared object file", "No module named 'chdb._chdb'"])
def test_unloadable_engine_shows_the_loaders_reason(cause: str) -> None:
    """Not that of the package around it; the next step installs again."""
    error = ImportError("chdb-core engine not found. Install it with: pip install chdb-core")
    error.__context__ = ImportError(cause)
    failure = engine_failure(error, Path("data/clickhouse"))
    assert cause in failure.message
    assert "install --embedded" in failure.next_step


def test_reading_makes_no_folder(tmp_path: Path) -> None:
    """A folder would look as if there were a database."""
    never_used = EmbeddedEngine(tmp_path / "clickhouse")
    adapter = ClickHouseAdapter(address=never_used, connect_timeout_seconds=5, query_timeout_seconds=5)
    with closing(adapter):
        assert adapter.query_if_there("SELECT 1") == []
    assert list(tmp_path.iterdir()) == []
