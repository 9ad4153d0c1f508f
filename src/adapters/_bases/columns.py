"""Columns of a table, each declared once: by a field of the row that is stored in it. Pure.

``price: Annotated[float, Column("Price of one coin, in units of currency")]`` gives the field's type, the column's type
and its comment in the table, which is where analysts read what it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import NoneType
from typing import Any, NamedTuple, get_args, get_type_hints

from adapters._bases.clickhouse_adapter import quoted_identifier, quoted_text

_TYPES = {str: "String", float: "Float64", int: "UInt64"}


class Column(NamedTuple):
    """One column.

    Attributes:
        comment: what it holds, with its unit.
        type: ClickHouse's name of the type; in a row empty for that of the field: String, Float64, UInt64, or the
            Nullable of it.
        keeps_known: whether an update with NULL leaves the stored value: for what only some calls of a source give.
        name: as in SQL; in a row the field's.
        kind: ``DEFAULT``, ``MATERIALIZED``, or empty for a column that every INSERT gives.
        expression: of a column with a kind.
    """

    comment: str
    type: str = ""
    keeps_known: bool = False
    name: str = ""
    kind: str = ""
    expression: str = ""


def columns_of(row: Callable[..., object]) -> tuple[Column, ...]:
    """The columns of a row type whose fields are each ``Annotated[type, Column(...)]``, in their order.

    Raises:
        KeyError: a field of a type that has no column type, and that names none.
    """
    hints = ((name, *get_args(hint)) for name, hint in get_type_hints(row, include_extras=True).items())
    return tuple(column._replace(name=name, type=column.type or _type_of(kind)) for name, kind, column in hints)


def types_of(row: Callable[..., object]) -> dict[str, str]:
    """Column to type, of such a row type."""
    return {column.name: column.type for column in columns_of(row)}


def definitions(columns: Iterable[Column]) -> str:
    """The columns for the inside of a CREATE TABLE."""
    return ",\n    ".join(map(_definition, columns))


def _type_of(kind: Any) -> str:
    choices = [choice for choice in get_args(kind) if choice is not NoneType]
    return f"Nullable({_TYPES[choices[0]]})" if choices else _TYPES[kind]


def _definition(column: Column) -> str:
    default = f" {column.kind} {column.expression}" if column.kind else ""
    return f"{quoted_identifier(column.name)} {column.type}{default} COMMENT {quoted_text(column.comment)}"
