"""``report`` as the operator runs it: one file, whole, or none and the reason."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from sandbox.binance import ExchangeStandIn
from sandbox.market import Market, listed_coins
from tests.support.faulty_source import FaultySource
from tests.support.installation import Installation
from tests.support.stepped_clock import SteppedClock

RUN_AT = Path(__file__).parents[1] / "support" / "run_at.py"


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Installation]:
    clock = SteppedClock(datetime.now(timezone.utc))  # the report is of the hours before the real present one
    with FaultySource(clock=clock) as source:
        settings = {"CMC_BASE_URL": source.base_url, "CMC_API_KEY": source.key, "SYMBOLS": "BTC,ETH,SOL"}
        installation = Installation.make(tmp_path / "a checkout", clock=clock, settings=settings)
        yield installation
        installation.end_all()


def reports(program: Installation) -> list[Path]:
    return sorted((program.root / "reports").glob("**/*"))


def shown(program: Installation) -> str:
    finished = program.command("report", "24", "--keep", "1", "--quiet")
    assert finished.code == 0, finished.log
    return Path(finished.out.strip()).read_text()


def test_report_writes_one_page_and_prints_its_path(program: Installation) -> None:
    """After a run: the page in reports/, its path and size printed, the run and its prices on it."""
    program.command("setup_db")
    assert program.run_job().code == 0
    finished = program.command("report", "24")

    assert finished.code == 0, finished.log
    (path,) = reports(program)
    page = path.read_text()
    assert finished.out.splitlines()[0] == str(path)
    assert f"{path.stat().st_size / 1e6:.1f} MB, 24 hours and the present one" in finished.out
    assert '<dd id="total-rows">3</dd>' in page
    assert '<dd id="total-runs">1</dd>' in page
    assert '<tr data-symbol="BTC">' in page
    assert path.stat().st_mode & 0o777 == 0o644


def test_report_shows_every_table_with_rows(program: Installation) -> None:
    """Two sources, or the one that was run: an empty table beside it is not shown."""
    program.command("setup_db")
    with ExchangeStandIn(Market(listed_coins()), clock=program.clock) as exchange:
        ran = program.start(
            str(RUN_AT), program.clock().isoformat(), "binance_hourly_prices", BINANCE_BASE_URL=exchange.base_url
        ).ended()
    assert ran.code == 0, ran.log
    alone = shown(program)
    assert program.run_job().code == 0
    both = shown(program)

    assert "Tehran time, from crypto.binance_prices_hourly by" in alone
    assert '<tr data-symbol="BTC">' in alone
    assert "from crypto.crypto_prices_hourly and crypto.binance_prices_hourly by" in both
    assert ">Binance</th>" in both


def test_too_many_hours_are_rejected(program: Installation) -> None:
    """Too many hours for so many symbols: exit code 2 and how many would do, no file."""
    program.command("setup_db")
    symbols = ",".join(f"C{number}" for number in range(100))
    finished = program.command("report", "9000", SYMBOLS=symbols)

    assert finished.code == 2
    assert "9,001 hours of 100 symbols" in finished.log
    assert "ask for 4,999 hours at most" in finished.log
    assert reports(program) == []
