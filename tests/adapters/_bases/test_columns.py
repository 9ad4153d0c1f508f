"""Columns read from the fields of a row."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import pytest

from adapters._bases.columns import Column, columns_of, definitions


class Row(NamedTuple):
    """A field of each kind."""

    name: Annotated[str, Column("What it's called")]
    value: Annotated[float, Column("How much")]
    calls: Annotated[int, Column("How many")]
    rank: Annotated[int | None, Column("Which", "Nullable(UInt32)", keeps_known=True)]
    told_at: Annotated[str | None, Column("When")]


class Odd(NamedTuple):
    """A field that no column is known for."""

    parts: Annotated[bytes, Column("What it is made of")]


def test_a_column_has_its_fields_name_type_and_comment() -> None:
    """The type follows from the field's, unless the column names one; an optional field may be NULL."""
    assert [(column.name, column.type) for column in columns_of(Row)] == [
        ("name", "String"),
        ("value", "Float64"),
        ("calls", "UInt64"),
        ("rank", "Nullable(UInt32)"),
        ("told_at", "Nullable(String)"),
    ]
    assert [column.name for column in columns_of(Row) if column.keeps_known] == ["rank"]
    assert definitions(columns_of(Row)[:2]) == (
        "`name` String COMMENT 'What it\\'s called',\n    `value` Float64 COMMENT 'How much'"
    )


def test_a_type_without_a_column_is_refused() -> None:
    """A row that cannot be stored is found out when its table is declared."""
    with pytest.raises(KeyError):
        columns_of(Odd)
