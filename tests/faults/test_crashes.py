"""SIGKILL at any moment: after one more run every key stands once, at a right price, and nothing fetched is missing."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from adapters._bases.tehran_time import hour_key, hours_before, in_tehran
from tests.support.clickhouse_front import ClickHouseFront, FaultKind
from tests.support.eventually import eventually
from tests.support.faulty_source import FaultySource
from tests.support.installation import Installation, Running
from tests.support.price_audit import Key, PriceAudit
from tests.support.scale import LARGE

HOUR = timedelta(hours=1)
SYMBOLS = ("BTC", "ETH", "SOL")
Moment = Callable[[], object]
SERVER_SEEDS, EMBEDDED_SEEDS = (6, 3) if LARGE else (1, 1)
FRONT_KILLS, EMBEDDED_KILLS = (12, 10) if LARGE else (4, 3)
"""How many kills of each seed have to strike a living process."""
MOST_TRIALS = 5
"""For each of them: a process may have come to its end before its moment."""


def keys_of_now(program: Installation) -> set[Key]:
    hour = f"{in_tehran(program.clock()):%Y-%m-%d %H}:00:00"
    return {(symbol, hour) for symbol in SYMBOLS}


def keys_of_backfill(program: Installation, hours: int) -> set[Key]:
    return {(symbol, hour_key(hour)) for symbol in SYMBOLS for hour in hours_before(program.clock(), hours)}


def wait_for(job: Running, moment: Moment) -> None:
    eventually(lambda: moment() or job.process.poll() is not None)


def kill_again_and_again(
    program: Installation, table: PriceAudit, kills: int, when: Callable[[Running], tuple[Moment, float]]
) -> None:
    """Kill runs and backfills, an hour apart, until so many were struck between their start and their end.

    Args:
        program: whose jobs they are.
        table: where they store.
        kills: how many have to strike a living process.
        when: the moment in a job's life, and how many seconds after it.
    """
    fetched: set[Key] = set()
    struck = 0
    for trial in range(MOST_TRIALS * kills):
        program.clock.advance(HOUR)
        backfill = trial % 3 == 2
        stores = keys_of_backfill(program, 30) if backfill else keys_of_now(program)
        job = program.start_job(*(("backfill", "30") if backfill else ()))
        moment, delay_seconds = when(job)
        wait_for(job, moment)
        threading.Event().wait(delay_seconds)
        fetched |= program.spooled_keys()
        ended = job.end()
        assert ended.code in {0, -signal.SIGKILL}, ended.log
        fetched |= program.spooled_keys() | (stores if ended.code == 0 else set()) | table.keys()
        struck += ended.code != 0
        if struck == kills:
            break
    assert struck == kills
    assert program.run_job().code == 0
    assert program.spooled == []
    table.assert_right(at_least=fetched | keys_of_now(program))


def asked_again(source: FaultySource) -> Moment:
    """When the source is asked next."""
    asked = len(source.requests)
    return lambda: len(source.requests) > asked


@pytest.mark.parametrize("seed", range(SERVER_SEEDS))
def test_killed_at_random_with_a_server(
    seed: int, program: Installation, source: FaultySource, front: ClickHouseFront, table: PriceAudit
) -> None:
    """It has its lock; asks the source; has put rows in the spool; has made some statements."""
    chance = random.Random(seed)  # noqa: S311 - a test's dice

    def when(job: Running) -> tuple[Moment, float]:
        waiting, stated = len(program.spooled), len(front.statements) + chance.randrange(14)
        moments: list[Moment] = [
            lambda: program.noted("pid") == job.process.pid,
            asked_again(source),
            lambda: len(program.spooled) > waiting,
            lambda: len(front.statements) > stated,
        ]
        return chance.choice(moments), chance.choice((0, 0.002, 0.01, 0.05, 0.15))

    kill_again_and_again(program, table, FRONT_KILLS, when)


@pytest.mark.parametrize("seed", range(EMBEDDED_SEEDS))
def test_killed_at_random_with_the_embedded_engine(
    seed: int, embedded_program: Installation, source: FaultySource, embedded_table: PriceAudit
) -> None:
    """While the engine starts, works or stops; its folder stays usable."""
    chance = random.Random(seed)  # noqa: S311 - a test's dice
    kill_again_and_again(
        embedded_program, embedded_table, EMBEDDED_KILLS, lambda _: (asked_again(source), chance.uniform(0, 0.5))
    )


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        *(("hang", statement) for statement in ("SELECT version", "CREATE TABLE", "INSERT")),
        *(("execute_then_hang", statement) for statement in ("CREATE TABLE", "INSERT", "ALTER")),
    ],
)
def test_killed_before_and_after_each_statement(
    kind: FaultKind, statement: str, program: Installation, front: ClickHouseFront, table: PriceAudit
) -> None:
    if statement == "ALTER":
        assert program.run_job().code == 0
        program.clock.advance(timedelta(minutes=5))
    kept = keys_of_now(program)
    hang = front.fail(kind, statement)
    job = program.start_job()
    hang.wait()
    job.end()
    assert program.spooled_keys() == kept
    program.clock.advance(HOUR)
    run = program.run_job()
    assert (run.code, "replayed=3" in run.log) == (0, True)
    table.assert_right(6, at_least=kept)
