"""The settings of a session: what is sent, and which values in force are harmful."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters._bases.errors import StorageRejected

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_TRUNCATES, _HIDES = "truncates results", "hides rows"
# Setting to the only value at which answers and rows are right, and the harm of any other, usually without an error.
PINNED = {
    "limit": ("0", _TRUNCATES),
    "offset": ("0", _TRUNCATES),
    **{
        f"{what}_overflow_mode": ("throw", _TRUNCATES)
        for what in ("result", "read", "group_by", "sort", "distinct", "set", "join", "timeout")
    },
    "additional_table_filters": ("{}", _HIDES),
    "additional_result_filter": ("", _HIDES),
    "join_default_strictness": ("ALL", _HIDES),
    "empty_result_for_aggregation_by_empty_set": ("0", _HIDES),
    "use_query_cache": ("0", "returns outdated results"),
    "apply_patch_parts": ("1", "hides stored changes"),
    "apply_deleted_mask": ("1", "shows deleted rows"),
    "prefer_column_name_to_alias": ("0", "changes the meaning of names"),
    "output_format_native_encode_types_in_binary_format": ("0", "makes results unreadable"),
    "wait_for_async_insert": ("1", "acknowledges rows before they are stored"),
}
_LIMITS = (
    *("max_result_rows", "max_result_bytes", "max_rows_to_read", "max_bytes_to_read", "max_rows_to_group_by"),
    *("max_rows_to_sort", "max_bytes_to_sort", "max_rows_in_distinct", "max_bytes_in_distinct"),
    *("max_rows_in_set", "max_bytes_in_set", "max_rows_in_join", "max_bytes_in_join"),
)
WANTED = {
    **{name: value for name, (value, _) in PINNED.items()},
    **dict.fromkeys(_LIMITS, "0"),
    "async_insert": "0",
    "max_partitions_per_insert_block": "0",
    "max_query_size": str(64 << 20),
    # These reject valid statements.
    "force_primary_key": "0",
    "force_index_by_date": "0",
    # And these change a result's form or content.
    "aggregate_functions_null_for_empty": "0",
    "data_type_default_nullable": "0",
    "extremes": "0",
    "final": "0",
    "join_use_nulls": "0",
    "transform_null_in": "0",
}
# Sent only once the server's settings are known: some supported servers do not have these.
NEWER = ("apply_patch_parts",)
# A block that equals a recent one, such as rows that were restored, deleted and restored again, must be stored.
NOT_DEDUPLICATED = {"insert_deduplicate": "0", "deduplicate_insert": "disable"}


def refuse_harmful(client: Client, address: object, *, cut: bool) -> None:
    """Raise `StorageRejected` if a value in force makes answers or rows wrong, or has `cut` the list of settings."""
    known = client.server_settings
    wrong = next((name for name, (value, _) in PINNED.items() if name in known and known[name].value != value), "")
    if name := wrong or ("limit" if cut else ""):
        # ClickHouse hides limit and offset from a statement that they cut.
        value = f"{name} = {known[name].value}" if wrong else f"{name} or offset"
        if client.get_client_setting(name) is None:
            raise harmful(name, f"the database user's profile has {value}")
        raise harmful(name, f"a proxy in front of {address} drops a setting, so that the server has {value}")


def harmful(setting: str, found: str) -> StorageRejected:
    """The error for a setting with another value than its pinned one."""
    value, harm = PINNED[setting]
    return StorageRejected(
        f"{found}, which {harm}",
        next_step=f"Have an administrator remove {setting} from the profile, or set it to {value or 'an empty text'}"
        f"{'; or let the proxy pass on URL parameters' if 'proxy' in found else ''}.",
    )
