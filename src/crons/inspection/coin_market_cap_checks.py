"""Looks through all stored prices for what may never stand there. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.errors import StorageRejected
from adapters._bases.tehran_zone import TEHRAN
from adapters.clickhouse.coin_market_cap_checks_adapter import MOST_FOUND, CoinMarketCapChecksAdapter, Wrong
from adapters.clickhouse.coin_market_cap_table import CRYPTO_PRICES, TABLE
from adapters.clickhouse.hourly_schema import HourlySchema
from adapters.clickhouse.mutations import Mutations
from configurations.config import Settings
from crons.findings import Finding
from crons.inspection.coin_market_cap import PATIENCE, holes_by_symbol
from transformers.tehran_time import HOUR, describe_hours, from_text, hour_key

_SHOWN = 10


def verify(settings: Settings, database: ClickHouseAdapter, now: datetime) -> list[Finding]:
    """What is wrong with the stored prices, a finding for each thing looked at; the whole table is read.

    Raises:
        StorageUnavailable: the database does not answer.
        StorageRejected: it refuses, and not because the table has another shape, which is a finding.
    """
    schema = HourlySchema(clickhouse=database, database=settings.clickhouse_db, table=CRYPTO_PRICES)
    differences = PATIENCE.call(schema.differences)
    shape = _finding("shape", differences, "rename the table, or drop the view, that differs, then ./run.sh setup_db")
    try:
        return [shape, *_of_rows(settings, database, hour_key(now))]
    except StorageRejected as error:
        if not differences:
            raise
        return [shape, Finding("rows", "fail", f"cannot be looked through in this shape: {error.message}")]


def _of_rows(settings: Settings, database: ClickHouseAdapter, present: str) -> list[Finding]:
    checks = CoinMarketCapChecksAdapter(clickhouse=database, database=settings.clickhouse_db, retry=PATIENCE)
    mutations = Mutations(clickhouse=database, database=settings.clickhouse_db, table=TABLE)
    holes_of_all = holes_by_symbol(settings, database, [], "", "9999")
    breaks = checks.breaks(last=present)
    stuck = [f"{mutation.mutation_id}: {mutation.reason}; {mutation.kill_statement}" for mutation in mutations.stuck()]
    return [
        _finding("duplicate keys", _lines(checks.duplicate_keys()), "restore from a backup, or delete the wrong rows"),
        _finding("keys against fetched_at", _lines(checks.wrong_keys()), "delete these rows, then ./run.sh cron_heal"),
        _finding(
            "hours to come",
            _lines(checks.future_rows(present=present)),
            "see the clock of the host that wrote them, then delete these rows",
        ),
        _finding("prices", _lines(checks.absurd_prices()), "./run.sh cron_backfill NAME HOURS asks for them again"),
        _finding(
            "missing hours",
            _gaps(breaks, holes_of_all),
            "./run.sh cron_heal NAME HOURS",
            cut=len(breaks) >= MOST_FOUND,
        ),
        _finding("stuck mutations", stuck, "withdraw each with its KILL MUTATION, then see why it failed"),
    ]


def _gaps(breaks: Iterable[tuple[str, str, str]], holes: Mapping[str, set[str]]) -> list[str]:
    """A line for each symbol with hours missing inside its range, known holes not counted."""
    missing: dict[str, list[datetime]] = {}
    for symbol, before, after in breaks:
        # In UTC, where an hour later is an hour later, whatever Tehran's clocks did before 2022.
        hour, end = from_text(before).astimezone(timezone.utc) + HOUR, from_text(after).astimezone(timezone.utc)
        while hour < end:
            if hour_key(hour) not in holes.get(symbol, set()) and hour_key(hour) != before:
                missing.setdefault(symbol, []).append(hour.astimezone(TEHRAN))
            hour += HOUR
    return [f"{symbol}: {len(hours)} h: {describe_hours(hours)}" for symbol, hours in missing.items()]


def _lines(wrong: Iterable[Wrong]) -> list[str]:
    return [f"{one.symbol} {one.hour}: {one.detail}" for one in wrong]


def _finding(subject: str, lines: Sequence[str], next_step: str, *, cut: bool = False) -> Finding:
    """A finding of these lines, the first ones shown.

    Args:
        subject: what was looked at.
        lines: one for each thing that is wrong.
        next_step: what to do about them.
        cut: whether there may be more than were looked for; there may be of so many that the look-up was cut.
    """
    if not lines:
        return Finding(subject, "ok", "none" if subject != "prices" else "none absurd")
    or_more = " or more" if cut or len(lines) >= MOST_FOUND else ""
    rest = f"\n… and {len(lines) - _SHOWN:,}{or_more}{'' if or_more else ' more'}" if len(lines) > _SHOWN else ""
    found = f"{len(lines):,}{or_more} found\n"
    return Finding(subject, "fail", found + "\n".join(lines[:_SHOWN]) + rest, next_step)
