"""The repository of runs: the table `etl_runs`, one row for each run of each job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, quoted_identifier, quoted_text
from adapters._bases.clickhouse_errors import NOT_THERE
from adapters._bases.errors import StorageRejected

TABLE = "etl_runs"
OK, FAILED = "ok", "failed"
REPLAY = "replay"
"""The kind of a record that tells what a run stored of earlier ones' rows; the run has a record of its own."""


class RunRecord(NamedTuple):
    """A run that is over; its fields are the table's columns of the same names.

    Texts of time are Tehran wall time, ``YYYY-MM-DD HH:MM:SS``.

    Attributes:
        run_id: as in the rows that it wrote and in the log; of a replay the run's, with ``-replay`` added.
        job: the job's name.
        kind: ``run``, ``backfill``, ``heal`` or ``replay``.
        started_at: when it began.
        finished_at: when it ended; as `started_at` for one that was killed, of whose end nobody knows.
        status: ``ok`` or ``failed``.
        extracted: quotes that the source gave.
        inserted: keys that were new.
        updated: keys that were there with other values.
        unchanged: keys that were there with the same values.
        replayed: rows of earlier runs, stored by this one.
        rejected: quotes that were not stored.
        hours_asked: pairs of symbol and hour that the source was asked for.
        without_quote: those among them for which it gave no price.
        calls: HTTP calls to the source, retries included.
        credits: credits that the source charged.
        error: why it failed, in one line; empty for a good run.
        host: the machine's name.
        version: the program's version.
    """

    run_id: str
    job: str
    kind: str
    started_at: str
    finished_at: str
    status: str
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
    error: str = ""
    host: str = ""
    version: str = ""

    @property
    def failed(self) -> bool:
        """Whether it failed."""
        return self.status != OK


_COMMENTS = {
    "run_id": "Run, as in crypto_prices.run_id and in the log; of a replay with -replay added",
    "job": "Name of the job",
    "kind": "run, backfill or heal; replay: what the run of the same time stored of earlier ones' rows",
    "started_at": "When it began, Tehran wall time",
    "finished_at": "When it ended, Tehran wall time; as started_at for a run that was killed",
    "status": "ok or failed",
    "extracted": "Quotes that the source gave",
    "inserted": "Keys that were new",
    "updated": "Keys that were there with other values",
    "unchanged": "Keys that were there with the same values",
    "replayed": "Rows of earlier runs, stored by this one",
    "rejected": "Quotes that were not stored",
    "hours_asked": "Pairs of symbol and hour that the source was asked for",
    "without_quote": "Those of hours_asked for which the source gave no price",
    "calls": "HTTP calls to the source, retries included",
    "credits": "Credits that the source charged",
    "error": "Why it failed, in one line; empty for a good run",
    "host": "Machine that it ran on",
    "version": "Version of the program",
}


def create_statement(table: str, keep_days: int) -> str:
    """CREATE TABLE IF NOT EXISTS; `table` is quoted and carries its database."""
    counts = {name for name, default in RunRecord._field_defaults.items() if default == 0}
    columns = ",\n    ".join(
        f"{quoted_identifier(name)} {'UInt64' if name in counts else 'String'} COMMENT {quoted_text(comment)}"
        for name, comment in _COMMENTS.items()
    )
    return (
        f"CREATE TABLE IF NOT EXISTS {table}\n(\n    {columns}\n)\n"
        f"ENGINE = MergeTree\nORDER BY (job, started_at, run_id)\nTTL {expiry(keep_days)}\n"
        "COMMENT 'Every run of every job, failures too'"
    )


def expiry(keep_days: int) -> str:
    """When a row may go, as ClickHouse itself writes it back."""
    return f"toDateTime(started_at, 'UTC') + toIntervalDay({keep_days})"


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
