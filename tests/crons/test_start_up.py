"""What a start loads, and what a package that is missing or cannot be loaded leads to."""

from __future__ import annotations

import re
import shutil
import sys
from datetime import datetime, timezone
from pathlib import Path

import msgspec
import pytest

from sandbox.coin_market_cap import StandIn
from sandbox.market import Market
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.installation import Installation
from tests.support.process import run_program
from tests.support.small_disk import small_disk
from tests.support.stepped_clock import SteppedClock

NOW = datetime(2026, 11, 23, 9, 5, 7, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("package", "text", "command"),
    [
        ("structlog", "raise ModuleNotFoundError('x', name='structlog')", "crons.run cmc_hourly_prices"),
        ("filelock", "class Other: ...", "crons.run cmc_hourly_prices heal"),
        ("httpx", "raise ModuleNotFoundError('x', name='httpx')", "main check"),
    ],
    ids=["absent", "another version", "imported late"],
)
def test_missing_package_is_one_line(tmp_path: Path, package: str, text: str, command: str) -> None:
    program = Installation.make(tmp_path / "checkout", clock=SteppedClock(NOW), settings={})
    (tmp_path / f"{package}.py").write_text(f"{text}\n")
    program.settings["PYTHONPATH"] = f"{tmp_path}:{program.root / 'src'}"
    done = program.start("-m", *command.split()).ended()
    assert done.code == 1
    assert f"the package {package} is missing" in done.out + done.log
    assert "./run.sh install" in done.out + done.log
    assert "Traceback" not in done.log


def test_noexec_checkout_is_one_line(tmp_path: Path) -> None:
    program = Installation.make(tmp_path / "checkout", clock=SteppedClock(NOW), settings={})
    (tmp_path / "packages").mkdir()
    with small_disk(tmp_path / "packages", "noexec") as packages:
        shutil.copytree(Path(msgspec.__file__).parent, packages / "msgspec")
        program.settings["PYTHONPATH"] = f"{packages}:{program.root / 'src'}"
        for command in ("crons.run cmc_hourly_prices", "main check"):
            done = program.start("-m", *command.split()).ended()
            assert done.code == 1
            assert "its file system is mounted noexec next='mount it without noexec'" in done.log
            assert len(done.log.splitlines()) == 1


def loaded_by(*arguments: str, **environment: str) -> tuple[int, set[str]]:
    done = run_program(sys.executable, "-X", "importtime", "-m", *arguments, NO_PROXY="127.0.0.1", **environment)
    return done.returncode, set(re.findall(r"^import time: +\d+ \| +\d+ \| +([\w.]+)$", done.stderr, re.MULTILINE))


@pytest.mark.parametrize(
    ("command", "code", "spared"),
    [
        ("crons.run no_such_job", 2, {"typer", "rich.console", "pygments"}),
        ("crons.run no_such_job heal 5", 2, {"rich.console", "pygments"}),
        ("main setup_cron --dry-run", 0, set()),
        ("main check --help", 0, set()),
    ],
)
def test_command_without_calls_loads_no_client(command: str, code: int, spared: set[str], tmp_path: Path) -> None:
    (tmp_path / "crontab").write_text("#!/bin/sh\n")
    (tmp_path / "crontab").chmod(0o755)
    ended, loaded = loaded_by(*command.split(), PATH=f"{tmp_path}:/usr/bin:/bin")
    assert (ended, "structlog" in loaded) == (code, True)
    assert loaded.isdisjoint({"httpx", "clickhouse_connect", "chdb", *spared})


def test_run_against_a_server_loads_one_job_and_no_engine(front: ClickHouseFront, tmp_path: Path) -> None:
    with StandIn(Market(), clock=lambda: datetime.now(timezone.utc)) as source:
        code, loaded = loaded_by(
            "crons.run",
            "cmc_hourly_prices",
            **front.variables("imports"),
            CMC_API_KEY=source.key,
            CMC_BASE_URL=source.base_url,
            DATA_PATH=str(tmp_path),
        )
    assert code == 0
    assert {"httpx", "clickhouse_connect", "extractors.coin_market_cap_extractor"} <= loaded
    assert loaded.isdisjoint({"chdb", "psutil", "rich.console", "extractors.binance_extractor"})
