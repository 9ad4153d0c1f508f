"""A backfill from Binance that is killed between two calls goes on where it was."""

from __future__ import annotations

import signal
import threading

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.tehran_time import hours_before
from sandbox.binance import ExchangeStandIn
from sandbox.server import Answer, Serving
from tests.support.binance import expected, stored
from tests.support.eventually import eventually
from tests.support.faulty_source import FaultySource
from tests.support.installation import Installation
from tests.support.patience import PATIENCE_SECONDS

JOB = "binance_hourly_prices"
HOURS = 1500
ANSWERED = 4
"""Calls: which pair it is, its first candle, and the first two of three for its past."""


def test_killed_backfill_is_stored_and_healed(
    program: Installation, source: FaultySource, embedded: ClickHouseAdapter, database: str
) -> None:
    """The next run stores what waits on the disk; a heal asks for the hours that are missing, and all are as served."""
    program.settings["SYMBOLS"] = "BTC"
    targets: list[str] = []
    reached, released = threading.Event(), threading.Event()
    with ExchangeStandIn(source.market, clock=program.clock) as exchange:

        def respond(target: str, _headers: dict[str, str]) -> Answer:
            targets.append(target)
            if len(targets) > ANSWERED:
                reached.set()
                released.wait(PATIENCE_SECONDS)
            return exchange.answer(target, program.clock())

        with Serving(respond=respond, clock=program.clock) as front:
            program.settings["BINANCE_BASE_URL"] = front.base_url
            job = program.start_job("backfill", str(HOURS), job=JOB)
            assert reached.wait(PATIENCE_SECONDS)
            eventually(lambda: len(list((program.data / "spool" / JOB).glob("*.spool"))) == 2)
            job.end(signal.SIGKILL)
            assert stored(embedded, database, "BTC") == {}
            released.set()
            assert "replayed=996" in program.run_job(job=JOB).log
            past = len(stored(embedded, database, "BTC")) - 1
            heal = program.run_job("heal", str(HOURS), job=JOB)
        assert past in {996, 997}  # the run completes the hour before its own, in whichever call that was
        assert f"hours_asked={HOURS - past}" in heal.log
        rows = stored(embedded, database, "BTC")
        rows.popitem()
        assert rows == expected(exchange, "BTCUSDT", hours_before(program.clock(), HOURS))
