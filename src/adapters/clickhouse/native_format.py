"""Reads the Native format, as far as this project writes it. Pure.

A file is a sequence of blocks; a block says how many columns and rows it has, then of each column the name, the type
and all values: https://clickhouse.com/docs/interfaces/formats/Native
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence
from typing import BinaryIO

_ARRAY_CODES = {"UInt32": "I", "UInt64": "Q", "Float64": "d"}
_ROWS_LIMIT = 1 << 24
_TEXT_LIMIT = 1 << 20


def native_rows(file: BinaryIO, columns: Sequence[tuple[str, str]]) -> Iterator[tuple[object, ...]]:
    """The rows of a file, read block by block.

    Args:
        file: at its beginning.
        columns: the name and type of each column that the file must have, in order: String, UInt32, UInt64, Float64,
            and the Nullable of those.

    Raises:
        ValueError: it has other columns, is no Native format, or ends within a block.
    """
    while (width := _number(file, at_end=0)) != 0:
        height = _number(file)
        if width != len(columns) or height > _ROWS_LIMIT:
            raise ValueError(f"a block of {width} columns and {height} rows")
        yield from zip(*[_column(file, name, kind, height) for name, kind in columns], strict=True)


def _column(file: BinaryIO, name: str, kind: str, height: int) -> Sequence[object]:
    found = (_text(file), _text(file))
    if found != (name, kind):
        raise ValueError(f"column {found[0]!r} of type {found[1]!r} where {name!r} of type {kind!r} was due")
    if not kind.startswith("Nullable("):
        return _values(file, kind, height)
    nulls = _exactly(file, height)
    values = _values(file, kind.removeprefix("Nullable(").removesuffix(")"), height)
    return [None if null else value for null, value in zip(nulls, values, strict=True)]


def _values(file: BinaryIO, kind: str, height: int) -> Sequence[object]:
    if kind == "String":
        return [_text(file) for _ in range(height)]
    values = array(_ARRAY_CODES[kind])
    values.frombytes(_exactly(file, height * values.itemsize))
    if sys.byteorder == "big":
        values.byteswap()
    return values


def _text(file: BinaryIO) -> str:
    length = _number(file)
    if length > _TEXT_LIMIT:
        raise ValueError(f"a text of {length} bytes")
    return _exactly(file, length).decode()


def _number(file: BinaryIO, at_end: int | None = None) -> int:
    """A number of seven bits a byte, the lowest first; `at_end`, if given, where the file ends before it."""
    number = 0
    for shift in range(0, 64, 7):
        byte = file.read(1)
        if not byte and shift == 0 and at_end is not None:
            return at_end
        if not byte:
            break
        number |= (byte[0] & 0x7F) << shift
        if not byte[0] & 0x80:
            return number
    raise ValueError("a number without an end")


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise ValueError(f"{size - len(data)} bytes are missing at the end")
    return data
