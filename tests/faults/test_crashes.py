"""SIGKILL at any moment: after one more run every key stands once, at a right price, and nothing fetched is missing."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from adapters._bases.tehran_time import hour_key, hours_before, in_tehran
from tests.support import faults
from tests.support.clickhouse_front import ClickHouseFront, Fault
from tests.support.eventually import eventually
from tests.support.faulty_source import FaultySource
from tests.support.installation import Installation, Running
from tests.support.patience import PATIENCE_SECONDS
from tests.support.price_audit import Key, PriceAudit
from tests.support.scale import LARGE

HOUR = timedelta(hours=1)
SYMBOLS = ("BTC", "ETH", "SOL")
Moment = Callable[[], object]
SERVER_SEEDS, EMBEDDED_SEEDS = (6, 3) if LARGE else (1, 1)
FRONT_KILLS, EMBEDDED_KILLS = (12, 10) if LARGE else (6, 4)
"""How many kills of each seed have to strike a living process."""
MOST_TRIALS = 5
"""For each of them: a process may have come to its end before its moment."""


def keys_of_now(program: Installation) -> set[Key]:
    """The keys that a run stores at this time."""
    hour = f"{in_tehran(program.clock()):%Y-%m-%d %H}:00:00"
    return {(symbol, hour) for symbol in SYMBOLS}


class Killed(NamedTuple):
    """How a job that was to be killed ended.

    Attributes:
        fetched: the keys that it, or a job before it, had fetched for good by then.
        struck: whether the signal came before it had ended by itself.
    """

    fetched: set[Key]
    struck: bool


def killed(program: Installation, job: Running, moment: Moment, delay_seconds: float, stores: set[Key]) -> Killed:
    """Kill a job some time after a moment.

    Args:
        program: whose job it is.
        job: that is killed, if it has not ended by then.
        moment: true from when on.
        delay_seconds: after it.
        stores: the keys that it stores when it comes to its end.
    """
    eventually(lambda: moment() or job.process.poll() is not None)
    threading.Event().wait(delay_seconds)
    before = program.spooled_keys()
    ended = job.end()
    assert ended.code in {0, -signal.SIGKILL}, ended.log
    fetched = before | program.spooled_keys() | (stores if ended.code == 0 else set())
    return Killed(fetched, ended.code == -signal.SIGKILL)


def keys_of_backfill(program: Installation, hours: int) -> set[Key]:
    """The keys that a backfill of so many hours stores at this time: the present hour is not among them."""
    return {(symbol, hour_key(hour)) for symbol in SYMBOLS for hour in hours_before(program.clock(), hours)}


def asked_again(source: FaultySource) -> Moment:
    """When the source is asked next."""
    asked = len(source.requests)
    return lambda: len(source.requests) > asked


def moments_of(
    program: Installation, job: Running, source: FaultySource, front: ClickHouseFront, *, statements: int
) -> list[Moment]:
    """When the job has its lock; asks the source; has put rows in the spool; has made so many statements."""
    stated, waiting = len(front.statements), len(program.spooled)
    return [
        lambda: program.holder() == job.process.pid,
        asked_again(source),
        lambda: len(program.spooled) > waiting,
        lambda: len(front.statements) > stated + statements,
    ]


@pytest.mark.parametrize("seed", range(SERVER_SEEDS))
def test_killed_at_random_with_a_server(
    seed: int, program: Installation, source: FaultySource, front: ClickHouseFront, table: PriceAudit
) -> None:
    """Runs and backfills, an hour apart, until enough were killed somewhere between their start and their end."""
    chance = random.Random(seed)  # noqa: S311 - a test's dice
    fetched: set[Key] = set()
    struck = 0
    for trial in range(MOST_TRIALS * FRONT_KILLS):
        program.clock.advance(HOUR)
        backfill = trial % 3 == 2
        stores = keys_of_backfill(program, 30) if backfill else keys_of_now(program)
        job = program.start_job(*(("backfill", "30") if backfill else ()))
        moment = chance.choice(moments_of(program, job, source, front, statements=chance.randrange(14)))
        end = killed(program, job, moment, chance.choice((0, 0.002, 0.01, 0.05, 0.15)), stores)
        fetched |= end.fetched | table.keys()
        struck += end.struck
        if struck == FRONT_KILLS:
            break
    assert struck == FRONT_KILLS
    assert program.run_job().code == 0
    assert program.spooled == []
    table.assert_right(at_least=fetched | keys_of_now(program))


@pytest.mark.parametrize("seed", range(EMBEDDED_SEEDS))
def test_killed_at_random_with_the_embedded_engine(
    seed: int, embedded_program: Installation, source: FaultySource, embedded_table: PriceAudit
) -> None:
    """As above until enough were killed while the engine starts, works or stops; the engine's folder stays usable."""
    program, chance = embedded_program, random.Random(seed)  # noqa: S311 - a test's dice
    fetched: set[Key] = set()
    struck = 0
    for trial in range(MOST_TRIALS * EMBEDDED_KILLS):
        program.clock.advance(HOUR)
        backfill = trial % 3 == 2
        stores = keys_of_backfill(program, 30) if backfill else keys_of_now(program)
        job = program.start_job(*(("backfill", "30") if backfill else ()))
        end = killed(program, job, asked_again(source), chance.uniform(0, 0.5), stores)
        fetched |= end.fetched | embedded_table.keys()
        struck += end.struck
        if struck == EMBEDDED_KILLS:
            break
    assert struck == EMBEDDED_KILLS
    assert program.run_job().code == 0
    assert program.spooled == []
    embedded_table.assert_right(at_least=fetched | keys_of_now(program))


