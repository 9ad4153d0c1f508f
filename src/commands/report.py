"""``report``: the stored prices as one HTML file that needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from adapters._bases.disk import Disk
from adapters._bases.errors import ConfigurationError, StateError, StorageRejected
from adapters._bases.tehran_time import hour_key, hours_before, in_tehran
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from adapters.clickhouse.coin_market_cap_table import CRYPTO_PRICES
from commands.screen import mention, say, settings_with_log
from commands.tables import copies_of
from configurations.config import PROJECT_ROOT, VERSION, Settings
from crons.exits import DONE
from crons.parts import Parts, require_database, system_clock
from reports.price_report import ReportContents, build_page, chart_library
from reports.price_summary import WEEK

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
    """Write the page of the present hour and the hours before it. Arguments and errors are those of `report`."""
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
    with Parts(settings, task="report", clock=system_clock) as parts:
        table = parts.repository(CoinMarketCapClickHouseAdapter, CRYPTO_PRICES)
        if not table.is_ready():
            raise StorageRejected(
                f"there is no {table.view_name} yet", next_step="run `./run.sh setup_db`, then cron_run"
            )
        first, last = keys[0], keys[-1]
        followed = [symbol for symbol, _ in settings.symbols]
        _refuse_too_much(keys, len(set(followed) | table.symbols(first=first, last=last)))
        return ReportContents(
            hours=keys,
            prices=table.prices(first=week_before, last=last),
            holes=table.holes_by_symbol(followed, first=first, last=last),
            runs=parts.retry.call(lambda: parts.runs.since(first)),
            followed=followed,
            first_hours=table.first_hours(followed),
            rows_stored=table.count_hours(),
            source=table.view_name,
            generated_at=now,
            version=VERSION,
            chart_library=chart_library(),
        )


def _refuse_too_much(keys: Sequence[str], symbols: int) -> None:
    if len(keys) * symbols > MOST_CELLS:
        raise ConfigurationError(
            f"{len(keys)} hours of {symbols} symbols are more than a page can show",
            next_step=f"ask for {MOST_CELLS // symbols - 1} hours at most, or look at longer spans in a BI tool",
        )
