"""Two hosts with one database have no lock in common: what is left where both run at the same moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.installation import Finished, Installation

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
    changes: str,
    program: Installation,
    both_run: Callable[[str, str], Finished],
    embedded: ClickHouseAdapter,
    database: str,
) -> None:
    """Both insert the hour's keys: the late run fails; `verify` names them, and its statement repairs the table.

    Each view shows them once. Then both change them: nothing is doubled.
    """

    def shown(view: str) -> int:
        return len(embedded.query(f"SELECT symbol FROM {database}.crypto_prices_{view}"))

    embedded.command(f"CREATE DATABASE IF NOT EXISTS {database}")
    assert program.command("setup_db").code == 0
    late = both_run(changes, "INSERT INTO")
    assert (late.code, late.errors[-1].count("more than one row")) == (1, COINS)
    assert program.spooled == []
    assert [shown(view) for view in ("hourly", "daily", "latest")] == [COINS] * 3
    found = program.command("verify")
    assert found.code == 1
    assert "duplicate keys" in found.out
    [remedy] = [line[line.index("DELETE FROM") :] for line in found.out.splitlines() if "DELETE FROM" in line]
    embedded.command(remedy)
    assert shown("hourly") == COINS
    assert program.command("verify").code == 0

    program.clock.advance(timedelta(minutes=10))
    write = "ALTER TABLE" if changes == "update" else "INSERT INTO"
    assert both_run(changes, write).code == 0
    assert [shown(view) for view in ("hourly", "daily", "latest")] == [COINS] * 3
    assert program.command("verify").code == 0
