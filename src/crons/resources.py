"""The composition root: the parts that Settings stand for, each made once and handed down.

Every connection is made here: to the source, to the database, to the monitor.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, Server
from adapters._bases.embedded_engine import EmbeddedEngine
from adapters._bases.errors import StorageRejected
from adapters._bases.hourly_repository import HourlyRepository
from adapters._bases.hourly_table import HourlyTable
from adapters._bases.http_adapter import HttpAdapter
from adapters._bases.retry import RetryPolicy
from adapters._bases.topology import Replication
from adapters.clickhouse.etl_runs_clickhouse_adapter import TABLE as RUNS
from adapters.clickhouse.etl_runs_clickhouse_adapter import EtlRunsAdapter
from adapters.files.locks import ProcessLock
from adapters.files.spool import Spool
from adapters.http.healthchecks_http_adapter import HealthchecksAdapter, host_of
from configurations.config import Settings

RepositoryT = TypeVar("RepositoryT", bound=HourlyRepository)

ENGINE_WAIT_SECONDS = 120.0
"""How long a job waits for another that has the embedded engine's folder open: most are through in seconds."""
STORING_SECONDS = 60.0
"""What is left of a run for storing when the source was asked to the last: room for the upsert of a busy server."""
ENDING_SECONDS = 5.0
"""What is left of a run when the database was tried to the last: the run ends by that error, not by its limit."""
CLOUD_HOSTS = ".clickhouse.cloud"
WAKING_SECONDS = 120.0
"""How long the first contact may take with a service of ClickHouse Cloud, which sleeps when it is idle."""
PATIENCE = RetryPolicy(attempts=2, total_seconds=5)
"""For reads that somebody waits for at the screen."""
PING_SECONDS = 3.0
"""The longest that one ping of the monitor may hold a run up."""


def system_clock() -> datetime:
    """The present time, aware. Read at the edges only: whatever is below is given the time."""
    return datetime.now(timezone.utc)


class Resources:
    """What one use of the settings needs of the outside; the database is not connected to before its first use.

    A context manager that closes the database's connection.

    Args:
        settings: what the operator set.
        task: what they are used for, for the message of a process that has to wait meanwhile.
        clock: gives the aware time.
        wait_seconds: how long to wait for another process that has the embedded engine's folder open, or writes to
            the same database of the same server.
        writes: whether rows will be written or dropped; a reader of a server waits for no other process.
        limit_seconds: of the run that begins now: passing failures are tried again for as long as it allows, each call
            for as long as an hourly run may take; None where somebody waits: five tries, in half of that time.
        retry: of the database, in place of those tries; None for them.

    Attributes:
        settings: as given.
        clock: as given.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        task: str,
        clock: Callable[[], datetime],
        wait_seconds: float = ENGINE_WAIT_SECONDS,
        writes: bool = False,
        limit_seconds: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self._task = task
        self._wait_seconds = wait_seconds
        self._writes = writes
        self._limit_seconds = limit_seconds
        self._retry = retry
        self._began = time.monotonic()
        self._http: list[HttpAdapter] = []
        self._repositories: dict[str, HourlyRepository] = {}

    @cached_property
    def retry(self) -> RetryPolicy:
        """That of the database: to the end of the run."""
        return self._retry or self._tries(but=ENDING_SECONDS, share=0.1)

    @cached_property
    def source_retry(self) -> RetryPolicy:
        """That of sources: what storing needs is left of the run."""
        return self._tries(but=STORING_SECONDS, share=0.25)

    def _tries(self, *, but: float, share: float) -> RetryPolicy:
        """Tries for as long as the run may take but for so many seconds, or that share of a short one."""
        limit, run = self._limit_seconds, self.settings.run_timeout_seconds
        if limit is None:
            return RetryPolicy(total_seconds=run / 2)
        return RetryPolicy(
            attempts=None,
            total_seconds=run - min(but, run * share),
            deadline=self._began + limit - min(but, limit * share),
        )

    @cached_property
    def database(self) -> ClickHouseAdapter:
        """The one connection, behind the lock of whatever may not be shared."""
        settings = self.settings
        lock = ProcessLock(
            engine_lock(settings.clickhouse_path) if settings.embedded else server_lock(settings),
            task=self._task,
            clock=self.clock,
            wait_seconds=self._wait_seconds,
            step="using the database",
            private=not settings.embedded,
        )
        return ClickHouseAdapter(
            address=_address(settings),
            connect_timeout_seconds=settings.http_timeout_seconds,
            query_timeout_seconds=settings.run_timeout_seconds / 2,
            waking_seconds=WAKING_SECONDS if settings.clickhouse_host.endswith(CLOUD_HOSTS) else 0,
            guard=lock if settings.embedded or self._writes else None,
        )

    @cached_property
    def runs(self) -> EtlRunsAdapter:
        """The table of runs."""
        settings = self.settings
        return EtlRunsAdapter(
            clickhouse=self.database,
            database=settings.clickhouse_db,
            keep_days=settings.run_history_days,
            replication=replication_of(settings),
        )

    def repository(self, kind: type[RepositoryT], table: HourlyTable) -> RepositoryT:
        """The one repository of a table."""
        made = self._repositories.get(table.name)
        if not isinstance(made, kind):
            made = kind(
                table=table,
                clickhouse=self.database,
                database=self.settings.clickhouse_db,
                retry=self.retry,
                clock=self.clock,
                replication=replication_of(self.settings),
            )
            self._repositories[table.name] = made
        return made

    def spool(self, job: str) -> Spool:
        """Where a job's fetched rows wait until they are stored."""
        return Spool(self.settings.data_path / "spool" / job)

    def history_spool(self, job: str) -> Spool:
        """Where records of a job's runs wait; a folder for each job, so that its lock guards it."""
        return Spool(self.settings.data_path / "spool" / RUNS / job)

    def http(self, base_url: str, headers: Mapping[str, str] | None = None) -> HttpAdapter:
        """The door to a source; its calls count among `calls_made`."""
        self._http.append(
            HttpAdapter(
                base_url=base_url,
                headers=headers or {},
                timeout_seconds=self.settings.http_timeout_seconds,
                retry=self.source_retry,
                clock=self.clock,
            )
        )
        return self._http[-1]

    @property
    def calls_made(self) -> int:
        """HTTP calls to sources so far, repeated tries counted."""
        return sum(http.calls_made for http in self._http)

    def close(self) -> None:
        """Close the connection to the database, if one was made. Idempotent."""
        if "database" in self.__dict__:
            self.database.close()

    def __enter__(self) -> Resources:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@asynccontextmanager
