"""The two statements of an upsert that look at stored keys: which exist, and their update. Pure.

Both find their rows by symbol and datetime, the primary key, and by the range of datetime, which rules out partitions:
their cost grows with the keys asked for, not with the table.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

from adapters.clickhouse.hourly_table import HourlyRow, HourlyTable, has_sound_patches
from adapters.clickhouse.sql_text import json_array, quoted_identifier, quoted_text, quoted_texts

Key = tuple[str, str]
"""(symbol, datetime)"""

# A key as one text; no two keys share one, for what follows the last bar is always as long.
_KEY_TEXT = "concat(symbol, '|', datetime)"
_POSITION = "key_position"
# The rows that SELECT may bring beyond those asked for, as a multiple, before it names each key.
_SUPERSET_LIMIT = 2


class StoredRow(NamedTuple):
    """A row as it goes into the table.

    Attributes:
        row: what is stored.
        updated_at: when it is written, Tehran wall time.
        version: the version it had, for a row that comes back from a backup; None lets the server make one.
    """

    row: HourlyRow
    updated_at: str
    version: int | None = None

    @property
    def key(self) -> Key:
        """By the hour of `fetched_at`; the table makes its own key by its own formula, to the same end."""
        return self.row.symbol, f"{self.row.fetched_at[:13]}:00:00"


def select_statement(name: str, table: HourlyTable, keys: Collection[Key]) -> str:
    """SELECT of symbol, datetime and the compared columns of all rows with these keys, and possibly of some others.

    `name` is the table's, quoted, with its database; `keys` is not empty. The rows asked for are those of every symbol
    at every hour among the keys; where that would be many more than the keys, each key is named.
    """
    symbols, hours = _sides(keys)
    where = _in_grid(symbols, hours)
    if len(symbols) * len(hours) > _SUPERSET_LIMIT * len(keys):
        where += f" AND {_position_of(keys)} > 0"
    columns = ", ".join(quoted_identifier(column) for column in ("symbol", "datetime", *table.compared))
    return f"SELECT {columns} FROM {name} WHERE {where}"  # noqa: S608 - every name and value in it is quoted


def update_statement(
    name: str, table: HourlyTable, rows: Mapping[Key, StoredRow], server_version: tuple[int, ...]
) -> str:
    """ALTER … UPDATE that gives every stored row of these keys its new values; `rows` is not empty, `name` quoted.

    The values travel inside the statement, so that it needs no staging table that would have to outlive it, and it may
    be repeated. It is complete when ClickHouse answers: as a patch part where those are sound, else as a mutation that
    is waited for.
    """
    symbols, hours = _sides(rows)
    where = _in_grid(symbols, hours)
    position = _position_of(rows)
    if len(symbols) * len(hours) != len(rows):
        where += f" AND {position} > 0"
    assignments = _assignments(table, list(rows.values()), position)
    settings = "mutations_sync = 2"  # also for the heavy form that ClickHouse falls back to
    if has_sound_patches(server_version):
        settings += ", alter_update_mode = 'lightweight'"
    return f"ALTER TABLE {name} UPDATE {assignments} WHERE {where} SETTINGS {settings}"


def _assignments(table: HourlyTable, rows: Sequence[StoredRow], position: str) -> str:
    """``column = value`` for every updated column: one value where all rows agree, else the row's place in an array."""
    texts = []
    place = f"({position} AS {_POSITION})"  # the alias serves the assignments that follow: it is computed once
    for column in table.updated:
        value_of = attrgetter(column if column == "updated_at" else f"row.{column}")
        values = [value_of(row) for row in rows]
        kind = table.types[column]
        if all(value == values[0] for value in values):
            new = f"arrayElement({json_array(values[:1], kind)}, 1)"
        else:
            new = f"arrayElement({json_array(values, kind)}, {place})"
            place = _POSITION
        if column in table.keeping:
            new = f"coalesce({new}, {quoted_identifier(column)})"
        texts.append(f"{quoted_identifier(column)} = {new}")
    return ", ".join(texts)


def _sides(keys: Collection[Key]) -> tuple[list[str], list[str]]:
    return sorted({symbol for symbol, _ in keys}), sorted({hour for _, hour in keys})


def _in_grid(symbols: Sequence[str], hours: Sequence[str]) -> str:
    between = f"datetime BETWEEN {quoted_text(hours[0])} AND {quoted_text(hours[-1])}"
    return f"{between} AND symbol IN ({quoted_texts(symbols)}) AND datetime IN ({quoted_texts(hours)})"


def _position_of(keys: Collection[Key]) -> str:
    """Where a row's key stands among `keys`, from 1; 0 for a row of another key."""
    texts = json_array((f"{symbol}|{hour}" for symbol, hour in keys), "String")
    return f"transform({_KEY_TEXT}, {texts}, range(1, {len(keys) + 1}), 0)"
