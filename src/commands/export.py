"""``export``: write a view to a file, in ClickHouse's own formats."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, quoted_identifier, quoted_text
from adapters._bases.durable import Disk
from adapters._bases.errors import ConfigurationError, StateError
from adapters._bases.tehran_time import TEHRAN, tehran_text, time_bound
from adapters.clickhouse.etl_runs_clickhouse_adapter import TABLE as RUNS
from commands.screen import mention, say, settings_with_log
from crons.exits import DONE
from crons.registry import find_job
from crons.resources import Resources, require_database, system_clock

FORMATS = {"csv": "CSVWithNames", "parquet": "Parquet", "jsonl": "JSONEachRow", "arrow": "Arrow"}
"""--format and the file extensions, with ClickHouse's names."""
VIEWS = ("hourly", "daily", "latest", "runs")
_TYPED = ("parquet", "arrow")
SETTINGS = {
    "format_csv_null_representation": "",  # \\N is ClickHouse's own
    "output_format_json_quote_64bit_integers": 0,
    "output_format_parquet_string_as_string": 1,
    "output_format_arrow_string_as_string": 1,
    # The rest halves the memory that five million rows in 27 parts take.
    "read_in_order_use_buffering": 0,
    "max_block_size": 8192,
    "output_format_parquet_row_group_size": 100_000,
}
"""For output that other programs read, on every version of ClickHouse, written with little memory."""


def export(
    target: str,
    *,
    job: str,
    form: str | None,
    view: str,
    symbols: str,
    first: str | None,
    end: str | None,
    utc: bool,
    force: bool,
) -> int:
    """Write the file, print the number of rows, and return the exit code.

    Args:
        target: a path, or ``-`` for stdout.
        job: the job whose views are meant.
        form: of `FORMATS`; None for the extension, CSV on stdout.
        view: of `VIEWS`.
        symbols: separated by commas; empty for all.
        first: the first hour, as `time_bound` reads it; None without a bound.
        end: the first hour that is left out; None without a bound.
        utc: `first`, `end` and the column `time` are in UTC.
        force: replace an existing file.

    Raises:
        ConfigurationError: the arguments do not fit together.
        StateError: the file exists, or cannot be written; nothing is left behind.
        StorageRejected: there is no such view.
    """
    ending = "csv" if target == "-" else Path(target).suffix.removeprefix(".").lower()
    chosen = form or ending
    if chosen not in FORMATS:
        given = f"--format {form}" if form else f"the ending of {target}"
        raise ConfigurationError(
            f"{given} is not an export format", next_step=f"give --format, one of: {', '.join(FORMATS)}"
        )
    if target != "-" and Path(target).exists() and not force:
        raise StateError(f"{target} already exists", next_step="give another name, or --force to replace it")
    if not Path(target).parent.is_dir():
        raise StateError(f"there is no folder {Path(target).parent}", next_step="create it, or name another")
    zone = timezone.utc if utc else TEHRAN
    span = [None if text is None else time_bound(text, zone) for text in (first, end)]
    settings = settings_with_log()
    require_database(settings)
    wanted = [name for symbol in symbols.split(",") if (name := symbol.strip())]
    # The database is closed before the answer goes to a pipe, whose reader may be slow.
    with _written(target) as path, Resources(settings, task="export", clock=system_clock) as resources:
        name, condition = _selection(resources, job, view, wanted, span)
        database = resources.database
        found = resources.retry.call(lambda: database.query(f"SELECT count() FROM {name} WHERE {condition}"))  # noqa: S608 - quoted
        rows = int(str(found[0][0]))
        select = f"SELECT * {_types(database, name, typed=chosen in _TYPED, utc=utc)}FROM {name} WHERE {condition}"
        mention(f"exporting {rows:,} rows")
        resources.retry.call(lambda: database.write_answer(select, FORMATS[chosen], path, settings=SETTINGS))
    if target != "-":
        size = Path(target).stat().st_size / 1e6
        say(f"{rows:,} rows of {name.replace('`', '')} are in {target}, {size:,.1f} MB")
    return DONE


