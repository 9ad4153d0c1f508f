"""Either source runs without the other: no command reports the unused one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sandbox.binance import ExchangeStandIn
from tests.support.faulty_source import FaultySource
from tests.support.installation import Finished, Installation
from tests.support.stepped_clock import SteppedClock

SUPPORT = Path(__file__).parents[1] / "support"
JOB = "binance_hourly_prices"


@pytest.fixture
def exchange(source: FaultySource, clock: SteppedClock) -> Iterator[ExchangeStandIn]:
    with ExchangeStandIn(source.market, clock=clock) as stand_in:
        yield stand_in


@pytest.fixture
def binance(program: Installation, exchange: ExchangeStandIn, clock: SteppedClock) -> Callable[..., Finished]:
    program.settings |= {"BINANCE_BASE_URL": exchange.base_url, "CMC_BASE_URL": "http://127.0.0.1:9", "CMC_API_KEY": ""}

    def run(*arguments: str) -> Finished:
        return program.start(str(SUPPORT / "run_at.py"), clock().isoformat(), JOB, *arguments).ended()

    return run


@pytest.fixture
def command(program: Installation, clock: SteppedClock) -> Callable[..., Finished]:
    def run(*arguments: str) -> Finished:
        return program.start(str(SUPPORT / "main_at.py"), clock().isoformat(), *arguments).ended()

    return run


def test_binance_alone(
    binance: Callable[..., Finished], command: Callable[..., Finished], program: Installation, tmp_path: Path
) -> None:
    assert [binance(*arguments).code for arguments in ([], ["backfill", "30"], ["heal", "30"])] == [0, 0, 0]
    assert program.command("setup_cron", JOB).code == program.command("setup_cron", JOB, "--heal").code == 0
    done = {
        name: command(*arguments)
        for name, arguments in {
            "check": ["check"],
            "verify": ["verify"],
            "status": ["status", "--json"],
            "report": ["report", "24"],
            "compare": ["compare", "24"],
            "export": ["export", str(tmp_path / "out.csv"), "--job", JOB],
            "backup": ["backup"],
        }.items()
    }
    assert {name: finished.code for name, finished in done.items()} == dict.fromkeys(done, 0)
    assert done["verify"].out.endswith("no errors\n")
    assert "no price is stored from CoinMarketCap" in done["compare"].out
    [job] = json.loads(done["status"].out)["jobs"]
    assert (job["name"], job["needs"], [one["symbol"] for one in job["symbols"]]) == (JOB, [], ["BTC", "ETH", "SOL"])
    assert [one["coverage"]["24h"]["stored"] for one in job["symbols"]] == [24] * 3
    assert "crypto_prices" not in done["backup"].out
    assert "CoinMarketCap" not in done["check"].out
    assert "Binance" in done["check"].out
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 1 + 3 * 31


def test_coinmarketcap_alone(program: Installation, command: Callable[..., Finished]) -> None:
    program.settings["BINANCE_BASE_URL"] = "http://127.0.0.1:9"
    assert command("setup_db").code == program.run_job().code == program.run_job("backfill", "3").code == 0
    done = {name: command(*name.split()) for name in ("check", "verify", "status", "backup", "report 24")}
    assert {name: finished.code for name, finished in done.items()} == dict.fromkeys(done, 0)
    assert [name for name in ("verify", "status", "backup") if "binance" in done[name].out] == []


def test_credits_are_refused_where_none_are_spent(binance: Callable[..., Finished]) -> None:
    for kind in ("backfill", "heal"):
        done = binance(kind, "5", "--max-credits", "10")
        assert done.code == 2
        assert JOB in done.log
        assert "leave --max-credits out" in done.log


def test_verify_finds_hours_that_were_never_completed(
    binance: Callable[..., Finished], command: Callable[..., Finished], clock: SteppedClock
) -> None:
    assert binance().code == 0
    clock.advance(timedelta(days=9))
    assert binance().code == 0
    done = command("verify")
    assert done.code == 1
    assert "3 hours without high, low, close and volumes" in done.out
    assert f"binance_prices: unfinished hours: ./run.sh cron_heal {JOB} 216" in " ".join(done.out.split())
    assert binance("heal", "216").code == 0
    assert command("verify").code == 0


def test_the_pairs_are_shown_like_the_coins(
    binance: Callable[..., Finished], command: Callable[..., Finished], program: Installation
) -> None:
    assert binance("backfill", "5").code == 0
    program.settings["BINANCE_PAIRS"] = "ETH:ETHBTC"
    shown = [line.split() for line in command("coins").out.splitlines()]
    assert ["BTC", "BTCUSDT", "in", "use", "USDT", "2017-08-17", "04:00"] in [line[:7] for line in shown]
    assert ["ETH", "ETHUSDT", "no"] in [line[:3] for line in shown]
    assert ["ETH", "ETHBTC", "at", "the", "next", "run"] in [line[:6] for line in shown]
