"""The views of an hourly table, which people and BI tools read: hourly, daily and latest. Pure.

**Times.** A key is text. The views add it as a time, which needs no cast: `time` shows Tehran's clock and `time_utc`
shows UTC's. Both are the instant at which the hour began. In the autumns until 2022 in which Tehran's 23:00 came twice
the key is the earlier hour's, and so ClickHouse reads it; the 00:00 that the springs left out is never a key.

**Cost.** What is computed from the key stands outside of LIMIT 1 BY on the key, and ClickHouse filters by it before it
sorts. A filter on `datetime` or `symbol` reads by the primary key. One on `time`, `time_utc` or `date` reads the column
`datetime` of every row, for ClickHouse takes no function of a text for monotonic: docs/analysts.md has the cost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from adapters._bases.clickhouse_adapter import quoted_identifier, quoted_text
from adapters._bases.columns import Column, definitions

TIME = Column("Start of the hour as a time, shown by Tehran's clock", "DateTime('Asia/Tehran')", name="time")
TIME_UTC = Column("Start of the hour as a time, shown by UTC's clock", "DateTime('UTC')", name="time_utc")
_TIMES = "toDateTime(datetime, 'Asia/Tehran') AS time, toTimeZone(time, 'UTC') AS time_utc"
_CHANGES = {"1h": ("1 hour", 1), "24h": ("24 hours", 24), "7d": ("7 days", 7 * 24)}


class View(NamedTuple):
    """A view of an hourly table.

    Attributes:
        about: what it shows, in some words.
        columns: in their order, each with its type and comment.
        select: the statement behind it, with ``{table}`` and ``{hourly}`` for the names of the table and its hourly
            view.
    """

    name: str
    about: str
    columns: tuple[Column, ...]
    select: str

    @property
    def comment(self) -> str:
        """What ClickHouse keeps as the view's comment. It names the definition, so that an older one is found."""
        text = f"{definitions(self.columns)}{self.select}{self.about}"
        return f"{self.about} (definition {hashlib.sha256(text.encode()).hexdigest()[:8]})"

    def create_statement(self, view: str, *, table: str, hourly: str, replace: bool) -> str:
        """The CREATE VIEW, of a missing view or in place of an older one. Names are quoted, with their database."""
        create = "CREATE OR REPLACE VIEW" if replace else "CREATE VIEW IF NOT EXISTS"
        return (
            f"{create} {view}\n(\n    {definitions(self.columns)}\n)\nAS "
            f"{self.select.format(table=table, hourly=hourly)}\nCOMMENT {quoted_text(self.comment)}"
        )


def views_of(name: str, about: str, columns: Sequence[Column], value: str) -> tuple[View, View, View]:
    """The views: hourly, daily and latest.

    Args:
        name: of the hourly view; the others have ``_daily`` and ``_latest`` for its ``_hourly``.
        about: what the table holds, in a few words.
        columns: the table's.
        value: the name of the column that the table is for.
    """
    by_name = {column.name: column._replace(kind="", expression="") for column in columns}
    prefix = name.removesuffix("_hourly")
    return (
        _hourly(name, about, by_name),
        _daily(f"{prefix}_daily", about, by_name, value, name),
        _latest(f"{prefix}_latest", about, by_name, value, name),
    )


def _hourly(name: str, about: str, columns: dict[str, Column]) -> View:
    # LIMIT 1 BY on the primary key lets a read of everything go along the sorting key without holding the table in
    # memory; argMax with GROUP BY does not, and FINAL knows only rows of one fetched_at.
    others = tuple(column for key, column in columns.items() if key not in ("symbol", "datetime", "date"))
    names = ", ".join(quoted_identifier(column.name) for column in others)
    select = (
        f"SELECT symbol, datetime, substring(datetime, 1, 10) AS date, {_TIMES}, {names}\n"  # noqa: S608 - quoted
        f"FROM (\n    SELECT symbol, datetime, {names}\n    FROM {{table}}\n"
        "    ORDER BY symbol, datetime, version DESC, fetched_at DESC\n    LIMIT 1 BY symbol, datetime\n) AS stored"
    )
    shown = (columns["symbol"], columns["datetime"], columns["date"], TIME, TIME_UTC, *others)
    return View(name, f"{about}, exactly one row for each symbol and Tehran hour", shown, select)


def _daily(name: str, about: str, columns: dict[str, Column], value: str, hourly: str) -> View:
    def price(column: str, what: str) -> Column:
        return columns[value]._replace(name=column, comment=f"{what} {value} of the day's stored hours")

    of_day = quoted_identifier(value)
    shown = (
        columns["symbol"],
        Column("Day in Tehran, from 00:00 to 24:00 by its clock", "Date", name="date"),
        price("open", "First"),
        price("high", "Highest"),
        price("low", "Lowest"),
        price("close", "Last"),
        Column("How many hours of the day are stored, of 24 as a rule", "UInt64", name="hours"),
    )
    select = (
        f"SELECT symbol, toDate(day) AS date, argMin({of_day}, datetime) AS open, max({of_day}) AS high, "  # noqa: S608 - quoted
        f"min({of_day}) AS low, argMax({of_day}, datetime) AS close, count() AS hours\n"
        f"FROM (SELECT symbol, datetime, substring(datetime, 1, 10) AS day, {of_day} FROM {{hourly}})\n"
        "GROUP BY symbol, day"
    )
    return View(name, f"{about}, one row for each symbol and day in Tehran, of what {hourly} shows", shown, select)


def _latest(name: str, about: str, columns: dict[str, Column], value: str, hourly: str) -> View:
    # The latest key of each symbol is found by the key's columns alone, and then four keys of it are read.
    of_hour = quoted_identifier(value)
    changes = tuple(
        Column(
            f"Change from the stored {value} of {words} before, in percent; NULL if that hour is not stored",
            "Nullable(Float64)",
            name=f"percent_change_{key}",
        )
        for key, (words, _) in _CHANGES.items()
    )
    keys = ", ".join(f"toString({_before(hours)})" for _, hours in _CHANGES.values())
    percents = ",\n    ".join(
        f"if(has(keys, toString({_before(hours)})), "
        f"(values[1] / values[indexOf(keys, toString({_before(hours)}))] - 1) * 100, NULL) AS percent_change_{key}"
        for key, (_, hours) in _CHANGES.items()
    )
    select = (
        f"SELECT symbol, keys[1] AS datetime, {_TIMES}, values[1] AS {of_hour},\n    {percents}\n"  # noqa: S608 - quoted
        "FROM (\n    SELECT symbol, arrayReverseSort(groupArray((datetime, of_hour))) AS stored, "
        "tupleElement(stored, 1) AS keys, tupleElement(stored, 2) AS values\n"
        f"    FROM (SELECT symbol, datetime, {of_hour} AS of_hour FROM {{hourly}})\n"
        f"    WHERE (symbol, datetime) IN (\n        SELECT symbol, arrayJoin([datetime, {keys}])\n"
        "        FROM (SELECT symbol, max(datetime) AS datetime FROM {table} GROUP BY symbol)\n    )\n"
        "    GROUP BY symbol\n)\nORDER BY symbol"
    )
    shown = (columns["symbol"], columns["datetime"], TIME, TIME_UTC, columns[value], *changes)
    return View(name, f"{about}, the latest stored hour of each symbol, of what {hourly} shows", shown, select)


def _before(hours: int) -> str:
    """The time of so many hours before `datetime`, in SQL."""
    return f"toDateTime(datetime, 'Asia/Tehran') - {hours * 3600}"
