"""The embedded engine, a server in front of it, the repository behind either; the installed program."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from typing import Any

import chdb
import pytest
import stamina
from hypothesis import HealthCheck, settings

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.embedded_engine import EmbeddedEngine
from adapters._bases.hourly_repository import HourlyRepository
from adapters._bases.retry import RetryPolicy
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from tests.support.access import access_configuration
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.faulty_source import FaultySource
from tests.support.installation import Installation
from tests.support.older_engine import OlderEngine
from tests.support.price_table import Sql
from tests.support.scale import LARGE
from tests.support.stepped_clock import SteppedClock

# A stall of a busy machine is not a failure, and an example that failed in one run says nothing about the next.
settings.register_profile(
    "small", deadline=None, database=None, suppress_health_check=list(HealthCheck), max_examples=25
)
settings.register_profile("large", settings.get_profile("small"), max_examples=400)
settings.register_profile("brief", settings.get_profile("small"), max_examples=10)
settings.load_profile("large" if LARGE else "small")

_DATABASE_NUMBERS = count(1)
NOW = datetime(2026, 11, 23, 9, 5, 7, tzinfo=timezone.utc)
"""2026-11-23 12:35:07 in Tehran."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that wait most, so that they do not wait alone at the end of a parallel run."""
    items.sort(key=lambda item: item.path.parent.name != "faults" and item.path.name != "test_real_cron.py")


@pytest.fixture
def quick_retries() -> Iterator[None]:
    """Retries as the policy has them, without their waits."""
    stamina.set_testing(True, attempts=3, cap=True)
    yield
    stamina.set_testing(False)


OLDER_ENGINE = os.environ.get("OLDER_ENGINE", "")
"""The Python of an environment with another version of the engine, on which the storage tests run then."""


@pytest.fixture(scope="session")
def older_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OlderEngine | None]:
    """The engine of `OLDER_ENGINE`, None where that is not set."""
    if not OLDER_ENGINE:
        yield None
        return
    with OlderEngine(Path(OLDER_ENGINE), tmp_path_factory.mktemp("older")) as engine:
        engine.query("SELECT 1", (), {})  # its start takes longer than some tests let a statement take
        yield engine


@pytest.fixture(scope="session")
def engine_path(tmp_path_factory: pytest.TempPathFactory, older_engine: OlderEngine | None) -> Iterator[Path]:
    """The folder of the embedded engine, which runs until the last test; a process can have but one open."""
    path = tmp_path_factory.mktemp("clickhouse")
    if older_engine is not None:
        yield path
        return
    connect: Any = chdb.connect  # its package is typed in one of its two distributions only
    # Whoever opens it later opens this one.
    connection = connect(f"{path}?config-file={access_configuration(tmp_path_factory.mktemp('access'))}")
    yield path
    connection.close()


@pytest.fixture
def front(engine_path: Path, older_engine: OlderEngine | None) -> Iterator[ClickHouseFront]:
    """A server over the engine; its user has a password."""
    with ClickHouseFront(engine_path, user="writer", password="pass-in-tests", engine=older_engine) as server:
        yield server


@pytest.fixture
def embedded(engine_path: Path, older_engine: OlderEngine | None) -> Iterator[ClickHouseAdapter]:
    """The door to the embedded engine; to an older one it is a server's."""
    if older_engine is None:
        with closing(clickhouse_adapter(engine_path, None)) as adapter:
            yield adapter
        return
    with (
        ClickHouseFront(engine_path, user="reader", password="pass-in-tests", engine=older_engine) as front,
        closing(clickhouse_adapter(engine_path, front)) as adapter,
    ):
        yield adapter


@pytest.fixture
def server(engine_path: Path, front: ClickHouseFront) -> Iterator[ClickHouseAdapter]:
    with closing(clickhouse_adapter(engine_path, front)) as adapter:
        yield adapter


@pytest.fixture(params=["server"] if OLDER_ENGINE else ["embedded", "server"])
def clickhouse(request: pytest.FixtureRequest) -> ClickHouseAdapter:
    adapter: ClickHouseAdapter = request.getfixturevalue(request.param)
    return adapter


@pytest.fixture
def database(embedded: ClickHouseAdapter) -> Iterator[str]:
    """The name of a database of the test's own, which is dropped in the end."""
    name = f"test_{next(_DATABASE_NUMBERS)}"
    yield name
    embedded.command(f"DROP DATABASE IF EXISTS {name} SYNC")


@pytest.fixture
def sql(embedded: ClickHouseAdapter, database: str) -> Sql:
    """Run a statement past the program, for which ``crypto`` is the test's database; what it brings."""
    return lambda statement: embedded.query(re.sub(r"\bcrypto\b", database, statement))


@pytest.fixture
def make_repository(database: str) -> Callable[..., Any]:
    """Make a repository behind a door, of CoinMarketCap's table; its clock stands at `NOW` unless another is given."""

    def make(
        adapter: ClickHouseAdapter,
        clock: Callable[[], datetime] = lambda: NOW,
        kind: type[HourlyRepository] = CoinMarketCapClickHouseAdapter,
        **others: Any,
    ) -> HourlyRepository:
        given = {"database": database, "retry": RetryPolicy(attempts=3), **others}
        return kind(clickhouse=adapter, clock=clock, **given)

    return make


@pytest.fixture
def make_table(make_repository: Callable[..., Any]) -> Callable[..., Any]:
    def make(*given: Any, **others: Any) -> HourlyRepository:
        made: HourlyRepository = make_repository(*given, **others)
        made.ensure_ready()
        return made

    return make


@pytest.fixture
def repository(
    embedded: ClickHouseAdapter, make_table: Callable[..., CoinMarketCapClickHouseAdapter]
) -> CoinMarketCapClickHouseAdapter:
    return make_table(embedded)


@pytest.fixture
def clock() -> SteppedClock:
    """The time of source and program alike; stands at 2026-11-23 15:37:09 in Tehran."""
    return SteppedClock(datetime(2026, 11, 23, 12, 7, 9, tzinfo=timezone.utc))


@pytest.fixture
def source(clock: SteppedClock) -> Iterator[FaultySource]:
    with FaultySource(clock=clock) as serving:
        yield serving


@pytest.fixture
def search_path() -> str:
    return os.environ["PATH"]


@pytest.fixture
def install(
    tmp_path: Path, source: FaultySource, clock: SteppedClock, search_path: str
) -> Iterator[Callable[..., Installation]]:
    """Make installations that ask the source; in the end none may have let the key or a password out."""
    made: list[Installation] = []
    common = {"PATH": search_path, "CMC_BASE_URL": source.base_url, "CMC_API_KEY": source.key}
    common["SYMBOLS"] = "BTC,ETH,SOL"

    def make(folder: str = "checkout", *, secrets: tuple[str, ...] = (), **settings: str) -> Installation:
        known = (source.key, *secrets)
        made.append(Installation.make(tmp_path / folder, clock=clock, settings={**common, **settings}, secrets=known))
        return made[-1]

    yield make
    for installation in made:
        installation.end_all()
        assert installation.leaks() == []


@pytest.fixture
def embedded_program(install: Callable[..., Installation]) -> Installation:
    return install("embedded")


def clickhouse_adapter(engine_path: Path, front: ClickHouseFront | None) -> ClickHouseAdapter:
    """A door: to the server if there is one, else to the embedded engine."""
    return ClickHouseAdapter(
        address=EmbeddedEngine(engine_path) if front is None else front.address,
        connect_timeout_seconds=5,
        query_timeout_seconds=60,
    )
