"""Two hosts with one database, which have no lock in common, and two servers behind one address."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.clickhouse_front import ClickHouseFront
from tests.support.installation import JOB, Finished, Installation
from tests.support.older_engine import OlderEngine
from tests.support.price_table import Sql

COINS = 3


@pytest.fixture
def other_host(install: Callable[..., Installation], program: Installation) -> Installation:
    """A second installation, with nothing in common with the first but the database."""
    return install("other host", secrets=program.secrets, **program.settings)


@pytest.fixture
def both_run(
    program: Installation, other_host: Installation, front: ClickHouseFront, engine_path: Path
) -> Iterator[Callable[[str, str], Finished]]:
    """Let both look at what is stored before either writes, and the other host write first; how the late one ended."""
    with ClickHouseFront(engine_path, front.user, front.password) as gated:  # an address and so a lock of its own

        def run(changes: str, write: str) -> Finished:
            held_back = gated.fail("hang", f"{write} `{program.settings['CLICKHOUSE_DB']}`.`crypto_prices`")
            late = program.start_job(CLICKHOUSE_PORT=str(gated.port), CLICKHOUSE_CHANGES=changes)
            held_back.wait()
            program.clock.advance(timedelta(minutes=2))  # the other one's quotes are newer
            early = other_host.run_job(CLICKHOUSE_CHANGES=changes)
            held_back.released.set()
            assert early.code == 0, early.log
            return late.ended()

        yield run


@pytest.mark.parametrize("changes", ["update", "insert"])
def test_two_runs_at_once_leave_one_row_a_key_in_the_views(
    changes: str, program: Installation, both_run: Callable[[str, str], Finished], sql: Sql
) -> None:
    """Both insert the hour's keys: the late run fails; `verify` names them, and its statement repairs the table.

    Each view shows them once. Then both change them: nothing is doubled.
    """

    def shown(view: str) -> int:
        return len(sql(f"SELECT symbol FROM crypto.crypto_prices_{view}"))

    sql("CREATE DATABASE IF NOT EXISTS crypto")
    assert program.command("setup_db").code == 0
    late = both_run(changes, "INSERT INTO")
    assert (late.code, late.errors[-1].count("more than one row")) == (1, COINS)
    assert program.spooled == []
    assert [shown(view) for view in ("hourly", "daily", "latest")] == [COINS] * 3
    found = program.command("verify")
    assert found.code == 1
    assert "duplicate keys" in found.out
    [remedy] = [line[line.index("DELETE FROM") :] for line in found.out.splitlines() if "DELETE FROM" in line]
    sql(remedy)
    assert shown("hourly") == COINS
    assert program.command("verify").code == 0

    program.clock.advance(timedelta(minutes=10))
    write = "ALTER TABLE" if changes == "update" else "INSERT INTO"
    assert both_run(changes, write).code == 0
    assert [shown(view) for view in ("hourly", "daily", "latest")] == [COINS] * 3
    assert program.command("verify").code == 0


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
    for _ in range(4):
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
