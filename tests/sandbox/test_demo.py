"""The demo: the whole program on show, without a trace of it afterwards."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

SRC = Path(__file__).parents[2] / "src"


def test_the_demo_shows_the_main_job_and_leaves_the_users_data_alone(tmp_path: Path) -> None:
    """It ends 0 with 49 hours of three symbols, says that they are simulated, and takes no setting of the user's."""
    shutil.copytree(SRC, tmp_path / "a checkout" / "src")
    (tmp_path / "a checkout" / "logs").mkdir()
    (tmp_path / "a checkout" / ".env").write_text("SYMBOLS=\nthis says nothing\nLOG_LEVEL=ERROR\n")
    done = subprocess.run(
        [sys.executable, "-m", "sandbox.demo"],
        cwd=tmp_path / "a checkout",
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(tmp_path / "a checkout" / "src"),
            "CLICKHOUSE_DB": "mine",
            "TMPDIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    hours = re.findall(r"^\d{4}-\d\d-\d\d \d\d:00:00( +[\d.]+){3}$", done.stdout, re.MULTILINE)
    assert len(hours) in {48, 49}  # 48 where the hour strikes before the backfill, which then has that of the runs
    assert f"{3 * len(hours)} rows" in done.stdout
    assert "simulated" in done.stdout
    assert "updated=3" in done.stderr
    assert sorted(path.name for path in (tmp_path / "a checkout").iterdir()) == [".env", "logs", "src"]
    assert list(tmp_path.iterdir()) == [tmp_path / "a checkout"]
