"""``report`` as the operator runs it: one file, whole, or none and the reason."""

from __future__ import annotations

from pathlib import Path

from sandbox.binance import ExchangeStandIn
from tests.support.faulty_source import FaultySource
from tests.support.installation import Installation


def reports(program: Installation) -> list[Path]:
    return sorted((program.root / "reports").glob("**/*"))


def test_report_writes_one_page_and_prints_its_path(program: Installation) -> None:
    assert program.run_job().code == 0
    finished = program.at_clock("report", "24")

    assert (finished.code, finished.log) == (0, "")
    (path,) = reports(program)
    page = path.read_text()
    assert finished.out.splitlines()[0] == str(path)
    assert f"{path.stat().st_size / 1e6:.1f} MB, 24 hours and the present one" in finished.out
    for text in ('<dd id="total-rows">3</dd>', '<dd id="total-runs">1</dd>', '<tr data-symbol="BTC">'):
        assert text in page
    assert path.stat().st_mode & 0o777 == 0o644


def test_report_shows_every_table_with_rows(program: Installation, source: FaultySource, database: str) -> None:
    assert program.command("setup_db").code == 0
    pages = []
    for job in ("binance_hourly_prices", "cmc_hourly_prices"):
        with ExchangeStandIn(source.market, clock=program.clock) as exchange:
            assert program.run_job(job=job, BINANCE_BASE_URL=exchange.base_url).code == 0
        finished = program.at_clock("report", "24", "--keep", "1", "--quiet")
        (path,) = reports(program)
        assert (finished.code, finished.out) == (0, f"{path}\n")
        pages.append(path.read_text())

    assert f"Tehran time, from {database}.binance_prices_hourly by" in pages[0]
    assert '<tr data-symbol="BTC">' in pages[0]
    assert f"from {database}.crypto_prices_hourly and {database}.binance_prices_hourly by" in pages[1]
    assert ">Binance</th>" in pages[1]


def test_too_many_hours_are_rejected(program: Installation) -> None:
    assert program.command("setup_db").code == 0
    finished = program.at_clock("report", "9000", SYMBOLS=",".join(f"C{number}" for number in range(100)))

    assert finished.code == 2
    assert "9,001 hours of 100 symbols" in finished.log
    assert "ask for 4,999 hours at most" in finished.log
    assert reports(program) == []
