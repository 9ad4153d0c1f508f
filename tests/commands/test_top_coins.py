"""The largest coins on the screen: ten of them and counts, all on request."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from sandbox.binance import ExchangeStandIn
from sandbox.market import COINS, Market, generated_coins
from tests.support.faulty_source import FaultySource
from tests.support.installation import Installation
from tests.support.stepped_clock import SteppedClock


@pytest.fixture
def source(clock: SteppedClock) -> Iterator[FaultySource]:
    with FaultySource(clock=clock) as serving:
        serving.market = Market([*COINS, *generated_coins(40)])
        yield serving


def test_output_shows_ten_coins_and_counts(program: Installation, source: FaultySource, clock: SteppedClock) -> None:
    program.settings["SYMBOLS"] = "top:30,C0040"
    assert program.run_job().code == 0
    source.rank_of = lambda coin, _now: 0 if coin.id == 990101 else 99_999 if coin.symbol == "ETH" else coin.rank
    clock.advance(timedelta(hours=1))
    run = program.run_job()
    assert run.code == 0
    assert "BTC:990101" in run.log
    assert len(run.log.splitlines()) < 20
    assert "BTC:990101" not in program.run_job().log

    status = program.at_clock("status", "cmc_hourly_prices").out
    shown = [line.split()[0] for line in status.splitlines() if line and line.split()[0] in ("BTC", "ETH", "C0040")]
    assert shown == ["BTC", "ETH"]
    assert "21 of 31 coins are hidden" in status
    assert "C0040" in program.at_clock("status", "cmc_hourly_prices", "--all").out
    coins = program.at_clock("coins").out
    assert "20 of 31 coins are hidden" in coins
    assert "not stored, because another coin has the ticker: BTC:990101" in coins
    assert len(program.at_clock("coins", "--all").out.splitlines()) > len(coins.splitlines()) + 15
    done = {name: program.at_clock(*name.split()) for name in ("check", "verify", "report 24")}
    assert {name: one.code for name, one in done.items()} == dict.fromkeys(done, 0)
    assert "top:30 costs 1 credit an hour" in " ".join(done["check"].out.split())


def test_binance_follows_the_coins_that_have_a_pair(
    program: Installation, source: FaultySource, clock: SteppedClock
) -> None:
    program.settings["SYMBOLS"] = "top:8"
    assert program.run_job().code == 0
    with ExchangeStandIn(source.market, clock=clock) as exchange:
        program.settings["BINANCE_BASE_URL"] = exchange.base_url
        run = program.run_job(job="binance_hourly_prices")
        assert (run.code, "1 of 8 coins of the list have no pair at Binance" in run.log) == (0, True)
        assert "BTC" in program.at_clock("status", "binance_hourly_prices").out
        assert program.at_clock("verify").code == 0


def test_heal_takes_a_week_and_at_most_100_credits_by_default(program: Installation, source: FaultySource) -> None:
    program.settings["SYMBOLS"] = ",".join(f"{coin.symbol}:{coin.id}" for coin in source.market.coins[-40:])
    done = program.run_job("heal", "--dry-run")
    assert "symbol_hours=6720" in done.log
    assert program.run_job("heal").code == 0
    assert 95 <= source.credits_used <= 100
