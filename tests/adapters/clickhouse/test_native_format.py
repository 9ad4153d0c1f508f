"""Native files: what ClickHouse wrote is read, and what is written ClickHouse stores."""

from __future__ import annotations

import io
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.native_format import native_block, native_rows

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


_TYPES = {"s": st.text(), "n": st.none() | st.text(), "u": st.integers(0, 2**64 - 1), "f": st.none() | st.floats()}


@given(st.lists(st.tuples(*_TYPES.values()), max_size=5))
def test_a_block_is_read_back_as_it_was(rows: list[tuple[object, ...]]) -> None:
    """Every text, number, double and NULL, bit for bit; and no cut-off part of it is a block."""
    block = native_block(dict(COLUMNS), rows)
    assert repr(list(native_rows(io.BytesIO(block), COLUMNS))) == repr(rows)
    with pytest.raises(ValueError, match=r".+"):
        list(native_rows(io.BytesIO(block[:-1] if rows else b"\x04"), COLUMNS))


@given(prices=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)
def test_clickhouse_stores_every_double_to_its_last_bit(
    clickhouse: ClickHouseAdapter, database: str, prices: list[float]
) -> None:
    """What is inserted is what is selected."""
    clickhouse.command(f"CREATE DATABASE IF NOT EXISTS {database}")
    clickhouse.command(
        f"CREATE OR REPLACE TABLE {database}.doubles (n UInt64, f Float64) ENGINE = MergeTree ORDER BY n"
    )
    clickhouse.insert(f"{database}.doubles", {"n": "UInt64", "f": "Float64"}, list(enumerate(prices)))
    found = clickhouse.query(f"SELECT f FROM {database}.doubles ORDER BY n")
    assert repr([value for (value,) in found]) == repr(prices)


@pytest.mark.parametrize("value", [None, 1.5, "1", -1, 2**64])
def test_what_does_not_fit_is_never_sent(value: object) -> None:
    """A value of another kind, beyond the bounds, or missing."""
    with pytest.raises((TypeError, OverflowError)):
        native_block({"u": "UInt64"}, [(value,)])
