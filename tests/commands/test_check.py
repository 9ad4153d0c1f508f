"""``check`` as the operator runs it: a row for each prerequisite, and what to do about a missing one."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.faulty_source import FaultySource
from tests.support.installation import Finished, Installation

CLOSED = {"CLICKHOUSE_HOST": "127.0.0.1", "CLICKHOUSE_PORT": "1"}


@pytest.fixture
def program(embedded_program: Installation) -> Installation:
    return embedded_program


def rows(finished: Finished) -> dict[str, str]:
    """Each subject's rows and next steps."""
    found: dict[str, str] = {}
    for line in finished.out.splitlines()[1:]:
        subject = line.strip().split(": ")[0] if line.startswith("  ") else line.split("  ")[0]
        found[subject] = f"{found.get(subject, '')}{line}\n"
    return found


def test_a_ready_host_passes(program: Installation, tmp_path: Path) -> None:
    program.settings["PATH"] = str(tmp_path)  # without a crontab command
    program.at_clock("setup_db")
    finished = program.at_clock("check")
    found = rows(finished)
    assert finished.code == 0
    assert "embedded engine" in found["ClickHouse"]
    assert "version 26.9" in found["ClickHouse"]
    assert "crypto.crypto_prices, 0 rows" in found["table"]
    assert "15,000 of 15,000 credits left, 1,000,000 calls a minute" in found["CoinMarketCap"]
    assert "apt-get install cron" in found["crontab"]
    assert list(found)[:3] == ["Python", "set-up", ".env"]
    assert "inance" not in finished.out
    assert finished.out.splitlines()[-1] == "ready"
    document = json.loads(program.at_clock("check", "--json").out)
    warned = [one["subject"] for one in document["findings"] if one["state"] == "warn"]
    assert (document["ready"], document["failed"], document["warnings"]) == (True, 0, len(warned))
    assert warned == ["backups", "crontab"]


@pytest.mark.parametrize(
    ("settings", "code", "row"),
    [
        ({"CMC_API_KEY": "00000000-0000-4000-8000-000000000000"}, 1, "  CoinMarketCap: check CMC_API_KEY"),
        ({"CMC_API_KEY": ""}, 0, "CoinMarketCap .*keyless"),
        ({"CMC_BASE_URL": "http://127.0.0.1:1", "RUN_TIMEOUT_SECONDS": "2"}, 1, "CoinMarketCap +fail .*127.0.0.1:1/"),
        (CLOSED, 1, "ClickHouse +fail .*127.0.0.1:1"),
        (CLOSED, 1, "CoinMarketCap .*key valid"),
        ({"DATA_PATH": "/dev/null/data"}, 1, "folders +fail +/dev/null/data"),
    ],
)
def test_each_prerequisite_is_a_row(program: Installation, settings: dict[str, str], code: int, row: str) -> None:
    finished = program.at_clock("check", **settings)
    assert finished.code == code
    assert re.search(f"^{row}", finished.out, re.MULTILINE | re.DOTALL)
    assert "Traceback" not in finished.out + finished.log


def test_invalid_settings_are_named(program: Installation) -> None:
    finished = program.at_clock("check", SYMBOLS="", LOG_LEVEL="LOUD")
    assert finished.code == 1
    assert [line.split()[2] for line in finished.out.splitlines() if line.startswith("settings")] == [
        *("SYMBOLS:", "LOG_LEVEL:"),
    ]
    assert "ClickHouse" not in rows(finished)
    assert finished.out.splitlines()[-1] == "2 failed, 1 warning"


def test_warnings_are_not_failures(program: Installation) -> None:
    """A .env that others can read, and a mistyped name in it."""
    env_file = program.root / ".env"
    env_file.write_text("SYMBOL=BTC\n")
    env_file.chmod(0o644)
    finished = program.at_clock("check")
    found = rows(finished)
    assert finished.code == 0
    assert "chmod 600" in found[".env"]
    assert "did you mean SYMBOLS?" in found[".env"]
    assert "SYMBOL" not in finished.log


