"""One run of a job, as the history keeps it, and the table that holds it. Pure."""

from __future__ import annotations

from typing import NamedTuple

from adapters.clickhouse.sql_text import quoted_identifier, quoted_text

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
