"""``check`` as the operator runs it: a row for each prerequisite, and what to do about a missing one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from tests.support.crontab_program import CrontabProgram
from tests.support.faulty_source import FaultySource
from tests.support.installation import Finished, Installation
from tests.support.stepped_clock import SteppedClock


def system_clock() -> datetime:
    """The real time: a clock that differs from the source's is a finding."""
    return datetime.now(timezone.utc)


@pytest.fixture
def source() -> Iterator[FaultySource]:
    """CoinMarketCap."""
    with FaultySource(clock=system_clock) as serving:
        yield serving


@pytest.fixture
def program(tmp_path: Path, source: FaultySource) -> Iterator[Installation]:
    """The program with the embedded engine, the key set, and no crontab command on its PATH."""
    settings = {
        "PATH": str(tmp_path),
        "CMC_BASE_URL": source.base_url,
        "CMC_API_KEY": source.key,
        "SYMBOLS": "BTC,ETH,SOL",
    }
    installation = Installation.make(tmp_path / "a checkout", clock=SteppedClock(system_clock()), settings=settings)
    yield installation
    installation.end_all()


def rows(finished: Finished) -> dict[str, str]:
    """Each subject's rows and next steps."""
    found: dict[str, str] = {}
    for line in finished.out.splitlines()[1:]:
        subject = line.strip().split(": ")[0] if line.startswith("  ") else line.split("  ")[0]
        found[subject] = f"{found.get(subject, '')}{line}\n"
    return found


def test_a_ready_host_passes(program: Installation) -> None:
    """Exit code 0; a job that never ran and is not installed has no row."""
    program.command("setup_db")
    finished = program.command("check")
    found = rows(finished)
    assert finished.code == 0
    assert "embedded engine" in found["ClickHouse"]
    assert "version 26.9" in found["ClickHouse"]
    assert "crypto.crypto_prices, 0 rows" in found["table"]
    assert "15000 of 15000 credits left, 50 calls a minute" in found["CoinMarketCap"]
    assert "apt-get install cron" in found["crontab"]
    assert list(found)[:3] == ["Python", "set-up", ".env"]
    assert "inance" not in finished.out


@pytest.mark.parametrize(
    ("settings", "code", "row"),
    [
        ({"CMC_API_KEY": "00000000-0000-4000-8000-000000000000"}, 1, "fail .*CMC_API_KEY"),
        ({"CMC_API_KEY": ""}, 0, "keyless"),
        ({"CMC_BASE_URL": "http://127.0.0.1:1", "RUN_TIMEOUT_SECONDS": "2"}, 1, "fail .*127.0.0.1:1/.*/key/info"),
    ],
)
def test_the_key_and_the_source_are_checked(
    program: Installation, settings: dict[str, str], code: int, row: str
) -> None:
    """A missing key is no failure: the hourly run works without one."""
    finished = program.command("check", **settings)
    assert finished.code == code
    assert re.search(row, rows(finished)["CoinMarketCap"], re.DOTALL)
    assert "Traceback" not in finished.out + finished.log


def test_an_unreachable_database_fails(program: Installation) -> None:
    """The other rows are there all the same."""
    finished = program.command("check", CLICKHOUSE_HOST="127.0.0.1", CLICKHOUSE_PORT="1")
    assert finished.code == 1
    assert "127.0.0.1:1" in rows(finished)["ClickHouse"]
    assert "key valid" in rows(finished)["CoinMarketCap"]


def test_invalid_settings_are_named(program: Installation) -> None:
    """A row each; what depends on the settings is left out."""
    finished = program.command("check", SYMBOLS="", LOG_LEVEL="LOUD")
    assert finished.code == 1
    assert [line.split()[2] for line in finished.out.splitlines() if line.startswith("settings")] == [
        *("SYMBOLS:", "LOG_LEVEL:"),
    ]
    assert "ClickHouse" not in rows(finished)


def test_an_env_file_that_others_can_read_is_a_warning(program: Installation) -> None:
    """As is a name in it that is probably mistyped."""
    env_file = program.root / ".env"
    env_file.write_text("SYMBOL=BTC\n")
    env_file.chmod(0o644)
    finished = program.command("check")
    assert finished.code == 0
    assert "chmod 600" in rows(finished)[".env"]
    assert "did you mean SYMBOLS?" in rows(finished)[".env"]


def test_an_unwritable_folder_fails(program: Installation) -> None:
    """A run could not keep its rows there."""
    finished = program.command("check", DATA_PATH="/dev/null/data")
    assert finished.code == 1
    assert "/dev/null/data" in rows(finished)["folders"]


def test_used_up_credits_fail(tmp_path: Path) -> None:
    """The key is valid, but no call would succeed."""
    with FaultySource(clock=system_clock, credits_monthly=0) as poor:
        settings = {"PATH": str(tmp_path), "CMC_BASE_URL": poor.base_url, "CMC_API_KEY": poor.key}
        program = Installation.make(tmp_path / "a checkout", clock=SteppedClock(system_clock()), settings=settings)
        finished = program.command("check")
    assert finished.code == 1
    row = rows(finished)["CoinMarketCap"]
    assert "fail" in row
    assert "0 of 0 credits left" in row
    assert "wait for the reset" in row


def test_the_crontab_line_is_a_row(program: Installation, tmp_path: Path) -> None:
    """With the command that installs it, then with its schedule; an installed job is checked as well."""
    folder = tmp_path / "bin"
    folder.mkdir()
    CrontabProgram(folder).make()
    path = f"{folder}:{os.environ['PATH']}"
    before = rows(program.command("check", PATH=path))
    assert "./run.sh setup_cron cmc_hourly_prices" in before["job cmc_hourly_prices"]
    assert program.command("setup_cron", "binance_hourly_prices", "--schedule", "5 * * * *", PATH=path).code == 0
    after = rows(program.command("check", PATH=path, BINANCE_BASE_URL="http://127.0.0.1:1"))
    assert "installed: 5 * * * *" in after["job binance_hourly_prices"]
    assert "127.0.0.1:1" in after["Binance"]
    assert "CoinMarketCap" not in after


def test_damaged_spool_files_are_named(program: Installation) -> None:
    """A warning, with the file that says why."""
    rejected = program.data / "spool" / "cmc_hourly_prices" / "rejected"
    rejected.mkdir(parents=True)
    (rejected / "0000000001-0000.spool").write_text("")
    finished = program.command("check")
    assert finished.code == 0
    assert "0000000001-0000.spool.reason" in rows(finished)["spool cmc_hourly_prices"]