def test_the_crontab_line_is_a_row(program: Installation) -> None:
    """With the command that installs it, then with its schedule; an installed job is checked as well."""
    before = rows(program.at_clock("check"))
    assert "./run.sh setup_cron cmc_hourly_prices" in before["job cmc_hourly_prices"]
    assert program.at_clock("setup_cron", "binance_hourly_prices", "--schedule", "5 * * * *").code == 0
    after = rows(program.at_clock("check", BINANCE_BASE_URL="http://127.0.0.1:1", HTTP_TIMEOUT_SECONDS="2"))
    assert "installed: 5 * * * *" in after["job binance_hourly_prices"]
    assert after["topology"].count("\n") == 1
    assert "127.0.0.1:1" in after["Binance"]
    assert "CoinMarketCap" not in after


def test_outdated_set_up_is_a_warning(program: Installation) -> None:
    """Of the files that run.sh installed, those that have changed since are named."""
    (program.root / ".venv").mkdir()
    for group, name in (("main", "requirements.txt"), ("engine", "requirements-engine.txt")):
        (program.root / name).write_text("package==1.0\n")
        stamp = subprocess.run(["sha256sum"], input=b"package==1.0\n", capture_output=True, check=True).stdout
        (program.root / f".venv/.installed-{group}").write_bytes(stamp.rstrip() + b" 3.11\n")
    assert " ok " in rows(program.at_clock("check"))["set-up"]
    (program.root / "requirements.txt").write_text("package==1.1\n")
    assert "older than requirements.txt: " in rows(program.at_clock("check"))["set-up"]
    (program.root / "requirements-engine.txt").write_text("package==1.1\n")
    done = program.at_clock("check")
    assert "older than requirements-engine.txt, requirements.txt: " in rows(done)["set-up"]
    assert (done.code, "set-up: ./run.sh install" in done.out) == (0, True)


@pytest.mark.parametrize("command", [("status",), ("jobs",), ("remove_cron",), ("cron_run", "--quiet"), ("config",)])
def test_nearly_right_name_is_a_warning_of_every_command(program: Installation, command: tuple[str, ...]) -> None:
    (program.root / ".env").write_text("SYMBOL=BTC\n")
    done = program.at_clock(*command)
    [line] = [line for line in done.log.splitlines() if "unknown setting in .env" in line]
    assert "warning" in line
    assert "name=SYMBOL " in line
    assert "did you mean SYMBOLS?" in line


def test_settings_are_shown_with_their_origin(program: Installation) -> None:
    """Wrong ones too, with exit code 2; secrets and the passwords of addresses are masked."""
    lines = ["CLICKHOUSE_DB=prices", "", "CLICKHOUSE_PASSWORD=s3cret", "LOG_LEVEL=", "CLICKHOUSE_PORT=x"]
    (program.root / ".env").write_text("\n".join(lines))
    secrets = {name: f"https://hc.example/s3cret/{name}" for name in ("HEALTHCHECK_URL", "HEALTHCHECK_URL_STATUS")}
    secrets |= {"ALERT_COMMAND": "curl s3cret", "https_proxy": "http://me:s3c@ret@proxy:3128"}
    done = program.at_clock("config", LOG_LEVEL="WARNING", **secrets)
    shown = {line.split()[0]: line.split()[1:] for line in done.out.splitlines()}
    assert done.code == 2
    assert shown["CLICKHOUSE_DB"] == ["prices", ".env:1"]
    assert shown["CLICKHOUSE_PASSWORD"] == ["***", ".env:3"]
    assert shown["CLICKHOUSE_PORT"] == ["x", ".env:5"]
    assert shown["LOG_LEVEL"] == ["WARNING", "environment"]
    assert shown["RUN_TIMEOUT_SECONDS"] == ["600", "default"]
    assert shown["https_proxy"] == ["http://me:***@proxy:3128", "environment"]
    assert [shown[name] for name in secrets if name.isupper()] == [["***", "environment"]] * 3
    assert not any(part in done.out + done.log for part in ("s3c", program.settings["CMC_API_KEY"]))


def test_symbols_that_cannot_be_followed_fail(program: Installation, source: FaultySource) -> None:
    """An unknown one, and an id that has another ticker now; free of charge, and nothing is chosen."""
    assert "3 symbols can be followed" in rows(program.at_clock("check"))["symbols"]
    refused = program.at_clock("check", SYMBOLS="BTC,NOPE,SOL:1027,USDC.e:3408")
    assert refused.code == 1
    assert "NOPE" in refused.out
    assert "SOL (id 1027)" in refused.out
    assert "BTC (id" not in refused.out
    assert not (program.data / "coin_choices.json").exists()
    assert source.credits_used == 0
