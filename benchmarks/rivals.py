"""The programs that ours is compared with, as processes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.child import Ran, run_program, run_python
from benchmarks.job import bare_environment
from benchmarks.stand_in import KEY, coin_ids

RIVALS = Path(sys.prefix, "bench")
"""dlt's own environment: it brings pyarrow, which the engine would load where it finds it, at its cost."""
_PROGRAMS = Path(__file__).parent / "programs"
MAX_IDS = 250


def floor(*, folder: Path, source: str, coins: int) -> Callable[[], Ran]:
    """Imports httpx and clickhouse-connect, opens the engine, makes one GET of at most 250 coins."""
    ids = ",".join(map(str, coin_ids(min(coins, MAX_IDS))))
    arguments = [str(_PROGRAMS / "floor.py"), str(folder / "floor"), source, KEY, ids]
    return lambda: run_python(arguments, bare_environment())


def dlt(*, folder: Path, source: str, coins: int, file_format: str, hours: int = 0) -> Callable[[], Ran]:
    """The same rows by dlt; with `hours` a backfill. `folder` is its own and made when missing."""
    own = folder / file_format
    own.mkdir(parents=True, exist_ok=True)
    arguments = [str(_PROGRAMS / "rival.py"), str(own), source, KEY, ",".join(map(str, coin_ids(coins))), file_format]
    arguments += [str(hours)] if hours else []
    environment = {**bare_environment(), "HOME": str(own), "DLT_DATA_DIR": str(own), "DLT_PROJECT_DIR": str(own)}
    return lambda: run_program([str(RIVALS / "bin/python"), *arguments], environment)
