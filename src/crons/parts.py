"""The parts that every pipeline shares, made from Settings: the clock, the retry policy, the spool, the database."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, EmbeddedEngine, Server
from adapters._bases.errors import StorageRejected
from adapters._bases.retry import RetryPolicy, log_retries
from adapters.clickhouse.etl_runs_clickhouse_adapter import EtlRunsAdapter
from adapters.files.locks import ProcessLock
from adapters.files.spool import Spool
from configurations.config import Settings


def system_clock() -> datetime:
    """The present time, aware."""
    return datetime.now(timezone.utc)


ENGINE_WAIT_SECONDS = 120.0
"""How long a job waits for another that has the embedded engine's folder open: most are through in seconds."""


def impatient(settings: Settings) -> Settings:
    """The settings for a command that somebody waits for: the time of one answer is all that a call may take.

    A job has half of its run for a call and its retries, which for a database that takes the connection and says
    nothing is minutes.
    """
    limit = min(settings.run_timeout_seconds, 2 * settings.http_timeout_seconds)
    return settings.model_copy(update={"run_timeout_seconds": limit})


def retry_policy(settings: Settings) -> RetryPolicy:
    """The one policy, each retry logged; its tries take at most half of a run, the other half is left to store."""
    log_retries()
    return RetryPolicy(total_seconds=settings.run_timeout_seconds / 2)


def spool(settings: Settings, job: str) -> Spool:
    """Where a job's fetched rows wait until they are stored."""
    return Spool(settings.data_path / "spool" / job)


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


def clickhouse(
    settings: Settings,
    *,
    task: str,
    clock: Callable[[], datetime],
    wait_seconds: float = ENGINE_WAIT_SECONDS,
    writes: bool = False,
) -> ClickHouseAdapter:
    """The database; it is not connected to before its first use.

    Args:
        settings: what the operator set.
        task: what it is used for, for whoever has to wait meanwhile.
        clock: gives the aware time.
        wait_seconds: how long to wait for another process that has the embedded engine's folder open, or writes to
            the same database of the same server.
        writes: whether rows will be written; who only reads a server waits for nobody.
    """
    path = settings.clickhouse_path
    where = engine_lock(path) if settings.embedded else server_lock(settings)
    lock = ProcessLock(
        where,
        task=task,
        clock=clock,
        wait_seconds=wait_seconds,
        step="using the database",
        private=not settings.embedded,
    )
    return ClickHouseAdapter(
        address=_address(settings),
        connect_timeout_seconds=settings.http_timeout_seconds,
        query_timeout_seconds=settings.run_timeout_seconds / 2,
        guard=lock if settings.embedded or writes else None,
    )


def runs_table(settings: Settings, database: ClickHouseAdapter) -> EtlRunsAdapter:
    """The table of runs, on a connection."""
    return EtlRunsAdapter(clickhouse=database, database=settings.clickhouse_db, keep_days=settings.run_history_days)


def _address(settings: Settings) -> EmbeddedEngine | Server:
    if settings.embedded:
        return EmbeddedEngine(settings.clickhouse_path)
    return Server(
        settings.clickhouse_host,
        settings.clickhouse_port,
        settings.clickhouse_user,
        settings.clickhouse_password.get_secret_value(),
        secure=settings.clickhouse_secure,
        ca_file=settings.clickhouse_ca_file,
    )
