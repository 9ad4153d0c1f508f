"""An embedded engine that does not start."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters._bases.embedded_engine import engine_failure

_SRC = Path(__file__).parents[3] / "src"
_OPEN = """
import sys
from pathlib import Path
from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.embedded_engine import EmbeddedEngine
from adapters._bases.errors import EtlError
engine = EmbeddedEngine(Path(sys.argv[1]))
with ClickHouseAdapter(address=engine, connect_timeout_seconds=5, query_timeout_seconds=5) as door:
    try:
        door.command("CREATE DATABASE IF NOT EXISTS crypto")
    except EtlError as error:
        print(type(error).__name__, error.message, error.next_step, sep="\\n")
"""


def opened(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _OPEN, str(folder)],
        env={"PYTHONPATH": str(_SRC)},
        capture_output=True,
        text=True,
        check=True,
    )


def _cut(folder: Path) -> None:
    (folder / "metadata" / "crypto.sql").write_text("ATTACH DATABASE _ UUID '1' ENGINE = ")


def _no_folder(folder: Path) -> None:
    shutil.rmtree(folder / "data", ignore_errors=True)
    (folder / "data").write_text("a file")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(_cut, "crypto.sql"), (_no_folder, "Not a directory")],
    ids=["cut short", "a file for a folder"],
)
def test_damaged_folder_is_explained_beside_the_engines_own_words(
    tmp_path: Path, spoil: Callable[[Path], None], words: str
) -> None:
    folder = tmp_path / "clickhouse"
    assert opened(folder).stdout == ""
    spoil(folder)
    done = opened(folder)
    kind, message, next_step = done.stdout.splitlines()
    assert kind == "StorageRejected"
    assert f"the embedded engine at {folder} does not start: " in message
    assert f"move {folder} away" in next_step
    assert words in message + done.stderr


@pytest.mark.parametrize("cause", ["libstdc++.so.6: cannot open shared object file", "No module named 'chdb._chdb'"])
def test_unloadable_engine_shows_the_loaders_reason(cause: str) -> None:
    """Not that of the package around it; the next step installs again."""
    error = ImportError("chdb-core engine not found. Install it with: pip install chdb-core")
    error.__context__ = ImportError(cause)
    failure = engine_failure(error, Path("data/clickhouse"))
    assert failure.message == f"the embedded engine cannot be loaded: {cause}"
    assert failure.next_step == "rm -rf .venv && ./run.sh install --embedded"
