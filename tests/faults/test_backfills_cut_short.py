"""A backfill that is ended between two calls: what was answered before is on the disk, and the next run stores it."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from adapters._bases.tehran_time import hours_before, in_tehran
from sandbox.market import COINS
from tests.support import faults
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.faulty_source import Fault, FaultySource
from tests.support.installation import Finished, Installation, Running
from tests.support.price_audit import Key, PriceAudit

SYMBOLS = ("BTC", "ETH", "XRP", "BNB", "SOL", "DOGE", "TRX", "ADA", "BCH", "LINK", "XLM", "XMR", "LTC")
HOURS = 700
FIRST_CALLS_SYMBOLS = 7
"""As many of 700 hours as one call may ask for."""
PATH = "/quotes/historical"


def fetched(program: Installation) -> set[Key]:
    """What the first call brings."""
    keys = [f"{in_tehran(start):%Y-%m-%d %H}:00:00" for start in hours_before(program.clock(), HOURS)]
    by_id = [coin.symbol for coin in sorted(COINS, key=lambda coin: coin.id) if coin.symbol in SYMBOLS]
    return {(symbol, key) for symbol in by_id[:FIRST_CALLS_SYMBOLS] for key in keys}


@pytest.mark.parametrize(
    ("end", "settings"),
    [
        pytest.param(lambda job: job.end(signal.SIGTERM), {}, id="SIGTERM"),
        pytest.param(Running.end, {}, id="SIGKILL"),
        pytest.param(Running.ended, {"BACKFILL_TIMEOUT_SECONDS": "10"}, id="time limit"),
    ],
)
def test_fetched_rows_are_stored_by_the_next_run(
    end: Callable[[Running], Finished],
    *,
    settings: dict[str, str],
    program: Installation,
    source: FaultySource,
    front: ClickHouseFront,
    table: PriceAudit,
) -> None:
    program.settings["SYMBOLS"] = ",".join(SYMBOLS)
    source.faults.push(Fault("honest", lambda answer, _now: answer), path=PATH)
    hang = source.faults.push(faults.hang(), path=PATH)
    job = program.start_job("backfill", str(HOURS), **settings)
    hang.wait()
    assert end(job).code != 0
    assert (program.spooled_keys(), table.rows()) == (fetched(program), [])
    source.faults.clear()
    run = program.run_job()
    assert f"replayed={FIRST_CALLS_SYMBOLS * HOURS}" in run.log
    assert program.spooled == []
    assert len(front.asked("INSERT INTO")) == 3  # what waited, the present hour, the history
    table.assert_right(at_least=fetched(program))


@pytest.mark.parametrize("kind", ["backfill", "heal"])
def test_spool_is_stored_before_past_hours_are_requested(
    kind: str, program: Installation, source: FaultySource, front: ClickHouseFront, table: PriceAudit
) -> None:
    """A backfill stores what waits although its own calls fail; a heal finds nothing missing then, and pays nothing."""
    front.refuse()
    assert program.run_job("backfill", "5", RUN_TIMEOUT_SECONDS="4").code == 1
    kept = program.spooled_keys()
    assert len(kept) == 15
    front.listen()
    source.requests.clear()
    wrong_key = {"CMC_API_KEY": "00000000-0000-4000-8000-000000000000"}
    run = program.run_job(kind, "5", **(wrong_key if kind == "backfill" else {}))
    assert run.code == int(kind == "backfill")
    assert [request for request in source.requests if request.path.endswith(PATH)] == []
    assert program.spooled == []
    table.assert_right(at_least=kept)
