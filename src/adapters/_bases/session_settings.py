"""The settings of ClickHouse that every statement relies on, whatever the user's profile says. Pure.

The one list of them. Each is sent where the server knows it, the profile has another value and lets it be changed:
https://clickhouse.com/docs/operations/settings/settings
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

STATEMENT_BYTES = 64 << 20


class Pin(NamedTuple):
    """A setting of which another value than this one makes answers or rows wrong, most without an error.

    Attributes:
        harm: what another value does; the end of a sentence.
        limits: settings, one of which must be other than 0 for it; empty where it needs none.
    """

    name: str
    value: str
    harm: str
    limits: tuple[str, ...] = ()


_CUTS = "cuts answers short"
_LEAVES_OUT = "leaves rows out"


def _overflow(name: str, *limits: str) -> Pin:
    return Pin(f"{name}_overflow_mode", "throw", _CUTS, limits)


PINS = (
    Pin("limit", "0", _CUTS),
    Pin("offset", "0", _CUTS),
    _overflow("result", "max_result_rows", "max_result_bytes"),
    _overflow("read", "max_rows_to_read", "max_bytes_to_read"),
    _overflow("group_by", "max_rows_to_group_by"),
    _overflow("sort", "max_rows_to_sort", "max_bytes_to_sort"),
    _overflow("distinct", "max_rows_in_distinct", "max_bytes_in_distinct"),
    _overflow("set", "max_rows_in_set", "max_bytes_in_set"),
    _overflow("join", "max_rows_in_join", "max_bytes_in_join"),
    _overflow("timeout", "max_execution_time"),
    Pin("additional_table_filters", "{}", _LEAVES_OUT),
    Pin("additional_result_filter", "", _LEAVES_OUT),
    Pin("join_default_strictness", "ALL", _LEAVES_OUT),
    Pin("empty_result_for_aggregation_by_empty_set", "0", _LEAVES_OUT),
    Pin("use_query_cache", "0", "gives answers of an earlier time"),
    Pin("apply_patch_parts", "1", "hides changes that are stored"),
    Pin("apply_deleted_mask", "1", "shows rows that are deleted"),
    Pin("prefer_column_name_to_alias", "0", "gives names in statements another meaning"),
    Pin("output_format_native_encode_types_in_binary_format", "0", "gives answers that cannot be read"),
    Pin("wait_for_async_insert", "1", "acknowledges rows before they are stored", ("async_insert",)),
)
"""Where one of them is locked at another value, nothing is done."""
_WISHES: Mapping[str, str] = {
    "async_insert": "0",
    "max_partitions_per_insert_block": "0",
    "max_query_size": str(STATEMENT_BYTES),
    # Without its limit no answer is too large.
    **{limit: "0" for pin in PINS for limit in pin.limits},
    # These refuse statements that are meant.
    "force_primary_key": "0",
    "force_index_by_date": "0",
    # And these change an answer's form, or what is not asked for here.
    "aggregate_functions_null_for_empty": "0",
    "data_type_default_nullable": "0",
    "extremes": "0",
    "final": "0",
    "join_use_nulls": "0",
    "transform_null_in": "0",
}
_HANDSHAKE_PINS = (
    *("limit", "offset", "additional_table_filters", "additional_result_filter", "use_query_cache"),
    "output_format_native_encode_types_in_binary_format",
)
HANDSHAKE: Mapping[str, str] = {
    **{pin.name: pin.value for pin in PINS if pin.name in _HANDSHAKE_PINS},
    **dict.fromkeys(("max_result_rows", "max_result_bytes", "max_rows_to_read", "max_bytes_to_read"), "0"),
}
"""What the driver's first questions are asked with, which are about a system table of many rows."""


def wanted_settings(patience_seconds: int) -> dict[str, str]:
    """Name to the value that is asked for. `patience_seconds` is what a statement may take at the server."""
    return {**_WISHES, "max_execution_time": str(patience_seconds)} | {pin.name: pin.value for pin in PINS}


def harmful(value_of: Callable[[str], str | None]) -> list[Pin]:
    """The pins whose setting has another value, with what it takes to do harm.

    Args:
        value_of: the value in force of a setting; None for one that the server does not know.
    """
    return [
        pin
        for pin in PINS
        if value_of(pin.name) not in (None, pin.value)
        and (not pin.limits or any(value_of(limit) not in (None, "0") for limit in pin.limits))
    ]


def refused_pin(refusal: str) -> Pin | None:
    """The pin of a setting that is wrong whatever its limits, and of which ClickHouse's words say that it is locked."""
    found = re.search(r"etting (\w+) should", refusal)
    return next((pin for pin in PINS if found and pin.name == found[1] and not pin.limits), None)