async def open_monitor(url: str, clock: Callable[[], datetime]) -> AsyncIterator[HealthchecksAdapter]:
    """The monitor at an address; a ping is tried once, for at most `PING_SECONDS`."""
    once = RetryPolicy(attempts=1)
    http = HttpAdapter(base_url=host_of(url), headers={}, timeout_seconds=PING_SECONDS, retry=once, clock=clock)
    async with http:
        yield HealthchecksAdapter(http=http, url=url)


def interactive_timeouts(settings: Settings) -> Settings:
    """The settings for a command that somebody waits for: the time of one answer is all that a call may take.

    A job has half of its run for a call and its retries, which for a database that takes the connection and says
    nothing is minutes.
    """
    limit = min(settings.run_timeout_seconds, 2 * settings.http_timeout_seconds)
    return replace(settings, run_timeout_seconds=limit)


def engine_lock(path: Path) -> Path:
    """The lock beside an embedded engine's folder: one process at a time can have it open."""
    return path.with_name(f"{path.name}.lock")


def server_lock(settings: Settings) -> Path:
    """The lock of a server's database on this host, for those who write: checkouts that share it take turns.

    Two that looked for the same keys at once would both insert them. It is outside every checkout, and no temporary
    folder of the environment's, which cron and a shell may have each its own. Its folder there is closed to others.
    """
    where = f"{settings.clickhouse_host}_{settings.clickhouse_port}_{settings.clickhouse_db}"
    return Path("/tmp") / f"data-processor-{os.getuid()}" / f"{where}.lock"  # noqa: S108 - a lock is not secret


def has_no_database(settings: Settings) -> bool:
    """Whether this is a host whose embedded engine was never used: opening it would make its folder."""
    return settings.embedded and not settings.clickhouse_path.exists()


def require_database(settings: Settings) -> None:
    """Refuse to look into a database that opening would make.

    Raises:
        StorageRejected: there is none yet; nothing was made.
    """
    if has_no_database(settings):
        raise StorageRejected("there is no database yet", next_step="run `./run.sh setup_db`, then cron_run")


def replication_of(settings: Settings) -> Replication:
    """What the settings say of clusters."""
    return Replication(settings.clickhouse_cluster, settings.clickhouse_changes, settings.clickhouse_insert_quorum)


def _address(settings: Settings) -> EmbeddedEngine | Server:
    if settings.embedded:
        return EmbeddedEngine(settings.clickhouse_path)
    return Server(
        settings.clickhouse_host,
        settings.clickhouse_port,
        settings.clickhouse_user,
        settings.clickhouse_password.value,
        secure=settings.clickhouse_secure,
        ca_file=settings.clickhouse_ca_file,
    )