@pytest.mark.parametrize("path", ["/quotes/latest", "/quotes/historical"])
def test_killed_while_waiting_for_the_source(
    path: str, program: Installation, source: FaultySource, table: PriceAudit
) -> None:
    """A process killed in any call of the source leaves no lock, no row and no file that is in the next run's way."""
    arguments = ("backfill", "5") if path == "/quotes/historical" else ()
    hang = source.faults.push(faults.hang(), path=path)
    job = program.start_job(*arguments)
    assert hang.reached.wait(PATIENCE_SECONDS)
    job.end()
    assert (table.keys(), program.spooled) == (set(), [])
    assert program.run_job(*arguments).code == 0
    table.assert_right()
    assert len(table.rows()) == (15 if arguments else 3)


@pytest.mark.parametrize("statement", ["SELECT version", "CREATE TABLE", "INSERT"])
def test_killed_before_each_statement(
    statement: str, program: Installation, front: ClickHouseFront, table: PriceAudit
) -> None:
    """A process killed while the database has not begun yet: the rows are in the spool, the next run stores them."""
    kept = keys_of_now(program)
    front.faults.append(Fault("hang", statement))
    job = program.start_job()
    eventually(lambda: front.asked(statement))
    job.end()
    assert program.spooled_keys() == kept
    program.clock.advance(HOUR)
    assert "replayed=3" in program.run_job().log
    assert len(table.rows()) == 6
    table.assert_right(at_least=kept)


@dataclass
class PausingFront(ClickHouseFront):
    """A server that executes the statements that begin like `pause_after`, and then never answers."""

    pause_after: str = ""
    executed: threading.Event = field(default_factory=threading.Event)

    def execute(self, statement: str, body: bytes, parameters: dict[str, str]) -> bytes:
        """As in the base class, but for the pause."""
        answer = super().execute(statement, body, parameters)
        if self.pause_after and statement.startswith(self.pause_after):
            self.executed.set()
            self.wait_for_close()
        return answer


@pytest.mark.parametrize("statement", ["CREATE TABLE", "INSERT", "ALTER"])
def test_killed_after_each_statement(
    statement: str, program: Installation, front: ClickHouseFront, engine_path: Path, table: PriceAudit
) -> None:
    """A process killed when the database has done its work but not said so: nothing is doubled by the replay."""
    if statement == "ALTER":
        assert program.run_job().code == 0
        program.clock.advance(timedelta(minutes=5))
    kept = keys_of_now(program)
    pausing = PausingFront(engine_path, front.user, front.password, pause_after=statement)
    with pausing:
        job = program.start_job(CLICKHOUSE_PORT=str(pausing.port))
        assert pausing.executed.wait(PATIENCE_SECONDS)
        job.end()
    assert program.spooled_keys() == kept
    program.clock.advance(HOUR)
    assert program.run_job().code == 0
    assert len(table.rows()) == 6
    table.assert_right(at_least=kept)
