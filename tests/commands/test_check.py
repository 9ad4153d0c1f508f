"""``check`` as the operator runs it: a row for each thing the main job needs, and what to do about what is missing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from tests.support import faults
from tests.support.crontab_program import CrontabProgram
from tests.support.faulty_source import FaultySource
from tests.support.installation import Finished, Installation
from tests.support.stepped_clock import SteppedClock


def system_clock() -> datetime:
    """The real time: a source whose clock is another's is itself a finding."""
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
    """The printed rows by what they are about, without the heading."""
    return {line.split("  ")[0].strip(): line for line in finished.out.splitlines()[1:] if line.strip()}


def test_all_is_well(program: Installation) -> None:
    """Engine and version, the key's plan and credits, and what is not installed yet as a warning: exit code 0."""
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


def test_a_wrong_key_is_explained(program: Installation) -> None:
    """The row names the refusal and the next step: exit code 1, and no traceback."""
    finished = program.command("check", CMC_API_KEY="00000000-0000-4000-8000-000000000000")
    assert finished.code == 1
    assert "fail" in rows(finished)["CoinMarketCap"]
    assert "CMC_API_KEY" in rows(finished)["CoinMarketCap"]
    assert "Traceback" not in finished.out + finished.log


def test_no_key_is_a_warning(program: Installation) -> None:
    """The hourly run works without one, so the check does not fail."""
    finished = program.command("check", CMC_API_KEY="")
    assert finished.code == 0
    assert "keyless" in rows(finished)["CoinMarketCap"]


def test_a_source_that_is_away_fails_the_check(program: Installation, source: FaultySource) -> None:
    """Without a key it is asked as well: exit code 1, and the row says what was not reached."""
    source.faults.push(faults.hang(), path="/cryptocurrency/map", times=99)
    finished = program.command("check", CMC_API_KEY="", HTTP_TIMEOUT_SECONDS="0.2", RUN_TIMEOUT_SECONDS="1")
    assert finished.code == 1
    assert "fail" in rows(finished)["CoinMarketCap"]
    assert "/public-api/v1/cryptocurrency/map" in rows(finished)["CoinMarketCap"]


def test_a_database_that_is_away_fails_the_check(program: Installation) -> None:
    """The row says where it was looked for; the other rows are there all the same."""
    finished = program.command("check", CLICKHOUSE_HOST="127.0.0.1", CLICKHOUSE_PORT="1")
    assert finished.code == 1
    assert "127.0.0.1:1" in rows(finished)["ClickHouse"]
    assert "key valid" in rows(finished)["CoinMarketCap"]


def test_wrong_settings_are_named(program: Installation) -> None:
    """A wrong variable is a row, and what needs the settings is left out."""
    finished = program.command("check", SYMBOLS="", LOG_LEVEL="LOUD")
    assert finished.code == 1
    assert [line.split()[2] for line in finished.out.splitlines() if line.startswith("settings")] == [
        "SYMBOLS:",
        "LOG_LEVEL:",
    ]
    assert "ClickHouse" not in rows(finished)


def test_a_file_of_secrets_that_others_can_read_is_a_warning(program: Installation) -> None:
    """.env with mode 644: what is wrong, and the command that mends it."""
    env_file = program.root / ".env"
    env_file.write_text("LOG_LEVEL=INFO\n")
    env_file.chmod(0o644)
    finished = program.command("check")
    assert finished.code == 0
    assert "chmod 600" in rows(finished)[".env"]


def test_a_name_that_was_probably_mistyped_is_a_warning(program: Installation) -> None:
    """SYMBOL in .env is not silently nothing."""
    env_file = program.root / ".env"
    env_file.write_text("SYMBOL=BTC\n")
    env_file.chmod(0o600)
    finished = program.command("check")
    assert finished.code == 0
    assert "did you mean SYMBOLS?" in finished.out


def test_a_folder_that_cannot_be_written_fails_the_check(program: Installation) -> None:
    """What the job would stumble over is a row, with whose folder it is."""
    finished = program.command("check", DATA_PATH="/dev/null/data")
    assert finished.code == 1
    assert "/dev/null/data cannot be written" in rows(finished)["folders"]


def test_credits_that_are_used_up_fail_the_check(tmp_path: Path) -> None:
    """The key is valid and buys nothing: exit code 1, when the credits come back, and what to do."""
    with FaultySource(clock=system_clock, credits_monthly=0) as poor:
        settings = {"PATH": str(tmp_path), "CMC_BASE_URL": poor.base_url, "CMC_API_KEY": poor.key}
        program = Installation.make(tmp_path / "a checkout", clock=SteppedClock(system_clock()), settings=settings)
        finished = program.command("check")
    assert finished.code == 1
    row = rows(finished)["CoinMarketCap"]
    assert "fail" in row
    assert "0 of 0 credits left" in row
    assert "wait for the reset" in row


def test_the_installed_line_is_a_row(program: Installation, tmp_path: Path) -> None:
    """Before it is installed what to do, afterwards its schedule."""
    folder = tmp_path / "bin"
    folder.mkdir()
    CrontabProgram(folder).make()
    path = f"{folder}:{os.environ['PATH']}"
    before = rows(program.command("check", PATH=path))
    assert "./run.sh setup_cron cmc_hourly_prices" in before["job cmc_hourly_prices"]
    assert "crontab" in before
    assert program.command("setup_cron", "--schedule", "5 * * * *", PATH=path).code == 0
    after = rows(program.command("check", PATH=path))
    assert "installed: 5 * * * *" in after["job cmc_hourly_prices"]


def test_a_source_that_is_out_of_order_fails_the_check(program: Installation, source: FaultySource) -> None:
    """A plan that is not paid is a row that fails."""
    source.faults.push(faults.refused(1003), path="/key/info")
    finished = program.command("check")
    assert finished.code == 1
    assert "fail" in rows(finished)["CoinMarketCap"]


def test_damaged_spool_files_are_named(program: Installation) -> None:
    """Until a person removes it, with its reason's place."""
    rejected = program.data / "spool" / "cmc_hourly_prices" / "rejected"
    rejected.mkdir(parents=True)
    (rejected / "0000000001-0000.spool").write_text("")
    finished = program.command("check")
    assert finished.code == 0
    assert "0000000001-0000.spool" in finished.out.replace("\n", "")
