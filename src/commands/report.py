"""``report``: the stored prices as one HTML file that needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from adapters._bases.durable import replacing, state_errors
from adapters._bases.errors import ConfigurationError, StorageRejected
from adapters._bases.hourly_repository import HourlyRepository
from adapters._bases.tehran_time import hour_key, hours_before, in_tehran
from adapters._bases.wording import counted
from commands.compare import DEFAULT_TOLERANCE, QUOTING, TRADING, compare_stored
from commands.screen import mention, say, settings_with_log
from configurations.config import PROJECT_ROOT, VERSION, Settings
from crons.exits import DONE
from crons.registry import JOBS, MAIN_JOB
from crons.resources import Resources, system_clock
from reports.price_report import ReportContents, build_page
from reports.price_summary import WEEK, PriceTable
from transformers.coverage import hours_by_key

REPORTS = PROJECT_ROOT / "reports"
# Hours times symbols that a browser still draws smoothly, about 3 MB of page besides the library.
MOST_CELLS = 500_000
SHOWN_CORRECTIONS = 20  # of a table, the largest


def report(hours: int, *, keep: int, quiet: bool) -> int:
    settings = settings_with_log(quiet=quiet, needs_database=True)
    now = system_clock()
    mention(f"reading {counted(hours, 'hour')} and drawing them")
    path = REPORTS / f"prices-{in_tehran(now):%Y-%m-%d_%H-%M-%S}.html"
    write_page(settings, hours, now, path)
    for old in sorted(REPORTS.glob("prices-????-??-??_??-??-??.html"))[:-keep]:
        old.unlink(missing_ok=True)
    say(str(path))
    if not quiet:
        say(f"{path.stat().st_size / 1e6:.1f} MB, {counted(hours, 'hour')} and the present one; open it in any browser")
    return DONE


def write_page(settings: Settings, hours: int, now: datetime, path: Path) -> None:
    """Write the page.

    Raises:
        ConfigurationError: it cannot show so many hours.
        StorageRejected: the database or the table is missing.
        StateError: the file cannot be written; none is left behind.
    """
    # By their keys: when Tehran's clock was set back, until 2022, two hours have one.
    keys = list(hours_by_key([*hours_before(now, hours), now]))
    with Resources(settings, task="report") as resources:
        page = build_page(_contents(resources, keys, now))
    with state_errors(f"cannot write {path}"):
        path.parent.mkdir(exist_ok=True)
        with replacing(path) as draft:
            draft.write_text(page, encoding="utf-8")


def _contents(resources: Resources, keys: Sequence[str], now: datetime) -> ReportContents:
    tables = _tables_in_use(resources)
    followed = {
        name: list(JOBS[name].expected(resources.settings, table, since=keys[0])) for name, (table, _) in tables.items()
    }
    # Before prices are read, which could exceed the memory.
    shown = [table.symbols(first=keys[0], last=keys[-1]).union(followed[name]) for name, (table, _) in tables.items()]
    symbols = sum(map(len, shown))
    if len(keys) * symbols > MOST_CELLS:
        raise ConfigurationError(
            f"a page cannot show {len(keys):,} hours of {counted(symbols, 'symbol')}",
            next_step=f"ask for {MOST_CELLS // symbols - 1:,} hours at most, or use a BI tool for longer spans",
        )
    comparison = None
    if {QUOTING, TRADING} <= tables.keys():
        comparison = compare_stored(resources, now, hours=len(keys) - 1, tolerance=DEFAULT_TOLERANCE)
    week_before = hour_key(hours_before(now, len(keys) - 1 + WEEK)[0])
    return ReportContents(
        hours=keys,
        tables=[
            PriceTable(
                source=JOBS[name].source,
                job=name,
                view=f"{table.name}_hourly",
                prices=table.prices(first=week_before, last=keys[-1]),
                holes=table.holes_by_symbol(followed[name], first=keys[0], last=keys[-1]),
                followed=followed[name],
                first_hours=table.first_hours(followed[name]),
                rows_stored=rows,
                corrections=table.corrections(since=keys[0], most=SHOWN_CORRECTIONS),
                absences=table.absences(followed[name]),
            )
            for name, (table, rows) in tables.items()
        ],
        runs=resources.retry.call(lambda: resources.runs.since(keys[0])),
        generated_at=now,
        version=VERSION,
        comparison=comparison if comparison and comparison.symbols else None,
    )


def _tables_in_use(resources: Resources) -> dict[str, tuple[HourlyRepository, int]]:
    """The tables that contain rows, by job, and how many; if none does, the first that exists."""
    tables = {name: resources.repository(job.repository) for name, job in JOBS.items()}
    found = {name: (table, table.count_hours()) for name, table in tables.items() if table.is_ready()}
    if not found:
        step = "run `./run.sh setup_db`, then cron_run"
        raise StorageRejected(f"there is no {tables[MAIN_JOB].name}_hourly yet", next_step=step)
    return {name: one for name, one in found.items() if one[1]} or dict([next(iter(found.items()))])
