"""Which values the columns of an hourly table take. Pure.

ClickHouse is not left to say so: its INSERT takes a missing number for zero, and its UPDATE whatever does not fit. A
price of zero would be an invented one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from adapters._bases.errors import InvalidRowError
from adapters.clickhouse.hourly_statements import StoredRow
from adapters.clickhouse.hourly_table import HourlyRow, HourlyTable


def refuse_unstorable(table: HourlyTable, rows: Sequence[StoredRow]) -> None:
    """See that every value can be written as it is, before anything is.

    Raises:
        InvalidRowError: names a row with a missing value where the column knows no NULL, one of another type or beyond
            its bounds, a number that is not finite, or half a character in a text.
    """
    for name, values in zip(table.given, zip(*(stored.row for stored in rows), strict=True), strict=True):
        kind = table.types[name]
        takes = _taker(kind)
        for stored, value in zip(rows, values, strict=True):
            if not takes(value):
                shown = "missing" if value is None else f"{value!a:.60}, which is no {kind}"
                raise InvalidRowError(f"{_named(stored.row)}: {name} is {shown}")


def _named(row: HourlyRow) -> str:
    """The row's key for people, whatever its values are."""
    return f"{row.symbol!r} at {str(row.fetched_at)[:13]}:00:00"


def _taker(kind: str) -> Callable[[object], bool]:
    """Whether a column of this type takes a value."""
    inner = kind.removeprefix("Nullable(").removesuffix(")")
    takes = _TAKERS[inner]
    return takes if inner == kind else lambda value: value is None or takes(value)


def _is_text(value: object) -> bool:
    """UTF-8 has no code for half a character."""
    return isinstance(value, str) and (value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value))


def _is_double(value: object) -> bool:
    return isinstance(value, (float, int)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_unsigned(bits: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and 0 <= value < 1 << bits


_TAKERS: dict[str, Callable[[object], bool]] = {
    "String": _is_text,
    "Float64": _is_double,
    "UInt32": _is_unsigned(32),
    "UInt64": _is_unsigned(64),
}
