"""The .sql files: tables and views as they are defined, and SELECTs.

A file defines one table or view, named like the file, one column a line, expressions spelled as ClickHouse shows them.
Placeholders: `{database}`, quoted; `{on_cluster}` and `{replicated}`, both empty on a single server; `{settings}`;
`{definition}` in a view's comment, a hash of the file; `{keep_days}` of the runs; the name of a file in sql/parts, for
its text. The files in sql/prices define the `PRICE_VIEWS` of every table of prices, `{table}`: a line after
``/*crypto_prices*/`` is of that table's view only. Those in sql/queries are SELECTs, some with a DELETE that removes
what they find; names in braces without a type are filled in where they are read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SQL_FOLDER = Path(__file__).parents[1] / "clickhouse" / "sql"
PRICE_VIEWS = ("hours", "daily", "weekly", "monthly", "monthly_gregorian", "latest")
"""What the views of any table of prices are named after the table; each reads only those before it."""

_COLUMN = re.compile(r"^    (\w+) (.+?)(?: (DEFAULT|MATERIALIZED) (.+?))?\s+COMMENT '", re.MULTILINE)
_CLAUSE = re.compile(r"^(PARTITION BY|PRIMARY KEY|ORDER BY) (.+)$", re.MULTILINE)
_ENGINE = re.compile(r"^ENGINE = {replicated}(\w+)", re.MULTILINE)
_OF_TABLE = re.compile(r"^/\*(\w+)\*/(.*\n)", re.MULTILINE)
_COMMENT_LINE = re.compile(r"^ *--.*\n", re.MULTILINE)
_COMMENT = re.compile(r"^COMMENT '(.*)'$", re.MULTILINE)
_PROPERTIES = {"PARTITION BY": "partition key", "PRIMARY KEY": "primary key", "ORDER BY": "sorting key"}
_READS = re.compile(r"(?:FROM|JOIN) {database}\.(\w+)")


@dataclass(frozen=True)
class Definition:
    name: str
    text: str  # the statement, with placeholders
    types: dict[str, str]  # column to type
    stored: tuple[str, ...]  # the columns that are not computed from others
    shape: dict[str, str]  # the properties that an existing table or view must have
    replaces: bool  # whether ClickHouse keeps one of several rows with the same sorting key
    reads: frozenset[str]  # the tables and views that a view reads
    select: str  # of a view
    comment: str  # of a view with a hash of its file, by which an older one is recognized

    def differences(self, found: Mapping[str, str]) -> list[str]:
        """How an existing table or view differs, a line each."""
        return [
            f"{what} is {found.get(what, 'missing')!r}, not {wanted!r}"
            for what, wanted in self.shape.items()
            if _canonical(what, found.get(what, "missing")) != _canonical(what, wanted)
        ]

    def differences_of_view(self, found: Mapping[str, str]) -> list[str]:
        """As `differences`; also if it is not a view, or has an older definition."""
        if found["engine"] != "View":
            return [f"it is not a view, its engine is {found['engine']!r}"]
        if found["as defined"] == "0":
            return [f"its SELECT is not the program's, it reads the database {found['reads']}"]
        outdated = [] if found["comment"] == self.comment else ["it is of another version of the program"]
        return self.differences(found) or outdated


def _canonical(what: str, value: str) -> str:
    # A replicated engine has the same name with a prefix.
    return value.removeprefix("Replicated").removeprefix("Shared") if what == "engine" else "".join(value.split())


@cache
def definition(name: str) -> Definition:
    path, table = SQL_FOLDER / f"{name}.sql", name
    if not path.is_file():
        kinds = {path.stem for path in (SQL_FOLDER / "prices").glob("*.sql") if name.endswith(f"_{path.stem}")}
        kind = max(kinds, key=len, default=name)
        path, table = SQL_FOLDER / "prices" / f"{kind}.sql", name.removesuffix(f"_{kind}")
    text = path.read_text("utf-8")
    while parts := [part for part in (SQL_FOLDER / "parts").glob("*.sql") if f"{{{part.stem}}}\n" in text]:
        for part in parts:
            text = text.replace(f"{{{part.stem}}}\n", part.read_text("utf-8"))
    text = _OF_TABLE.sub(lambda line: line[2] if line[1] == table else "", text)
    text = _COMMENT_LINE.sub("", text).replace("{table}", table)
    return _parsed(name, text.replace("{definition}", hashlib.sha256(text.encode()).hexdigest()[:8]))


def _parsed(name: str, text: str) -> Definition:
    columns = _COLUMN.findall(text.partition("\n)\n")[0])
    shape = {f"column {column}": " ".join(described).strip() for column, *described in columns}
    if engine := _ENGINE.search(text):
        shape["engine"] = engine[1]
        for clause, value in _CLAUSE.findall(text):
            shape[_PROPERTIES[clause]] = value[1:-1] if value.startswith("(") else value
    [comment] = _COMMENT.findall(text)
    return Definition(
        name,
        text,
        types={column: kind for column, kind, *_ in columns},
        stored=tuple(column for column, _, default, _ in columns if default != "MATERIALIZED"),
        shape=shape,
        replaces=shape.get("engine") == "ReplacingMergeTree",
        reads=frozenset(_READS.findall(text)),
        select=text.partition("\nAS ")[2].rpartition("\nCOMMENT ")[0],
        comment=comment,
    )


def table_definitions() -> list[Definition]:
    """Every table of the program, by name, without the views."""
    defined = (definition(path.stem) for path in sorted(SQL_FOLDER.glob("*.sql")))
    return [one for one in defined if "engine" in one.shape]


@cache
def query_text(name: str) -> str:
    return _COMMENT_LINE.sub("", (SQL_FOLDER / "queries" / f"{name}.sql").read_text("utf-8"))
