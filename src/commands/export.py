"""``export``: write a view to a file, in ClickHouse's own formats or as an Excel workbook."""

from __future__ import annotations

import gzip
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, quoted_name, quoted_text
from adapters._bases.durable import check_writable, replacing, state_errors
from adapters._bases.errors import ConfigurationError, StateError
from adapters._bases.tehran_time import TEHRAN, in_tehran, jalali_date, tehran_text, time_span
from adapters._bases.wording import counted
from adapters.clickhouse.etl_runs_clickhouse_adapter import TABLE as RUNS
from commands.screen import mention, say, settings_with_log, tell
from configurations.config import split_list
from crons.exits import DONE
from crons.registry import find_job
from crons.resources import Resources

FORMATS = {
    "csv": "CSVWithNames",
    "parquet": "Parquet",
    "jsonl": "JSONEachRow",
    "arrow": "Arrow",
    "xlsx": "JSONCompactEachRowWithNamesAndTypes",  # read by `_write_workbook`
}
"""--format and the file extensions, with ClickHouse's names."""
_TYPED = ("parquet", "arrow")
_MOST_ROWS = 1_048_575  # that a sheet of Excel holds, below the row of names
_EXACT = 1 << 53  # from which on a whole number loses digits in Excel, so that it is written as text


VIEWS = {
    "hourly": "datetime",
    "hours": "datetime",
    "daily": "date",
    "weekly": "week",
    "monthly": "month_jalali",
    "monthly_gregorian": "month",
    "latest": "datetime",
    "runs": "started_at",
}
"""--view, with the column by which it is ordered, after the symbol."""
# That column's value for a Tehran time, where it stands for a day or more.
_PERIODS: dict[str, Callable[[datetime], str]] = {
    "daily": lambda at: f"{at:%Y-%m-%d}",
    "weekly": lambda at: f"{at - timedelta(days=(at.weekday() + 2) % 7):%Y-%m-%d}",
    "monthly": lambda at: jalali_date(at)[:7],
    "monthly_gregorian": lambda at: f"{at:%Y-%m}-01",
}
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
    job: str,
    *,
    form: str | None,
    view: str,
    symbols: str | None,
    columns: str | None,
    first: str | None,
    end: str | None,
    utc: bool,
    force: bool,
) -> int:
    chosen = _format(target, form)
    if utc and view in _PERIODS:
        raise ConfigurationError(f"the days of {view} are Tehran's", next_step="leave --utc out")
    *span, both_calendars = time_span(first, end, timezone.utc if utc else TEHRAN)
    if both_calendars:
        tell(both_calendars)
    settings = settings_with_log(needs_database=True)
    # The database is closed before the answer goes to a pipe, whose reader may be slow.
    with _written(target, force=force) as path, Resources(settings, task="export") as resources:
        name, condition = _selection(resources, job, view, split_list(symbols or ""), span)
        database = resources.database
        count = f"SELECT count() FROM {name} WHERE {condition}"  # noqa: S608 - quoted
        [(rows,)] = resources.retry.call(lambda: database.query(count))
        if chosen == "xlsx" and rows > _MOST_ROWS:
            raise ConfigurationError(f"{rows:,} rows do not fit into a sheet", next_step="give --from, or a .csv file")
        shown = _columns(database, name, split_list(columns or ""), typed=chosen in _TYPED, utc=utc)
        order = VIEWS[view] if view == "runs" else f"symbol, {VIEWS[view]}"
        # A column keeps its own values inside: outside, its name may stand for the time in another form.
        select = f"SELECT {shown} FROM (SELECT * FROM {name} WHERE {condition}) ORDER BY {order}"  # noqa: S608 - quoted
        mention(f"exporting {counted(rows, 'row')}")
        with _converted(path, chosen, compressed=target.endswith(".gz")) as answer:
            resources.retry.call(lambda: database.write_answer(select, FORMATS[chosen], answer, settings=SETTINGS))
    if target != "-":
        size = Path(target).stat().st_size / 1e6
        say(f"{counted(rows, 'row')} of {name.replace('`', '')} written to {target}, {size:,.1f} MB")
    return DONE


def _format(target: str, form: str | None) -> str:
    ending = "csv" if target == "-" else Path(target.removesuffix(".gz")).suffix.removeprefix(".").lower()
    chosen = form or ending
    if chosen not in FORMATS:
        given, step = f"--format {form}" if form else f"the ending of {target}", f"one of: {', '.join(FORMATS)}"
        raise ConfigurationError(f"{given} is not an export format", next_step=f"give --format, {step}")
    if chosen == "xlsx":
        try:
            import xlsxwriter  # noqa: F401, PLC0415 - optional
        except ImportError as error:
            raise ConfigurationError(
                "xlsx needs the package XlsxWriter", next_step="./run.sh install --xlsx"
            ) from error
    return chosen


