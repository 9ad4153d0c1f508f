"""The repository of runs: the table `etl_runs`, one row for each run of each job."""

from __future__ import annotations

from collections.abc import Sequence

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.clickhouse_errors import NOT_THERE
from adapters._bases.errors import StorageRejected
from adapters.clickhouse.etl_run import TABLE, RunRecord, create_statement, expiry
from adapters.clickhouse.sql_text import quoted_identifier


class EtlRunsAdapter:
    """Keeps and gives runs. Every method may raise `StorageUnavailable` and `StorageRejected`; nothing is tried again.

    Args:
        clickhouse: where the table is; it stays the caller's to close.
        database: plain name.
        keep_days: how long a run is kept; 7,300 at most: ClickHouse's DateTime ends in 2106, and wraps around there.

    Raises:
        ConfigurationError: the database's name is no identifier.
    """

    def __init__(self, *, clickhouse: ClickHouseAdapter, database: str, keep_days: int) -> None:
        self._clickhouse = clickhouse
        self._database = database
        self._keep_days = keep_days
        self._table = f"{quoted_identifier(database)}.{quoted_identifier(TABLE)}"
        self.name = f"{database}.{TABLE}"

    def ensure_ready(self) -> None:
        """Make the table where it is missing, and have it keep runs as long as told. Harmless to repeat."""
        found = self._clickhouse.query(
            "SELECT engine_full FROM system.tables WHERE database = {database:String} AND name = {name:String}",
            {"database": self._database, "name": TABLE},
        )
        if not found:
            self._clickhouse.command(f"CREATE DATABASE IF NOT EXISTS {quoted_identifier(self._database)}")
            self._clickhouse.command(create_statement(self._table, self._keep_days))
        elif f"TTL {expiry(self._keep_days)} " not in f"{found[0][0]} ":
            self._clickhouse.command(f"ALTER TABLE {self._table} MODIFY TTL {expiry(self._keep_days)}")

    def record(self, runs: Sequence[RunRecord], *, perhaps_there: bool = False) -> None:
        """Keep runs: one INSERT, and only where there is no table yet, what makes it.

        Args:
            runs: at least one.
            perhaps_there: an earlier attempt may have stored some of them without our hearing of it: look first.
        """
        try:
            self._insert([run for run in runs if run.run_id not in self._stored(runs)] if perhaps_there else runs)
        except StorageRejected as error:
            if error.code not in NOT_THERE:
                raise
            self.ensure_ready()
            self._insert(runs)

    def recent(self, job: str, limit: int, *, kind: str = "") -> list[RunRecord]:
        """The last runs of a job, the latest first; none where there is no table yet.

        Args:
            job: its name.
            limit: how many at most.
            kind: only runs of this kind; empty for all.
        """
        where = "WHERE job = {job:String} AND {kind:String} IN ('', kind)"
        return self._select(where, {"job": job, "kind": kind}, limit)

    def last(self, job: str, *, status: str, kind: str = "") -> RunRecord | None:
        """The last run of a job that ended so; None where there is none.

        Args:
            job: its name.
            status: ``ok`` or ``failed``.
            kind: only runs of this kind; empty for all.
        """
        where = "WHERE job = {job:String} AND status = {status:String} AND {kind:String} IN ('', kind)"
        return next(iter(self._select(where, {"job": job, "status": status, "kind": kind}, 1)), None)

    def _insert(self, runs: Sequence[RunRecord]) -> None:
        if runs:
            self._clickhouse.insert(self._table, RunRecord._fields, runs)

    def _stored(self, runs: Sequence[RunRecord]) -> set[str]:
        found = self._clickhouse.query(
            f"SELECT run_id FROM {self._table} WHERE run_id IN {{ids:Array(String)}}",  # noqa: S608 - the name is quoted
            {"ids": [run.run_id for run in runs]},
        )
        return {str(run_id) for (run_id,) in found}

    def _select(self, where: str, parameters: dict[str, object], limit: int) -> list[RunRecord]:
        names = ", ".join(quoted_identifier(name) for name in RunRecord._fields)
        statement = (
            f"SELECT {names} FROM {self._table} {where} "  # noqa: S608 - every name in it is quoted
            "ORDER BY started_at DESC, run_id LIMIT {limit:UInt32}"
        )
        found = self._clickhouse.query_if_there(statement, {**parameters, "limit": limit})
        return [RunRecord(*row) for row in found]  # type: ignore[arg-type]  # the columns are those of the record
