"""Either source runs without the other: no command reports the unused one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sandbox.binance import ExchangeStandIn
from tests.support.faulty_source import FaultySource
from tests.support.installation import Installation
from tests.support.stepped_clock import SteppedClock
from tests.support.toman_exchanges import RateStandIn

JOB, TOMAN = "binance_hourly_prices", "usdt_toman_hourly_rates"


@pytest.fixture
def binance(program: Installation, source: FaultySource, clock: SteppedClock) -> Iterator[Installation]:
    """The program with Binance over the market of the other source, to which it has no access."""
    with ExchangeStandIn(source.market, clock=clock) as exchange:
        closed = {"CMC_BASE_URL": "http://127.0.0.1:9", "CMC_API_KEY": ""}
        program.settings |= {"BINANCE_BASE_URL": exchange.base_url, **closed}
        yield program


def test_binance_alone(binance: Installation, tmp_path: Path) -> None:
    """After a run, a backfill and a heal of it every command succeeds, and none names the other job."""
    for arguments in ((), ("backfill", "30"), ("heal", "30")):
        assert binance.run_job(*arguments, job=JOB).code == 0
    assert binance.command("setup_cron", JOB).code == binance.command("setup_cron", JOB, "--heal").code == 0
    names = ("check", "verify", "status --json", "report 24", "compare 24", "backup")
    done = {name.split()[0]: binance.at_clock(*name.split()) for name in names}
    done["export"] = binance.at_clock("export", str(tmp_path / "out.csv"), "--job", JOB)
    assert {name: finished.code for name, finished in done.items()} == dict.fromkeys(done, 0)
    assert done["verify"].out.endswith("no errors\n")
    assert "no price is stored from CoinMarketCap" in done["compare"].out
    assert "SOLUSDT begins 2020-08-11" in done["verify"].out
    [job] = json.loads(done["status"].out)["jobs"]
    assert job["beginnings"] == ["BTCUSDT begins 2017-08-17", "ETHUSDT begins 2017-08-17", "SOLUSDT begins 2020-08-11"]
    assert (job["name"], job["needs"], [one["symbol"] for one in job["symbols"]]) == (JOB, [], ["BTC", "ETH", "SOL"])
    assert [one["coverage"]["24h"]["stored"] for one in job["symbols"]] == [24] * 3
    assert "crypto_prices" not in done["backup"].out
    assert "CoinMarketCap" not in done["check"].out
    assert "Binance" in done["check"].out
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 1 + 3 * 31
    binance.settings["BINANCE_PAIRS"] = "ETH:ETHBTC"
    shown = [line.split() for line in binance.at_clock("coins").out.splitlines()]
    assert ["BTC", "BTCUSDT", "in", "use", "USDT", "2017-08-17", "04:00"] in [line[:7] for line in shown]
    assert ["ETH", "ETHUSDT", "no"] in [line[:3] for line in shown]
    assert ["ETH", "ETHBTC", "at", "the", "next", "run"] in [line[:6] for line in shown]


def test_coinmarketcap_alone(program: Installation) -> None:
    program.settings["BINANCE_BASE_URL"] = "http://127.0.0.1:9"
    assert program.at_clock("setup_db").code == program.run_job().code == program.run_job("backfill", "3").code == 0
    done = {name: program.at_clock(*name.split()) for name in ("check", "verify", "status", "backup", "report 24")}
    assert {name: finished.code for name, finished in done.items()} == dict.fromkeys(done, 0)
    assert [name for name in ("verify", "status", "backup") if "binance" in done[name].out] == []


def test_optional_job_is_seen_only_where_it_ran(program: Installation, clock: SteppedClock, tmp_path: Path) -> None:
    """Then every command works for it as for the other jobs."""
    assert program.at_clock("setup_db").code == program.run_job().code == 0
    names = ("check", "verify", "status", "backup", "report 24", "query --format csv SHOW+TABLES")
    before = [program.at_clock(*(word.replace("+", " ") for word in name.split())) for name in names]
    assert [(done.code, "toman" in done.out.lower()) for done in before] == [(0, False)] * len(names)
    with RateStandIn(clock=clock) as exchanges:
        program.settings |= dict.fromkeys(("NOBITEX_BASE_URL", "WALLEX_BASE_URL"), exchanges.base_url)
        exchanges.refused.add("USDTTMN")
        for arguments in (("backfill", "30"), (), ("heal", "30")):
            assert program.run_job(*arguments, job=TOMAN).code == 0
        assert program.run_job("backfill", "5", "--symbols", "usdt@nobitex", job=TOMAN).code == 0
        done = {name.split()[0]: program.at_clock(*name.split()) for name in (*names[:5], f"status {TOMAN} --json")}
        done["export"] = program.at_clock("export", str(tmp_path / "out.csv"), "--job", TOMAN)
    assert {name: finished.code for name, finished in done.items()} == dict.fromkeys(done, 0)
    [job] = json.loads(done["status"].out)["jobs"]
    assert [(one["symbol"], one["coverage"]["24h"]["percent"]) for one in job["symbols"]] == [("USDT@nobitex", 100.0)]
    assert "toman_rates: unit" in done["verify"].out
    assert "HTTP 403" in done["check"].out
    assert "toman_rates" in done["backup"].out
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 1 + 31
    none = dict.fromkeys(("NOBITEX_BASE_URL", "WALLEX_BASE_URL"), "")
    program.settings |= none
    assert program.run_job(job=TOMAN).code == 2


def test_credits_are_refused_where_none_are_spent(binance: Installation) -> None:
    for kind in ("backfill", "heal"):
        done = binance.run_job(kind, "5", "--max-credits", "10", job=JOB)
        assert done.code == 2
        assert JOB in done.log
        assert "leave --max-credits out" in done.log


def test_verify_finds_hours_that_were_never_completed(binance: Installation, clock: SteppedClock) -> None:
    """The machine was off after a run: its hour has the first price alone, until the heal that is named."""
    assert binance.run_job(job=JOB).code == 0
    clock.advance(timedelta(days=9))
    assert binance.run_job(job=JOB).code == 0
    done = binance.at_clock("verify")
    assert done.code == 1
    assert "3 hours of 3 symbols without high, low, close and volumes" in done.out
    assert f"binance_prices: unfinished hours: ./run.sh cron_heal {JOB} 216" in " ".join(done.out.split())
    assert binance.run_job("heal", "216", job=JOB).code == 0
    assert binance.at_clock("verify").code == 0
