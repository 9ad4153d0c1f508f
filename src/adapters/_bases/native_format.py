"""ClickHouse's Native format: values as they are, to the last digit, whatever the server's version. Pure.

A file is a sequence of blocks; a block says how many columns and rows it has, then of each column the name, the type
and all values: https://clickhouse.com/docs/interfaces/formats/Native
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
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
        ValueError: it has other columns, is not in Native format, or ends within a block.
    """
    while (width := _number(file, at_end=0)) != 0:
        height = _number(file)
        if width != len(columns) or height > _ROWS_LIMIT:
            raise ValueError(f"a block of {width} columns and {height} rows")
        yield from zip(*[_column(file, name, kind, height) for name, kind in columns], strict=True)


def native_block(columns: Mapping[str, str], rows: Sequence[Sequence[object]]) -> bytes:
    """One block of these rows. Since it begins with their number, a reader notices when some of it is cut off.

    Args:
        columns: name to type, in the order of the values; types as above.
        rows: values that fit the types.

    Raises:
        TypeError: a value of another kind, or None where the type knows no NULL.
        OverflowError: a number beyond the type's bounds.
    """
    parts = [_encoded_number(len(columns)), _encoded_number(len(rows))]
    by_column = zip(*rows, strict=True) if rows else [()] * len(columns)
    for (name, kind), values in zip(columns.items(), by_column, strict=True):
        parts += [_encoded_text(name), _encoded_text(kind), *_encoded_column(kind, values)]
    return b"".join(parts)


def _encoded_column(kind: str, values: Sequence[object]) -> Iterator[bytes]:
    inner = kind.removeprefix("Nullable(").removesuffix(")")
    if inner != kind:
        yield bytes(value is None for value in values)
        nothing: object = "" if inner == "String" else 0
        values = [nothing if value is None else value for value in values]
    if inner == "String":
        yield from map(_encoded_text, values)
        return
    numbers = array(_ARRAY_CODES[inner], values)  # type: ignore[type-var]  # what does not fit raises
    if sys.byteorder == "big":
        numbers.byteswap()
    yield numbers.tobytes()


def _encoded_text(text: object) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"{text!r:.60} is not a text")
    data = text.encode()
    return _encoded_number(len(data)) + data


def _encoded_number(number: int) -> bytes:
    """Seven bits a byte, the lowest first; all bytes but the last have the highest bit."""
    encoded = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


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
    """A number of seven bits a byte, the lowest first, or `at_end`, if given, at the end of the file."""
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
