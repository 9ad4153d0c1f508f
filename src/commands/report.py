"""``report``: the stored prices as one HTML file that needs no network."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from adapters._bases.durable import Disk
from adapters._bases.errors import ConfigurationError, StateError, StorageRejected
from adapters._bases.hourly_repository import HourlyRepository
from adapters._bases.tehran_time import hour_key, hours_before, in_tehran
from commands.compare import DEFAULT_TOLERANCE, QUOTING, TRADING, compare_stored
from commands.screen import mention, say, settings_with_log
from commands.tables import copies_of
from configurations.config import PROJECT_ROOT, VERSION, Settings
from crons import MAIN_JOB
from crons.exits import DONE
from crons.registry import JOBS
from crons.resources import Resources, require_database, system_clock
from reports.price_report import ReportContents, build_page, chart_library
from reports.price_summary import WEEK, PriceTable
from transformers.comparison import Overview

REPORTS = PROJECT_ROOT / "reports"
MOST_CELLS = 500_000
"""Hours of symbols that a browser still draws easily, about 3 MB of page beside the library."""


def report(hours: int, *, keep: int, quiet: bool) -> int:
    """Write the page of the present hour and the hours before it, say where, and return the exit code.

    Args:
        hours: one or more.
        keep: how many reports to keep, the new one among them; older ones are removed.
        quiet: print only the path.

    Raises:
        ConfigurationError: that is more than a page can show.
        StorageRejected: the database or the table is missing.
        StateError: the file cannot be written; none is left behind.
    """
    settings = settings_with_log(quiet=quiet)
    require_database(settings)
    now = system_clock()
    mention(f"reading {hours:,} hours and drawing them")
    path = REPORTS / f"prices-{in_tehran(now):%Y-%m-%d_%H-%M-%S}.html"
    write_page(settings, hours, now, path)
    for old in copies_of(REPORTS, "prices", ".html")[:-keep]:
        old.unlink(missing_ok=True)
    say(str(path))
    if not quiet:
        say(f"{path.stat().st_size / 1e6:.1f} MB, {hours} hours and the present one; open it in any browser")
    return DONE


def write_page(settings: Settings, hours: int, now: datetime, path: Path) -> None:
    """Write the page of the present hour and the hours before it.

    Arguments and errors are those of `report`.
    """
    # By their keys: where Tehran's clock was turned back, until 2022, two hours have one.
    keys = list(dict.fromkeys(hour_key(start) for start in [*hours_before(now, hours), now]))
    week_before = hour_key(hours_before(now, hours + WEEK)[0])
    page = build_page(_contents(settings, keys, week_before, now))
    try:
        path.parent.mkdir(exist_ok=True)
        Disk().replace(path, page.encode())
    except OSError as error:
        raise StateError(
            f"{path} cannot be written: {error.strerror or error}",
            next_step=f"make room and see to it that this user may write into {path.parent}",
        ) from error


def _contents(settings: Settings, keys: Sequence[str], week_before: str, now: datetime) -> ReportContents:
    with Resources(settings, task="report", clock=system_clock) as parts:
        tables = [_of_job(parts, name, rows, keys) for name, rows in _in_use(parts).items()]
        _refuse_too_much(keys, sum(len(table.symbols) for table in tables))
        return ReportContents(
            hours=keys,
            tables=[_read(table, keys, week_before) for table in tables],
            runs=parts.retry.call(lambda: parts.runs.since(keys[0])),
            generated_at=now,
            version=VERSION,
            chart_library=chart_library(),
            comparison=_compared(parts, tables, keys, now),
        )


def _compared(parts: Resources, tables: Sequence[_OfJob], keys: Sequence[str], now: datetime) -> Overview | None:
    """The two sources in the page's hours but the present one; None where there is nothing to compare."""
    if not {QUOTING, TRADING} <= {table.name for table in tables}:
        return None
    found = compare_stored(parts, now, hours=len(keys) - 1, tolerance=DEFAULT_TOLERANCE)
    return found if found.symbols else None


def _in_use(parts: Resources) -> dict[str, int]:
    """The jobs whose tables hold rows, and how many; the first of the tables that are there where none does.

    Raises:
        StorageRejected: none is there.
    """
    tables = {name: job.repository_in(parts) for name, job in JOBS.items()}
    there = [name for name, table in tables.items() if table.is_ready()]
    if not there:
        raise StorageRejected(
            f"there is no {tables[MAIN_JOB].view_name} yet", next_step="run `./run.sh setup_db`, then cron_run"
        )
    rows = {name: tables[name].count_hours() for name in there}
    return {name: count for name, count in rows.items() if count} or {there[0]: 0}


class _OfJob(NamedTuple):
    """A job's table.

    Attributes:
        rows: in all.
        followed: the symbols of which a row is expected every hour.
        symbols: those and the ones that are stored in the page's hours.
    """

    name: str
    table: HourlyRepository
    rows: int
    followed: Sequence[str]
    symbols: Collection[str]


def _of_job(parts: Resources, name: str, rows: int, keys: Sequence[str]) -> _OfJob:
    job = JOBS[name]
    table = job.repository_in(parts)
    stored = table.symbols(first=keys[0], last=keys[-1])
    followed = list(job.followed(parts.settings))
    return _OfJob(name, table, rows, followed, stored | set(followed))


def _read(one: _OfJob, keys: Sequence[str], week_before: str) -> PriceTable:
    table, first, last = one.table, keys[0], keys[-1]
    return PriceTable(
        source=JOBS[one.name].source,
        job=one.name,
        view=table.view_name,
        prices=table.prices(first=week_before, last=last),
        holes=table.holes_by_symbol(one.followed, first=first, last=last),
        followed=one.followed,
        first_hours=table.first_hours(one.followed),
        rows_stored=one.rows,
    )


def _refuse_too_much(keys: Sequence[str], symbols: int) -> None:
    if len(keys) * symbols > MOST_CELLS:
        raise ConfigurationError(
            f"{len(keys)} hours of {symbols} symbols are more than a page can show",
            next_step=f"ask for {MOST_CELLS // symbols - 1} hours at most, or look at longer spans in a BI tool",
        )
