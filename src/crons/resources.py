"""The database, repositories, HTTP connections and spools that the settings describe."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import KW_ONLY, dataclass, replace
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, Server
from adapters._bases.durable import foreign_among
from adapters._bases.embedded_engine import EmbeddedEngine
from adapters._bases.errors import ConfigurationError
from adapters._bases.hourly_repository import HourlyRepository
from adapters._bases.http_adapter import HttpAdapter
from adapters._bases.retry import RetryPolicy
from adapters._bases.topology import Replication
from adapters.clickhouse.etl_runs_clickhouse_adapter import TABLE as RUNS
from adapters.clickhouse.etl_runs_clickhouse_adapter import EtlRunsAdapter
from adapters.files.locks import ProcessLock
from adapters.files.spool import Spool
from configurations.config import Settings

RepositoryT = TypeVar("RepositoryT", bound=HourlyRepository)

# How long to wait for another process that has the embedded engine's folder open; most take seconds.
ENGINE_WAIT_SECONDS = 120.0
# For reads that a user waits for.
_SHORT_WAIT_SECONDS = 2.0
PATIENCE = RetryPolicy(attempts=2, total_seconds=5)
# What a run reserves for storing when it retries a source: room for an upsert on a busy server.
_STORING_SECONDS = 60.0
# What a run reserves when it retries the database, so that it ends by that error, not by its time limit.
_ENDING_SECONDS = 5.0
_CLOUD_HOSTS = ".clickhouse.cloud"
# An idle service of ClickHouse Cloud sleeps; the first connection wakes it.
_WAKING_SECONDS = 120.0


def system_clock() -> datetime:
    """The present time, aware. Read at the edges only: everything below is given a clock."""
    return datetime.now(timezone.utc)


@dataclass(eq=False, repr=False)
class Resources(AbstractContextManager["Resources"]):
    """Connections and folders. The database is opened when it is first used, and closed by the context manager."""

    settings: Settings
    _: KW_ONLY
    task: str  # what they are used for, for the message of a process that has to wait for this one
    clock: Callable[[], datetime] = system_clock
    writes: bool = False  # whether rows are written or dropped; a reader of a server waits for no other process
    briefly: bool = False  # for a read that a user waits for: wait briefly for the embedded engine and for an answer
    limit_seconds: float | None = None  # of the run that begins now, which retries until then; else five tries

    def __post_init__(self) -> None:
        cluster, quorum = self.settings.clickhouse_cluster, self.settings.clickhouse_insert_quorum
        self._replication = Replication(cluster, self.settings.clickhouse_changes, quorum)
        self._began = time.monotonic()
        self._http: list[HttpAdapter] = []
        self._repositories: dict[type[HourlyRepository], HourlyRepository] = {}
        self.retry = PATIENCE if self.briefly else self._until_limit(reserve=_ENDING_SECONDS, share=0.1)

    def _until_limit(self, *, reserve: float, share: float) -> RetryPolicy:
        """Retry until the run's limit, minus a reserve in seconds, or a share of a short run."""
        limit, run = self.limit_seconds, self.settings.run_timeout_seconds
        if limit is None:
            return RetryPolicy(total_seconds=run / 2)
        deadline = self._began + limit - min(reserve, limit * share)
        return RetryPolicy(attempts=None, total_seconds=run - min(reserve, run * share), deadline=deadline)

    @cached_property
    def database(self) -> ClickHouseAdapter:
        """The one connection, guarded by the lock of an engine or database that may not be shared."""
        settings = self.settings
        server = Server(
            settings.clickhouse_host,
            settings.clickhouse_port,
            settings.clickhouse_user,
            settings.clickhouse_password.value,
            secure=settings.clickhouse_secure,
            ca_file=settings.clickhouse_ca_file,
        )
        lock = ProcessLock(
            database_lock(settings),
            task=self.task,
            clock=self.clock,
            wait_seconds=_SHORT_WAIT_SECONDS if self.briefly else ENGINE_WAIT_SECONDS,
            step="using the database",
            private=not settings.embedded,
        )
        return ClickHouseAdapter(
            address=EmbeddedEngine(settings.clickhouse_path) if settings.embedded else server,
            connect_timeout_seconds=settings.http_timeout_seconds,
            query_timeout_seconds=settings.run_timeout_seconds / 2,
            waking_seconds=_WAKING_SECONDS if settings.clickhouse_host.endswith(_CLOUD_HOSTS) else 0,
            guard=lock if settings.embedded or self.writes else None,
        )

    @cached_property
    def runs(self) -> EtlRunsAdapter:
        name, days = self.settings.clickhouse_db, self.settings.run_history_days
        return EtlRunsAdapter(clickhouse=self.database, database=name, keep_days=days, replication=self._replication)

    def repository(self, kind: type[RepositoryT]) -> RepositoryT:
        made = self._repositories.get(kind)
        if not isinstance(made, kind):
            made = kind(
                clickhouse=self.database,
                database=self.settings.clickhouse_db,
                retry=self.retry,
                clock=self.clock,
                replication=self._replication,
            )
            self._repositories[kind] = made
        return made

    def spool(self, job: str) -> Spool:
        return Spool(self.settings.data_path / "spool" / job)

    def history_spool(self, job: str) -> Spool:
        """Records of a job's runs until they are stored; a folder for each job, guarded by its lock."""
        return Spool(self.settings.data_path / "spool" / RUNS / job)

    def http(
        self, setting: str, headers: Mapping[str, str] | None = None, *, attempts: int | None = None
    ) -> HttpAdapter:
        """A connection to the source whose base URL is in this variable; its calls are counted in `calls_made`.

        `attempts` are the most tries of a call; None for as many as the run's limit allows.
        """
        made = HttpAdapter(
            base_url=getattr(self.settings, setting.lower()),
            setting=setting,
            headers=headers or {},
            timeout_seconds=self.settings.http_timeout_seconds,
            retry=replace(self._until_limit(reserve=_STORING_SECONDS, share=0.25), attempts=attempts),
            clock=self.clock,
        )
        self._http.append(made)
        return made

    @property
    def calls_made(self) -> int:
        """HTTP calls to sources so far, retries included."""
        return sum(http.calls_made for http in self._http)

    def __exit__(self, *error: object) -> None:
        if "database" in self.__dict__:
            self.database.close()


