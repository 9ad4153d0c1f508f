"""What ``status`` tells to machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from adapters._bases.tehran_zone import in_tehran, tehran_text
from adapters.clickhouse.etl_run import RunRecord
from commands.status_facts import JobFacts, SpoolFacts, needs
from crons.series import Series
from transformers.tehran_time import from_text, hour_ranges

SCHEMA_VERSION = 1
"""Of the JSON; a field may be added without a new one, none is removed or changes its meaning."""


def as_json_text(jobs: Sequence[JobFacts], now: datetime) -> str:
    """All that is known, as one JSON object; times are Tehran wall time unless their name says otherwise."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "now": tehran_text(now),
        "needs_person": any(needs(job, now) for job in jobs),
        "jobs": [_job_document(job, now) for job in jobs],
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)


def _job_document(job: JobFacts, now: datetime) -> dict[str, Any]:
    return {
        "name": job.name,
        "needs": needs(job, now),
        "last_success": _run_document(job.last_success, now),
        "last_failure": _run_document(job.last_failure, now),
        "last_heal": _run_document(job.last_heal, now),
        "not_known": job.not_known,
        "failures_in_a_row": len(job.failed_runs),
        "failed_heals_in_a_row": len(job.failed_heals),
        "schedule": None if job.next_run is None else job.next_run.schedule,
        "next_run": None if job.next_run is None else tehran_text(job.next_run.at),
        "next_run_host": None if job.next_run is None else job.next_run.at.isoformat(),
        "next_heal": None if job.next_heal is None else tehran_text(job.next_heal.at),
        "running": job.running,
        "database": {"state": job.database, "detail": job.database_detail},
        "spool": _spool_document(job.spool, now),
        "history": _spool_document(job.history, now),
        "symbols": None if job.series is None else [_series_document(one) for one in job.series],
    }


def _run_document(run: RunRecord | None, now: datetime) -> dict[str, Any] | None:
    if run is None:
        return None
    age = int((now - from_text(run.finished_at)).total_seconds())
    return {"run_id": run.run_id, "kind": run.kind, "at": run.finished_at, "age_seconds": age, "error": run.error}


def _spool_document(spool: SpoolFacts, now: datetime) -> dict[str, Any]:
    oldest = None if spool.oldest is None else int((now - spool.oldest).total_seconds())
    return {"waiting": spool.waiting, "oldest_age_seconds": oldest, "damaged": [str(path) for path in spool.damaged]}


def _series_document(one: Series) -> dict[str, Any]:
    coverage = one.coverage
    ranges = [[tehran_text(in_tehran(bound)) for bound in span] for span in hour_ranges(coverage.missing)]
    return {
        "symbol": one.symbol,
        "last_hour": one.last_hour,
        "last_price": one.last_price,
        "counted_from": None if coverage.counted_from is None else tehran_text(coverage.counted_from),
        "coverage": {
            name: {"stored": share.stored, "expected": share.expected, "percent": share.percent}
            for name, share in coverage.shares.items()
        },
        "missing": ranges,
        "missing_hours": len(coverage.missing),
        "without_quote_hours": len(coverage.without_quote),
        "last_24_hours": one.trend,
    }
