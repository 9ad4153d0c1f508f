"""``export``: what a view shows as a file, in a format of ClickHouse's own writing."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple, NoReturn

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, quoted_identifier, quoted_text
from adapters._bases.durable import Disk
from adapters._bases.errors import ConfigurationError, StateError
from adapters._bases.tehran_time import TEHRAN, tehran_text, time_bound
from adapters.clickhouse.etl_runs_clickhouse_adapter import TABLE as RUNS
from commands.screen import mention, say, settings_with_log
from crons.exits import DONE, TERMINATED
from crons.registry import find_job
from crons.resources import Resources, require_database, system_clock

FORMATS = {"csv": "CSVWithNames", "parquet": "Parquet", "jsonl": "JSONEachRow", "arrow": "Arrow"}
"""What --format takes, with ClickHouse's name of it. A file's ending is one of these too."""
VIEWS = ("hourly", "daily", "latest", "runs")
_TYPED = ("parquet", "arrow")
SETTINGS = {
    "format_csv_null_representation": "",  # \\N is ClickHouse's own
    "output_format_json_quote_64bit_integers": 0,
    "output_format_parquet_string_as_string": 1,
    "output_format_arrow_string_as_string": 1,
    # The rest halves the memory that five million rows of 27 parts take: what is read ahead of each part, and a group.
    "read_in_order_use_buffering": 0,
    "max_block_size": 8192,
    "output_format_parquet_row_group_size": 100_000,
}
"""What other programs read best, on every version of ClickHouse, and what the engine writes in little memory."""


class Selection(NamedTuple):
    """What is exported.

    Attributes:
        name: quoted, with its database.
        condition: of the WHERE.
    """

    name: str
    condition: str


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
    """Write the file, say how many rows it has, and return the exit code.

    Args:
        target: a path whose ending chooses the format unless `form` does, or ``-`` for stdout.
        job: whose table's views.
        form: of `FORMATS`; None for the ending, CSV on stdout.
        view: of `VIEWS`.
        symbols: with commas between them; empty for all.
        first: the first hour, as `time_bound` takes it; None without a bound.
        end: the first hour that is left out; None without a bound.
        utc: `first` and `end` are read, and the column `time` is written, in UTC.
        force: replace a file that is there.

    Raises:
        ConfigurationError: the arguments do not fit each other.
        StateError: the file is there already, or cannot be written; none is left behind.
        StorageRejected: there is nothing of that kind to export.
    """
    chosen = _format(target, form)
    _refuse_target(target, force=force)
    zone = timezone.utc if utc else TEHRAN
    span = [None if text is None else time_bound(text, zone) for text in (first, end)]
    settings = settings_with_log()
    require_database(settings)
    wanted = [name for symbol in symbols.split(",") if (name := symbol.strip())]
    # The database is closed before the answer goes to a pipe, whose reader may take its time.
    with _written(target) as path, Resources(settings, task="export", clock=system_clock) as parts:
        selection = _selection(parts, job, view, wanted, span)
        rows = parts.retry.call(lambda: _count(parts.database, selection))
        types = _types(parts.database, selection.name, typed=chosen in _TYPED, utc=utc)
        select = f"SELECT * {types}FROM {selection.name} WHERE {selection.condition}"
        mention(f"exporting {rows:,} rows")
        parts.retry.call(lambda: parts.database.write_answer(select, FORMATS[chosen], path, settings=SETTINGS))
    if target != "-":
        from rich.filesize import decimal  # noqa: PLC0415 - rich is loaded where something is shown

        size = Path(target).stat().st_size
        say(f"{rows:,} rows of {selection.name.replace('`', '')} are in {target}, {decimal(size)}")
    return DONE


def _format(target: str, form: str | None) -> str:
    ending = Path(target).suffix.removeprefix(".").lower()
    chosen = form or ("csv" if target == "-" else ending)
    if chosen not in FORMATS:
        given = f"--format {form}" if form else f"the ending of {target}"
        raise ConfigurationError(
            f"{given} is not a format of export", next_step=f"give --format, one of: {', '.join(FORMATS)}"
        )
    if target == "-" and chosen in _TYPED and sys.stdout.isatty():
        raise ConfigurationError(
            f"{chosen} is not text for a terminal", next_step=f"name a file: ./run.sh export prices.{chosen}"
        )
    return chosen


def _refuse_target(target: str, *, force: bool) -> None:
    path = Path(target)
    if target != "-" and path.exists() and not force:
        raise StateError(f"{target} is there already", next_step="give another name, or --force to replace it")
    if not path.parent.is_dir():
        raise StateError(f"there is no folder {path.parent}", next_step="make it, or name another")
    if path.exists() and not path.is_file():
        raise StateError(f"{target} is not a file", next_step="name a file, or - for stdout")


def _selection(
    parts: Resources, job: str, view: str, symbols: Sequence[str], span: Sequence[datetime | None]
) -> Selection:
    database = quoted_identifier(parts.settings.clickhouse_db)
    if view == "runs":
        if symbols:
            raise ConfigurationError("runs have no symbol", next_step="leave --symbols out")
        return Selection(f"{database}.{RUNS}", _within("started_at", span))
    table = find_job(job).table
    view_name = f"{table.name}_{view}"
    if view_name not in table.views:
        raise ConfigurationError(f"there is no view {view!r}", next_step=f"name one of these: {', '.join(VIEWS)}")
    if view == "latest" and any(span):
        raise ConfigurationError("latest has the last hour only", next_step="leave --from and --to out")
    name = f"{database}.{quoted_identifier(f'{table.name}_{view}')}"
    conditions = [_within("datetime" if view == "hourly" else "date", span, days=view == "daily")]
    if symbols:
        _refuse_unknown(parts, f"{database}.{quoted_identifier(table.name)}", symbols)
        conditions.append(f"symbol IN ({', '.join(map(quoted_text, symbols))})")
    return Selection(name, " AND ".join(conditions))


def _within(column: str, span: Sequence[datetime | None], *, days: bool = False) -> str:
    """The condition that a text column in Tehran time lies in the span."""
    bounds = [
        f"{column} {sign} {quoted_text(tehran_text(at)[: 10 if days else None])}"
        for sign, at in zip((">=", "<"), span, strict=True)
        if at is not None
    ]
    return " AND ".join(bounds) or "1"


def _refuse_unknown(parts: Resources, table: str, symbols: Sequence[str]) -> None:
    found = parts.retry.call(lambda: parts.database.query(f"SELECT DISTINCT symbol FROM {table}"))  # noqa: S608 - quoted
    stored = {str(symbol) for (symbol,) in found}
    if unknown := [symbol for symbol in symbols if symbol not in stored]:
        raise ConfigurationError(
            f"nothing is stored of {', '.join(unknown)}",
            next_step=f"name some of these: {', '.join(sorted(stored)[:20])}" if stored else "./run.sh cron_run",
        )


def _count(database: ClickHouseAdapter, selection: Selection) -> int:
    ((rows,),) = database.query(f"SELECT count() FROM {selection.name} WHERE {selection.condition}")  # noqa: S608 - quoted
    return int(str(rows))


def _types(database: ClickHouseAdapter, name: str, *, typed: bool, utc: bool) -> str:
    """The REPLACE that gives times the form that the file's readers take for a time, empty where there is none.

    ClickHouse writes DateTime and Date as bare integers into Parquet and Arrow.
    """
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
    """The path to write to: it becomes the file that is meant, or goes to stdout, once all of it is there."""
    if target == "-":
        with tempfile.TemporaryDirectory() as folder:
            draft = Path(folder) / "answer"
            yield draft
            send_to_stdout(draft)
        return
    path = Path(target).absolute()
    # Not the name that others would take: two exports to one file at once, and each of them is whole.
    aside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with _ended_in_order(), Disk().replacing(path, aside=aside) as draft:
            yield draft
            with draft.open("rb") as file:
                os.fsync(file.fileno())
    except OSError as error:
        raise StateError(
            f"{target} cannot be written: {error.strerror or error}",
            next_step=f"make room, and see that this user may write into {path.parent}",
        ) from error


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """A block that SIGTERM ends as an error would, so that it leaves nothing behind."""

    def end(*_: object) -> NoReturn:
        raise SystemExit(TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def send_to_stdout(path: Path) -> None:
    """Copy a file to stdout."""
    sys.stdout.flush()
    with path.open("rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer)
    sys.stdout.buffer.flush()
