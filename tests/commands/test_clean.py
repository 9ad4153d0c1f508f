"""``clean`` as the operator runs it: four commands in one, and none after the first that fails."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

import pytest

from tests.support.clickhouse_front import ClickHouseFront
from tests.support.faulty_source import FaultySource
from tests.support.installation import Installation


@pytest.fixture
def source() -> Iterator[FaultySource]:
    """CoinMarketCap on the real clock, as the job that clean starts reads it."""
    with FaultySource(clock=lambda: datetime.now(timezone.utc)) as serving:
        yield serving


def test_clean_is_four_commands(
    program: Installation, front: ClickHouseFront, source: FaultySource, database: str
) -> None:
    assert program.command("cron_run").code == 0
    front.statements.clear()
    finished = program.command("clean", "--yes")
    assert finished.code == 0, finished.log
    assert finished.out.startswith("no job of this checkout is running")
    assert list((program.root / "backups").iterdir())
    kinds = [statement.split()[0] for statement in front.statements if database in statement]
    assert kinds.index("DROP") < kinds.index("CREATE") < len(kinds) - 1 - kinds[::-1].index("INSERT")
    assert "inserted=3" in finished.log
    assert source.credits_used == 2


def test_clean_ends_at_the_first_failure(program: Installation, source: FaultySource) -> None:
    finished = program.command("clean", "--yes", CLICKHOUSE_PORT="1", RUN_TIMEOUT_SECONDS="4")
    assert finished.code == 1
    assert finished.log.count("error: ") == 1
    assert source.requests == []
    assert not program.spooled