def _selection(
    resources: Resources, job: str, view: str, symbols: Sequence[str], span: Sequence[datetime | None]
) -> tuple[str, str]:
    """The quoted view with its database, and a WHERE condition."""
    table = find_job(job).repository.table
    if view == "runs" and symbols:
        raise ConfigurationError("runs have no symbol", next_step="leave --symbols out")
    if view == "latest" and any(span):
        raise ConfigurationError("latest has the last hour only", next_step="leave --from and --to out")
    name = RUNS if view == "runs" else f"{table.name}_{view}"
    if name not in (RUNS, *table.views):
        raise ConfigurationError(f"there is no view {view!r}", next_step=f"use one of: {', '.join(VIEWS)}")
    database = quoted_identifier(resources.settings.clickhouse_db)
    column = {"runs": "started_at", "daily": "date"}.get(view, "datetime")
    conditions = [_within(column, span, days=view == "daily")]
    if symbols:
        statement = f"SELECT DISTINCT symbol FROM {database}.{quoted_identifier(table.name)}"  # noqa: S608 - quoted
        stored = {str(symbol) for (symbol,) in resources.retry.call(lambda: resources.database.query(statement))}
        if unknown := [symbol for symbol in symbols if symbol not in stored]:
            raise ConfigurationError(
                f"nothing is stored for {', '.join(unknown)}",
                next_step=f"stored symbols: {', '.join(sorted(stored))}" if stored else "./run.sh cron_run",
            )
        conditions.append(f"symbol IN ({', '.join(map(quoted_text, symbols))})")
    return f"{database}.{quoted_identifier(name)}", " AND ".join(conditions)


def _within(column: str, span: Sequence[datetime | None], *, days: bool = False) -> str:
    """The condition that a text column in Tehran time lies in the span."""
    bounds = [
        f"{column} {sign} {quoted_text(tehran_text(at)[: 10 if days else None])}"
        for sign, at in zip((">=", "<"), span, strict=True)
        if at is not None
    ]
    return " AND ".join(bounds) or "1"


def _types(database: ClickHouseAdapter, name: str, *, typed: bool, utc: bool) -> str:
    """The REPLACE that makes times readable as times; empty if there are none."""
    # ClickHouse writes DateTime and Date as bare integers into Parquet and Arrow.
    columns = {str(column): str(kind) for column, kind, *_ in database.query(f"DESCRIBE TABLE {name}")}
    zone = "'UTC'" if utc else "'Asia/Tehran'"
    forms = []
    if "time" in columns and (typed or utc):
        text = "formatDateTime(time, '%Y-%m-%dT%H:%i:%SZ', 'UTC')"
        forms.append((f"toDateTime64(time, 3, {zone})" if typed else text, "time"))
    if "time_utc" in columns and typed:
        forms.append(("toDateTime64(time_utc, 3, 'UTC')", "time_utc"))
    if columns.get("date") == "Date" and typed:
        forms.append(("toDate32(date)", "date"))
    replaced = ", ".join(f"{expression} AS {column}" for expression, column in forms)
    return f"REPLACE ({replaced}) " if forms else ""


@contextmanager
def _written(target: str) -> Iterator[Path]:
    """A path to write to; it becomes the target, or goes to stdout, when it is complete."""
    if target == "-":
        with tempfile.TemporaryDirectory() as folder:
            draft = Path(folder) / "answer"
            yield draft
            send_to_stdout(draft)
        return
    try:
        with Disk().replacing(Path(target).absolute()) as draft:
            yield draft
    except OSError as error:
        raise StateError(
            f"cannot write {target}: {error.strerror or error}",
            next_step="name a file in an existing folder that this user may write to, with enough free disk space",
        ) from error


def send_to_stdout(path: Path) -> None:
    """Copy a file to stdout."""
    sys.stdout.flush()
    with path.open("rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer)
    sys.stdout.buffer.flush()
