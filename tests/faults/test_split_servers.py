"""Two servers that know nothing of each other behind one address: each request meets the other one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.clickhouse_front import ClickHouseFront
from tests.support.installation import JOB, Installation
from tests.support.older_engine import OlderEngine

COINS = 3
RUNS = 4


@dataclass
class Balancer(ClickHouseFront):
    """A front that sends each request to the next of its servers, which need not listen."""

    servers: tuple[ClickHouseFront, ...] = ()
    asked_so_far: int = 0

    def execute(self, statement: str, body: bytes, parameters: dict[str, str]) -> bytes:
        self.asked_so_far += 1
        return self.servers[self.asked_so_far % 2].execute(statement, body, parameters)


@pytest.fixture
def split(tmp_path: Path) -> Iterator[Balancer]:
    """Two engines of this version, each in a process of its own, behind one address."""
    one, two = tmp_path / "one", tmp_path / "two"
    with OlderEngine(Path(sys.executable), one) as first, OlderEngine(Path(sys.executable), two) as second:
        servers = ClickHouseFront(one, engine=first), ClickHouseFront(two, engine=second)
        with Balancer(tmp_path, "writer", "pass-in-tests", servers=servers) as balancer:
            yield balancer  # type: ignore[misc]  # __enter__ is typed by the class above


@pytest.mark.present_engine
def test_table_on_one_of_two_servers_loses_nothing(split: Balancer, install: Callable[..., Installation]) -> None:
    """A run stores, or fails by name where half of its tables are; each price is in a table or waits in the spool."""
    program = install(secrets=(split.password,), **split.variables("crypto"), RUN_TIMEOUT_SECONDS="30")
    hours = set()
    for _ in range(RUNS):
        done = program.run_job()
        assert done.code in (0, 1)
        assert "unexpected error" not in done.log
        assert "Traceback" not in done.log
        assert "drop" not in done.log.partition("[error")[2]
        hours.add(program.clock())
        program.clock.advance(timedelta(hours=1))

    stored = [_keys(server) for server in split.servers]
    waiting = program.spooled_keys()
    assert len(set().union(*stored, waiting)) == COINS * len(hours)
    assert program.command("status", JOB).code == 1


def _keys(server: ClickHouseFront) -> set[tuple[str, str]]:
    """Symbol and hour of each row that a server holds."""
    try:
        answer = server.execute("SELECT symbol, datetime FROM crypto.crypto_prices", b"", {})
    except RuntimeError:  # it never got the table
        return set()
    return {(symbol, hour) for symbol, hour in (line.split("\t") for line in answer.decode().splitlines())}