def interactive_timeouts(settings: Settings) -> Settings:
    """The settings for a command that a user waits for: a call and its retries take no longer than one slow answer."""
    # A job may spend half of its run on them, which is minutes for a database that accepts the connection and hangs.
    limit = min(settings.run_timeout_seconds, 2 * settings.http_timeout_seconds)
    return replace(settings, run_timeout_seconds=limit)


def job_lock(settings: Settings, job: str) -> Path:
    return settings.data_path / "locks" / f"{job}.lock"


def database_lock(settings: Settings) -> Path:
    """The lock by which processes of this host take turns at the database."""
    if settings.embedded:  # one process at a time can open it
        return settings.clickhouse_path.with_name(f"{settings.clickhouse_path.name}.lock")
    # Two that look for the same keys at once would both insert them. It is outside of every checkout, and not in
    # TMPDIR, which may differ between cron and a shell. Its folder is closed to other users.
    where = f"{settings.clickhouse_host}_{settings.clickhouse_port}_{settings.clickhouse_db}"
    return Path("/tmp") / f"data-processor-{os.getuid()}" / f"{where}.lock"  # noqa: S108 - a lock is not secret


def has_no_database(settings: Settings) -> bool:
    """Whether the embedded engine was never used on this host: opening it would create its folder."""
    return settings.embedded and not settings.clickhouse_path.exists()


def require_owner(settings: Settings) -> None:
    """Raise ConfigurationError if a folder of the data, or a file at the top of one, belongs to another user."""
    data, spool = settings.data_path, settings.data_path / "spool"
    of_engine = [settings.clickhouse_path] if settings.embedded else []
    folders = [data, data / "locks", spool, *spool.glob("*/"), *spool.glob("*/*/"), settings.backup_path, *of_engine]
    paths = [*of_engine, *(path for folder in folders for path in (folder, *folder.glob("*")))]
    if found := foreign_among(paths):
        top = next(one for one in (*of_engine, data, settings.backup_path) if found.path.is_relative_to(one))
        raise ConfigurationError(
            f"{found.path} belongs to {found.owner}, and this command would mix it with files of {found.user}; "
            "nothing was written",
            next_step=f"run it as {found.owner}, or: sudo chown -R {found.user} {shlex.quote(str(top))}",
        )
