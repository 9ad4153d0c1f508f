"""The demo: the whole program on show, without a trace of it afterwards."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from tests.support.process import SRC, run_program


def test_demo_leaves_user_data_alone(tmp_path: Path) -> None:
    checkout = tmp_path / "a checkout"
    shutil.copytree(SRC, checkout / "src")
    (checkout / "logs").mkdir()
    (checkout / ".env").write_text("SYMBOLS=\nthis says nothing\nLOG_LEVEL=ERROR\n")
    mine = {
        "CLICKHOUSE_DB": "mine",
        "CLICKHOUSE_CLUSTER": "mine",
        "CLICKHOUSE_CHANGES": "insert",
        "CLICKHOUSE_INSERT_QUORUM": "3",
        "HEALTHCHECK_URL_HEAL": "not an address",
        "BINANCE_BASE_URL": "http://127.0.0.1:9",
        "BINANCE_PAIRS": "ABC:ABCUSDT",
    }
    machine = {"PYTHONPATH": str(checkout / "src"), "TMPDIR": str(tmp_path)}
    done = run_program(sys.executable, "src/main.py", "demo", folder=checkout, **machine, **mine)
    assert done.returncode == 0, done.stdout + done.stderr
    hours = re.findall(r"^\d{4}-\d\d-\d\d \d\d:00:00( +[\d,.]+){3}$", done.stdout, re.MULTILINE)
    assert len(hours) == 6
    assert re.search(r"^14[47] rows: 4[89] hours of 3 symbols", done.stdout, re.MULTILINE)  # 48 where the hour strikes
    page = checkout / "reports" / "demo.html"
    assert f"  {page}\n" in done.stdout
    shown = page.read_text()
    assert "<html" in shown
    assert "crypto.crypto_prices_hourly" in shown
    assert "crypto.binance_prices_hourly" in shown
    assert re.search(r"what='144 stored' .*job=binance_hourly_prices", done.stderr)
    last = done.stdout.splitlines()[-23:]
    assert any("What is stored" in line for line in last)
    assert max(map(len, [line for line in last if str(tmp_path) not in line])) <= 80
    assert "simulated" in done.stdout
    assert "updated=3" in done.stderr
    assert sorted(path.name for path in checkout.iterdir()) == [".env", "logs", "reports", "src"]
    assert list(tmp_path.iterdir()) == [checkout]
