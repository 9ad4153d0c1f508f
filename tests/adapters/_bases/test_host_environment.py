"""What the host's environment holds that a library cannot take: neither the engine nor an HTTP call fails of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "src"
OPENS_THE_ENGINE = """
import os, sys
from datetime import datetime, timezone
from pathlib import Path
from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.embedded_engine import EmbeddedEngine
noon = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
before = noon.astimezone()
with ClickHouseAdapter(
    address=EmbeddedEngine(Path(sys.argv[1])), connect_timeout_seconds=5, query_timeout_seconds=5
) as engine:
    print(engine.query("SELECT 1"), noon.astimezone().isoformat() == before.isoformat(), repr(os.environ.get("TZ")))
"""


@pytest.mark.parametrize(
    "zone",
    [
        "<+0330>-3:30",
        "IRST-3:30",
        "Asia/tehran",
        ":/etc/localtime",
        "",
        "EST5EDT,M3.2.0,M11.1.0",
        "nonsense",
        "/usr/share/zoneinfo/Asia/Tehran",
        "Asia/Kathmandu",
        None,
    ],
)
def test_the_engine_starts_whatever_the_hosts_zone_is_called(tmp_path: Path, zone: str | None) -> None:
    """And the zone means the same before and after it, for the schedules are reckoned by it."""
    environment = {"PYTHONPATH": str(SOURCE)} | ({} if zone is None else {"TZ": zone})
    done = subprocess.run(
        [sys.executable, "-c", OPENS_THE_ENGINE, str(tmp_path / "engine")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"[(1,)] True {zone!r}\n", done.stderr[-2000:]
