"""A backfill from Binance that is killed between two calls goes on where it was."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.tehran_time import hours_before
from sandbox.binance import ExchangeStandIn
from sandbox.server import Answer, Serving
from tests.support.binance import expected, stored
from tests.support.eventually import eventually
from tests.support.faulty_source import FaultySource
from tests.support.installation import Installation, Running
from tests.support.patience import PATIENCE_SECONDS

RUN_AT = str(Path(__file__).parents[1] / "support" / "run_at.py")
JOB = "binance_hourly_prices"
HOURS = 1500
ANSWERED = 4
"""Calls: which pair it is, its first candle, and the first two of three for its past."""


class Hanging:
    """Answers so many calls, and those after them never.

    Attributes:
        reached: is set once the first call hangs.
        released: lets those that hang go.
    """

    def __init__(self, answer: Callable[[str], Answer]) -> None:
        self._answer = answer
        self._calls = 0
        self.reached = threading.Event()
        self.released = threading.Event()

    def __call__(self, target: str, _headers: dict[str, str]) -> Answer:
        """The answer to a GET."""
        self._calls += 1
        if self._calls > ANSWERED and not self.released.is_set():
            self.reached.set()
            self.released.wait(PATIENCE_SECONDS)
        return self._answer(target)


def test_killed_backfill_is_stored_and_healed(
    program: Installation, source: FaultySource, embedded: ClickHouseAdapter, database: str
) -> None:
    """The next run stores what waits on the disk; a heal asks for the hours that are missing, and all are as served."""
    program.settings["SYMBOLS"] = "BTC"

    def start(*arguments: str) -> Running:
        return program.start(RUN_AT, program.clock().isoformat(), JOB, *arguments)

    with ExchangeStandIn(source.market, clock=program.clock) as exchange:
        hanging = Hanging(lambda target: exchange.answer(target, program.clock()))
        with Serving(respond=hanging, clock=program.clock) as front:
            program.settings["BINANCE_BASE_URL"] = front.base_url
            job = start("backfill", str(HOURS))
            assert hanging.reached.wait(PATIENCE_SECONDS)
            eventually(lambda: len(list((program.data / "spool" / JOB).glob("*.spool"))) == 2)
            job.end(signal.SIGKILL)
            assert stored(embedded, database, "BTC") == {}
            hanging.released.set()
            assert "replayed=996" in start().ended().log
            past = len(stored(embedded, database, "BTC")) - 1
            heal = start("heal", str(HOURS)).ended()
        assert past in {996, 997}  # the run completes the hour before its own, in whichever call that was
        assert f"hours_asked={HOURS - past}" in heal.log
        rows = stored(embedded, database, "BTC")
        rows.popitem()
        assert rows == expected(exchange, "BTCUSDT", hours_before(program.clock(), HOURS))
