"""The repository of runs: the table `etl_runs` with a row for each run of each job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from datetime import timedelta

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, quoted_name
from adapters._bases.clickhouse_errors import NOT_THERE
from adapters._bases.errors import StorageRejected
from adapters._bases.sql_files import definition, query_text
from adapters._bases.tehran_time import from_text
from adapters._bases.topology import Replication, topology_of

TABLE = "etl_runs"
OK, FAILED, BUSY = "ok", "failed", "busy"  # busy: another run held the lock, so it did nothing


@dataclass
class RunCounts:
    extracted: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    replayed: int = 0
    rejected: int = 0
    hours_asked: int = 0
    without_quote: int = 0
    calls: int = 0
    credits: int = 0

    def counts(self) -> dict[str, int]:
        return {field.name: getattr(self, field.name) for field in fields(RunCounts)}


@dataclass
class _Run:
    run_id: str
    job: str
    kind: str
    started_at: str
    finished_at: str
    status: str


@dataclass
class RunRecord(RunCounts, _Run):
    """A finished run, a row of the table: the fields of `_Run`, of `RunCounts`, then its own."""

    error: str = ""
    host: str = ""
    version: str = ""

    @property
    def took(self) -> timedelta:
        return from_text(self.finished_at) - from_text(self.started_at)

    @property
    def failed(self) -> bool:
        return self.status == FAILED


FIELDS = tuple(field.name for field in fields(RunRecord))
"""The names of a record's fields, which are the table's columns."""


@dataclass(kw_only=True, eq=False, repr=False)
class EtlRunsAdapter:
    """The history of runs, without retries. May raise `StorageUnavailable` and `StorageRejected`."""

    clickhouse: ClickHouseAdapter  # the caller closes it
    database: str  # plain name
    keep_days: int  # at most 7,300, because ClickHouse's DateTime wraps around in 2106
    replication: Replication = Replication()  # noqa: RUF009 - immutable

    def __post_init__(self) -> None:
        self._table = quoted_name(self.database, TABLE)
        self.name = f"{self.database}.{TABLE}"

    def ensure_ready(self) -> None:
        """Make the table if it is missing, and set how long it keeps runs. Idempotent."""
        engine, engine_full = self._engine()
        topology = topology_of(self.clickhouse, self.database, self.replication.cluster)
        # As ClickHouse shows it.
        ttl = f"toDateTime(started_at, 'UTC') + toIntervalDay({self.keep_days})"
        if topology.kind != "single" or topology.neighbors:
            topology.refuse_unreplicated(self.name, engine)
        if not engine:
            topology.make_database(self.clickhouse, self.database)
            topology.send(self.clickhouse, self.database, definition(TABLE).text, keep_days=str(self.keep_days))
        elif f"TTL {ttl} " not in f"{engine_full} ":
            topology.send(self.clickhouse, self.database, f"ALTER TABLE {self._table}{{on_cluster}} MODIFY TTL {ttl}")

    def wanted_rights(self) -> list[str]:
        """As `Schema.wanted_rights`."""
        rights = ("SELECT", "INSERT") if self._engine()[0] else ("SELECT", "INSERT", "CREATE TABLE")
        return [f"{right} ON {self.name}" for right in rights]

    def record(self, runs: Sequence[RunRecord], *, perhaps_there: bool = False) -> None:
        """Store runs by one INSERT; make the table if it is missing.

        Args:
            perhaps_there: first check which of them an earlier attempt, whose answer was lost, has stored.
        """
        statement = f"SELECT run_id FROM {self._table} WHERE run_id IN {{ids:Array(String)}}"  # noqa: S608 - the name is quoted
        try:
            stored = self.clickhouse.query(statement, {"ids": [run.run_id for run in runs]}) if perhaps_there else []
            self._insert([run for run in runs if (run.run_id,) not in stored])
        except StorageRejected as error:
            if error.code not in NOT_THERE:
                raise
            self.ensure_ready()
            self._insert(runs)

    def recent(self, job: str, limit: int) -> list[RunRecord]:
        """The last `limit` runs of a job of each kind and status, latest first; none without a table."""
        parameters = {"job": job, "limit": limit}
        order = "started_at DESC, run_id LIMIT {limit:UInt32} BY kind, status"
        return self._select("WHERE job = {job:String}", parameters, order)

    def latest(self, limit: int) -> list[RunRecord]:
        """The last `limit` runs of all jobs, latest first; none without a table."""
        return self._select("", {"limit": limit}, "started_at DESC, run_id DESC LIMIT {limit:UInt32}")

    def since(self, started: str) -> list[RunRecord]:
        """The runs of every job that began at or after a Tehran time, latest first; none without a table."""
        return self._select("WHERE started_at >= {since:String}", {"since": started}, "started_at DESC, run_id DESC")

    def _engine(self) -> tuple[str, str]:
        """The table's engine and its clauses; empty without a table."""
        found = self.clickhouse.query(query_text("table"), {"database": self.database, "name": TABLE})
        return found[0][:2] if found else ("", "")

    def _insert(self, runs: Sequence[RunRecord]) -> None:
        if runs:
            self.clickhouse.insert(self._table, definition(TABLE).types, list(map(astuple, runs)))

    def _select(self, where: str, parameters: dict[str, object], order: str) -> list[RunRecord]:
        statement = f"SELECT {', '.join(FIELDS)} FROM {self._table} {where} ORDER BY {order}"  # noqa: S608 - quoted
        return [RunRecord(*row) for row in self.clickhouse.query_if_there(statement, parameters)]
