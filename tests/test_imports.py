"""What whole commands load: nothing that they have no use for, for that is most of what a short run costs."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

from configurations.config import PROJECT_ROOT
from sandbox.coin_market_cap import StandIn
from tests.support.clickhouse_front import ClickHouseFront

_LINE = re.compile(r"^import time: +\d+ \| +\d+ \| +([\w.]+)$", re.MULTILINE)


def test_setup_cron_loads_no_client(tmp_path: Path) -> None:
    """Scheduling needs neither the HTTP client nor the database's."""
    (tmp_path / "crontab").write_text("#!/bin/sh\n")
    (tmp_path / "crontab").chmod(0o755)
    done = _loading(["main", "setup_cron", "--dry-run"], {"PATH": f"{tmp_path}:/usr/bin:/bin"})

    assert done.returncode == 0, done.stderr[-2000:]
    assert _loaded(done).isdisjoint({"httpx", "clickhouse_connect", "chdb"})


def test_help_of_a_command_loads_no_settings() -> None:
    """Whoever asks how a command is called waits for nothing that it takes to do it."""
    done = _loading(["main", "check", "--help"], {})

    assert done.returncode == 0, done.stderr[-2000:]
    assert _loaded(done).isdisjoint({"pydantic_settings", "httpx", "clickhouse_connect"})


def test_a_run_against_a_server_loads_no_engine(front: ClickHouseFront, tmp_path: Path) -> None:
    """The job itself, from fetching to storing, leaves the embedded engine alone when there is a server."""
    with StandIn(clock=lambda: datetime.now(timezone.utc)) as source:
        settings = {
            "CLICKHOUSE_HOST": "127.0.0.1",
            "CLICKHOUSE_PORT": str(front.port),
            "CLICKHOUSE_USER": front.user,
            "CLICKHOUSE_PASSWORD": front.password,
            "CLICKHOUSE_DB": "imports",
            "CMC_API_KEY": source.key,
            "CMC_BASE_URL": source.base_url,
            "DATA_PATH": str(tmp_path),
        }
        done = _loading(["crons.run", "cmc_hourly_prices"], settings)

    assert done.returncode == 0, done.stderr[-2000:]
    assert {"httpx", "clickhouse_connect"} <= _loaded(done)
    assert "chdb" not in _loaded(done)


def _loading(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run one of our programs so that it tells each module it loads."""
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", *command],
        cwd=PROJECT_ROOT,
        env={"PYTHONPATH": "src", "PATH": "/usr/bin:/bin", "NO_PROXY": "127.0.0.1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def _loaded(done: subprocess.CompletedProcess[str]) -> set[str]:
    return set(_LINE.findall(done.stderr))
