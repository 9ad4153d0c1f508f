"""Fixtures of the storage tests: the embedded engine, a server in front of it, the repository behind either."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from itertools import count
from pathlib import Path

import pytest
import stamina
from hypothesis import HealthCheck, settings

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, EmbeddedEngine
from adapters._bases.retry import RetryPolicy
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from tests.support.clickhouse_front import ClickHouseFront

# A stall of a busy machine is no failure, and an example that failed in one run says nothing of the next.
settings.register_profile("suite", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
# For a second Python: the rules have been searched with all examples on the first.
settings.register_profile("brief", settings.get_profile("suite"), max_examples=15)
settings.load_profile("suite")

_DATABASE_NUMBERS = count(1)
NOW = datetime(2026, 11, 23, 9, 5, 7, tzinfo=timezone.utc)
"""2026-11-23 12:35:07 in Tehran."""


@pytest.fixture
def quick_retries() -> Iterator[None]:
    """Retries as the policy has them, without their waits."""
    stamina.set_testing(True, attempts=3, cap=True)
    yield
    stamina.set_testing(False)


@pytest.fixture(scope="session")
def engine_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the embedded engine, which runs until the last test; a process can have but one open."""
    path = tmp_path_factory.mktemp("clickhouse")
    with clickhouse_adapter(path, None) as adapter:
        adapter.query("SELECT 1")
        yield path


@pytest.fixture
def front(engine_path: Path) -> Iterator[ClickHouseFront]:
    """A server over the embedded engine; its user has a password."""
    with ClickHouseFront(engine_path, user="writer", password="pass-in-tests") as server:
        yield server


@pytest.fixture
def embedded(engine_path: Path) -> Iterator[ClickHouseAdapter]:
    """The door to the embedded engine."""
    with clickhouse_adapter(engine_path, None) as adapter:
        yield adapter


@pytest.fixture
def server(engine_path: Path, front: ClickHouseFront) -> Iterator[ClickHouseAdapter]:
    """The door to the server."""
    with clickhouse_adapter(engine_path, front) as adapter:
        yield adapter


@pytest.fixture(params=["embedded", "server"])
def clickhouse(request: pytest.FixtureRequest) -> ClickHouseAdapter:
    """Each door in turn."""
    adapter: ClickHouseAdapter = request.getfixturevalue(request.param)
    return adapter


@pytest.fixture
def database(embedded: ClickHouseAdapter) -> Iterator[str]:
    """The name of a database of the test's own, which is dropped in the end."""
    name = f"test_{next(_DATABASE_NUMBERS)}"
    yield name
    embedded.command(f"DROP DATABASE IF EXISTS {name} SYNC")


@pytest.fixture
def make_repository(database: str) -> Callable[..., CoinMarketCapClickHouseAdapter]:
    """Make a repository behind a door; its clock stands at `NOW` unless another is given."""

    def make(adapter: ClickHouseAdapter, clock: Callable[[], datetime] = lambda: NOW) -> CoinMarketCapClickHouseAdapter:
        return CoinMarketCapClickHouseAdapter(
            clickhouse=adapter, database=database, retry=RetryPolicy(attempts=3), clock=clock
        )

    return make


@pytest.fixture
def repository(
    clickhouse: ClickHouseAdapter, make_repository: Callable[..., CoinMarketCapClickHouseAdapter]
) -> CoinMarketCapClickHouseAdapter:
    """A repository behind each door in turn, its table made."""
    made = make_repository(clickhouse)
    made.ensure_ready()
    return made


def clickhouse_adapter(engine_path: Path, front: ClickHouseFront | None) -> ClickHouseAdapter:
    """A door: to the server if there is one, else to the embedded engine."""
    return ClickHouseAdapter(
        address=EmbeddedEngine(engine_path) if front is None else front.address,
        connect_timeout_seconds=5,
        query_timeout_seconds=60,
    )
