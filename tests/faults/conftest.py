"""The installed program between a source and a database that fail on demand; each test ends in a search for secrets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

import pytest

from tests.support.clickhouse_front import ClickHouseFront
from tests.support.faulty_source import FaultySource
from tests.support.installation import Installation
from tests.support.price_audit import PriceAudit, by_process
from tests.support.price_table import Sql
from tests.support.stepped_clock import SteppedClock

NOW = datetime(2026, 11, 23, 9, 5, 7, tzinfo=timezone.utc)
"""2026-11-23 12:35:07 in Tehran."""


@pytest.fixture
def clock() -> SteppedClock:
    """The time of source and program alike; stands at 12:35:07 in Tehran."""
    return SteppedClock(NOW)


@pytest.fixture
def program(install: Callable[..., Installation], front: ClickHouseFront, database: str) -> Installation:
    return install(secrets=(front.password,), **front.variables(database))


@pytest.fixture
def table(sql: Sql, source: FaultySource) -> PriceAudit:
    return PriceAudit(sql=sql, source=source)


@pytest.fixture
def embedded_table(embedded_program: Installation, source: FaultySource) -> PriceAudit:
    folder = embedded_program.data / "clickhouse"
    return PriceAudit(sql=by_process(folder), source=source)
