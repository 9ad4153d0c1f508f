"""The program itself, run as cron runs it, on a folder of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from benchmarks.child import Ran, run_python
from benchmarks.stand_in import KEY
from configurations.config import PROJECT_ROOT

JOB = "cmc_hourly_prices"


class Job:
    """The hourly job and its backfill.

    Args:
        folder: of its data, the embedded engine's among them.
        source: the stand-in's address.
        symbols: as the setting SYMBOLS has them.
        server_port: of a ClickHouse server on the loopback; 0 is the embedded engine.
    """

    def __init__(self, *, folder: Path, source: str, symbols: str, server_port: int = 0) -> None:
        self._environment = {
            **bare_environment(),
            "CLICKHOUSE_HOST": "127.0.0.1" if server_port else "embedded",
            "CLICKHOUSE_PORT": str(server_port or 8123),
            "CLICKHOUSE_PATH": str(folder / "clickhouse"),
            "CMC_API_KEY": KEY,
            "CMC_BASE_URL": source,
            "DATA_PATH": str(folder),
            "SYMBOLS": symbols,
            "LOG_FORMAT": "json",
        }

    def run(self) -> Ran:
        """The present hour."""
        return run_python(["-m", "crons.run", JOB], self._environment)

    def backfill(self, hours: int) -> Ran:
        """The hours before."""
        return run_python(["-m", "crons.run", JOB, "backfill", str(hours)], self._environment)


def bare_environment() -> dict[str, str]:
    """What every child needs and nothing of the caller's: no key, no proxy, no telemetry."""
    return {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(PROJECT_ROOT / "src"),
        "NO_PROXY": "127.0.0.1",
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "CRITICAL",
    }


def counts(run: Ran) -> Mapping[str, int]:
    """What the run said it did, from the last line of its log: inserted, updated, unchanged, calls, credits."""
    lines = [json.loads(line) for line in run.output.splitlines() if line.startswith("{")]
    done: Mapping[str, int] = next(line for line in reversed(lines) if line["event"] == "done")
    return done
