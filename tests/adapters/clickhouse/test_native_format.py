"""The reader of Native files, against files that ClickHouse wrote."""

from __future__ import annotations

import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.hourly_backup import native_rows

COLUMNS = [("s", "String"), ("n", "Nullable(String)"), ("u", "UInt64"), ("f", "Nullable(Float64)")]


@pytest.fixture
def written(clickhouse: ClickHouseAdapter) -> bytes:
    """Three rows with texts of many lengths and with nulls, as ClickHouse writes them."""
    statement = (
        "SELECT repeat('é', toUInt32(number * 100)) AS s, if(number = 1, NULL, toString(number)) AS n, "
        "toUInt64(18446744073709551615 - number) AS u, if(number = 2, NULL, 1e-12 / (number + 3)) AS f "
        "FROM numbers(3) ORDER BY number"
    )
    with clickhouse.native_stream(statement) as pieces:
        return b"".join(pieces)


def test_rows_come_back_as_they_were_written(written: bytes) -> None:
    """Texts, whole numbers, doubles and nulls, to the last digit."""
    assert list(native_rows(io.BytesIO(written), COLUMNS)) == [
        ("", "0", 2**64 - 1, 1e-12 / 3),
        ("é" * 100, None, 2**64 - 2, 1e-12 / 4),
        ("é" * 200, "2", 2**64 - 3, None),
    ]


def test_every_truncation_is_noticed(written: bytes) -> None:
    """A file that lacks its end anywhere is not a whole file."""
    for end in range(1, len(written)):
        with pytest.raises(ValueError, match=r".+"):
            list(native_rows(io.BytesIO(written[:end]), COLUMNS))


@pytest.mark.parametrize("columns", [COLUMNS[:-1], [*COLUMNS[:-1], ("g", "Nullable(Float64)")], COLUMNS[::-1]])
def test_other_columns_are_refused(written: bytes, columns: list[tuple[str, str]]) -> None:
    """Number, names, types and order must be those expected."""
    with pytest.raises(ValueError, match="column"):
        list(native_rows(io.BytesIO(written), columns))


@given(st.binary(min_size=1, max_size=200))
def test_no_bytes_can_do_worse_than_be_refused(noise: bytes) -> None:
    """Whatever the bytes, the reader gives rows or a ValueError."""
    with suppress(ValueError):
        assert all(len(row) == len(COLUMNS) for row in native_rows(io.BytesIO(noise), COLUMNS))