def _selection(
    resources: Resources, job: str, view: str, symbols: Sequence[str], span: Sequence[datetime | None]
) -> tuple[str, str]:
    """The quoted view with its database, and the condition on rows whose hour or period has a part in the span."""
    table = find_job(job).repository.table
    if view == "runs" and symbols:
        raise ConfigurationError("runs have no symbol", next_step="leave --symbols out")
    if view == "latest" and any(span):
        raise ConfigurationError("latest has the last hour only", next_step="leave --from and --to out")
    name = RUNS if view == "runs" else f"{table.name}_{view}"
    if view not in VIEWS or name not in (RUNS, *table.views):
        there = [kind for kind in VIEWS if f"{table.name}_{kind}" in table.views]
        raise ConfigurationError(f"there is no view {view!r}", next_step=f"use one of: {', '.join(there)}, runs")
    database = resources.settings.clickhouse_db
    first, end = span
    value, bounds = _PERIODS.get(view, tehran_text), ((">=", first), ("<=", end and end - timedelta(seconds=1)))
    conditions = [f"{VIEWS[view]} {sign} {quoted_text(value(in_tehran(at)))}" for sign, at in bounds if at]
    if symbols:
        statement = f"SELECT DISTINCT symbol FROM {quoted_name(database, table.name)}"  # noqa: S608 - quoted
        stored = {symbol for (symbol,) in resources.retry.call(lambda: resources.database.query(statement))}
        if unknown := [symbol for symbol in symbols if symbol not in stored]:
            raise ConfigurationError(
                f"nothing is stored for {', '.join(unknown)}",
                next_step=f"stored symbols: {', '.join(sorted(stored))}" if stored else "./run.sh cron_run",
            )
        conditions.append(f"symbol IN ({', '.join(map(quoted_text, symbols))})")
    return quoted_name(database, name), " AND ".join(conditions) or "1"


def _columns(database: ClickHouseAdapter, name: str, wanted: Sequence[str], *, typed: bool, utc: bool) -> str:
    """The columns to select, with times as times that other programs understand."""
    kinds = {column: kind for column, kind, *_ in database.query(f"DESCRIBE TABLE {name}")}
    if unknown := [column for column in wanted if column not in kinds]:
        step = f"use some of: {', '.join(kinds)}"
        raise ConfigurationError(f"there is no column {', '.join(unknown)}", next_step=step)
    zones = {"time_utc": "UTC", "time": "UTC" if utc else "Asia/Tehran"}
    forms = {}
    for column, kind in kinds.items():
        # ClickHouse writes DateTime and Date as bare integers into Parquet and Arrow.
        if kind == "Date" and typed:
            forms[column] = f"toDate32({column})"
        elif column in zones and typed:
            forms[column] = f"toDateTime64({column}, 3, '{zones[column]}')"
        elif utc and column in ("time", "started_at", "finished_at"):
            instant = f"toDateTime({column}, 'Asia/Tehran')"
            forms[column] = f"formatDateTime({instant}, '%Y-%m-%dT%H:%i:%SZ', 'UTC')"
    names = dict.fromkeys(wanted or kinds)
    return ", ".join(f"{forms.get(column, f'`{column}`')} AS `{column}`" for column in names)


@contextmanager
def _converted(path: Path, form: str, *, compressed: bool) -> Iterator[Path]:
    """A path for ClickHouse's answer; afterwards `path` has it as a workbook, compressed, or as it is."""
    if form != "xlsx" and not compressed:
        yield path
        return
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        answer, book = Path(folder) / "answer", Path(folder) / "book"
        yield answer
        if form == "xlsx":
            _write_workbook(answer, book)
            answer = book
        with answer.open("rb") as plain, (gzip.open if compressed else open)(path, "wb") as file:
            shutil.copyfileobj(plain, file)


@contextmanager
def _written(target: str, *, force: bool) -> Iterator[Path]:
    """A path to write to; it becomes the target, or goes to stdout, when it is complete."""
    if target == "-":
        with tempfile.TemporaryDirectory() as folder:
            draft = Path(folder) / "answer"
            yield draft
            send_to_stdout(draft)
        return
    path = Path(target).absolute()
    if path.exists() and not force:
        raise StateError(f"{target} already exists", next_step="give another name, or --force to replace it")
    if not path.parent.is_dir():
        raise StateError(f"there is no folder {Path(target).parent}", next_step="create it, or name another")
    with state_errors(f"cannot write {target}"):
        check_writable(path.parent)
        with replacing(path) as draft:
            yield draft


def send_to_stdout(path: Path) -> None:
    sys.stdout.flush()
    with path.open("rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer)
    sys.stdout.buffer.flush()


def _write_workbook(answer: Path, target: Path) -> None:
    """Write a workbook of one sheet in constant memory, with the names in a frozen row.

    Excel knows no time zone: a time is shown by the clock that its column is in. NULL is an empty cell.
    """
    import xlsxwriter  # noqa: PLC0415 - optional

    with xlsxwriter.Workbook(target, {"constant_memory": True}) as book, answer.open(encoding="utf-8") as lines:
        sheet = book.add_worksheet("prices")
        sheet.freeze_panes(1, 0)
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        second = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        names, kinds = json.loads(next(lines)), json.loads(next(lines))
        sheet.set_column(0, len(names) - 1, 19)  # the width of a time
        for column, name in enumerate(names):
            sheet.write_string(0, column, name)
        for row, line in enumerate(lines, start=1):
            for column, (value, kind) in enumerate(zip(json.loads(line), kinds, strict=True)):
                if value is None:
                    continue
                if kind == "Date":
                    sheet.write_datetime(row, column, date.fromisoformat(value), day)
                elif kind.startswith("DateTime"):
                    sheet.write_datetime(row, column, datetime.fromisoformat(value), second)
                elif isinstance(value, str) or abs(value) >= _EXACT:
                    sheet.write_string(row, column, str(value))
                else:
                    sheet.write_number(row, column, value)
