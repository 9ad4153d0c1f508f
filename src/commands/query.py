"""``query``: one read-only statement."""

from __future__ import annotations

import json
import re
import tempfile
from functools import partial
from itertools import groupby
from pathlib import Path

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.clickhouse_errors import NOT_THERE, READ_ONLY
from adapters._bases.errors import ConfigurationError, StorageRejected
from adapters._bases.sql_files import query_text
from commands.export import SETTINGS, send_to_stdout
from commands.screen import say, settings_with_log, show_table, tell, terminal_size
from configurations.config import Settings
from crons.exits import DONE
from crons.resources import Resources

FORMATS = {
    "table": "JSONCompactStringsEachRowWithNames",
    "csv": "CSVWithNames",
    "json": "JSONEachRow",
    "parquet": "Parquet",
}
MOST_ROWS = 1_000
_READS = ("SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS", "CHECK")
_LITERALS = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\"")
# What readonly permits: INTO OUTFILE writes a file, the function file reads any file next to an embedded engine and
# Python this process's objects; DESCRIBE of a table function connects to another host.
_REACHES_OUT = re.compile(
    r"\bINTO OUTFILE\b|\b(?:file|python)\s*\(|\bDESC(?:RIBE)? (?:TABLE )?(?!TABLE\b)\w+\s*\(", re.IGNORECASE
)
_FORMAT = re.compile(r"\bFORMAT \w+$")
_UNKNOWN = {47, *NOT_THERE}  # UNKNOWN_IDENTIFIER
_BEFORE_WORDS = re.compile(r"^.*? answered error \d+: ")
_OWN_WORDS = re.compile(r"(\. Expected one of.*|: In scope SELECT formatQuerySingleLine.*|\s*\([A-Z_]+\)\.?)$")
_NULL = "ᴺᵁᴸᴸ"
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # which would break a row's line


def query(sql: str | None, *, form: str, every_row: bool) -> int:
    if form not in FORMATS:
        step = f"give --format, one of: {', '.join(FORMATS)}"
        raise ConfigurationError(f"there is no format {form!r}", next_step=step)
    settings = settings_with_log(needs_database=True)
    if sql is None:
        return _show_columns(settings)
    limit = MOST_ROWS + 1 if form == "table" and not every_row else 0
    own = {"output_format_json_array_of_rows": int(form == "json"), "limit": limit, "readonly": 1}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answer"
        # The database is closed before the result is shown: the reader of a pipe may be slow.
        with Resources(settings, task="query") as resources:
            ask = partial(resources.database.write_answer, database=settings.clickhouse_db, settings=SETTINGS | own)
            try:
                statement = resources.retry.call(lambda: _one_that_reads(resources.database, sql))
                resources.retry.call(lambda: ask(statement, FORMATS[form], path))
            except StorageRejected as error:
                raise _refused(error) from error
        if form == "table":
            _show_rows(path, limit=limit)
        else:
            send_to_stdout(path)
    return DONE


def _one_that_reads(database: ClickHouseAdapter, sql: str) -> str:
    """The statement as ClickHouse formats it: exactly one, without comments."""
    statement: str = database.query("SELECT formatQuerySingleLine({sql:String})", {"sql": sql})[0][0]
    bare = _LITERALS.sub("''", statement)
    if not bare.lstrip("( ").startswith(_READS) or _REACHES_OUT.search(bare):
        raise ConfigurationError("query is read-only", next_step="use clickhouse-client to change something")
    if _FORMAT.search(bare):
        raise ConfigurationError("the statement has a FORMAT clause", next_step="remove it, and give --format")
    return statement


def _refused(error: StorageRejected) -> StorageRejected:
    if error.code is None:  # not about the statement
        return error
    # ClickHouse's message, without what surrounds the part about the statement.
    words = _OWN_WORDS.sub("", _BEFORE_WORDS.sub("", error.message))
    if error.code == READ_ONLY:
        return StorageRejected("query is read-only", next_step="use clickhouse-client to change something")
    step = "./run.sh query lists the tables and their columns" if error.code in _UNKNOWN else ""
    return StorageRejected(f"the statement is invalid: {words}", next_step=step, code=error.code)


def _show_rows(path: Path, *, limit: int) -> None:
    with path.open(encoding="utf-8") as lines:
        names, *rows = map(json.loads, lines)
    cut = 0 < limit <= len(rows)
    escape = partial(_CONTROLS.sub, lambda control: control[0].encode("unicode_escape").decode())
    shown = [
        ["NULL" if value == _NULL else escape(value) for value in row] for row in rows[: MOST_ROWS if cut else None]
    ]
    size = terminal_size()
    width = sum(max(map(len, column)) + 2 for column in zip(names, *shown, strict=True)) - 2
    if size is None or len(names) == 1 or width <= size.columns:
        show_table(names, shown)
    else:  # each row as lines of a name and its value
        indent = max(map(len, names)) + 2
        for number, row in enumerate(shown):
            if number:
                say("")
            for name, value in zip(names, row, strict=True):
                say(f"{name:{indent}}{value}".rstrip())
    if cut:
        tell(f"only the first {MOST_ROWS:,} rows are shown; --all shows all rows")


def _show_columns(settings: Settings) -> int:
    with Resources(settings, task="query") as resources:
        ask = partial(resources.database.query, query_text("columns"), {"database": settings.clickhouse_db})
        columns = resources.retry.call(ask)
    if not columns:
        raise StorageRejected("there is no table yet", next_step="run `./run.sh setup_db`")
    for number, (table, rows) in enumerate(groupby(columns, key=lambda column: column[0])):
        say(f"\n{table}" if number else table)
        for _, column, kind, comment in rows:
            say(f"  {column} {kind}: {comment}")
    return DONE
