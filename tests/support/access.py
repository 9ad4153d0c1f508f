"""What users may do and which settings they have: roles and profiles of the embedded engine, as a server knows them.

The engine has one user. A session that takes a role has the rights of that role alone, and one that takes a profile its
values and constraints: https://clickhouse.com/docs/operations/settings/constraints-on-settings
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from xml.sax.saxutils import escape

DATABASES = "test_*"
"""The databases of tests: what stands for ``crypto`` in a grant."""
_WRITE = "SELECT, INSERT, ALTER UPDATE"
_MAKE = f"{_WRITE}, CREATE TABLE, CREATE VIEW, DROP VIEW, ALTER TTL"
ROLES: Mapping[str, tuple[str, ...]] = {
    "everything": ("ALL ON *.*",),
    "reader": ("SELECT ON crypto.*",),
    "no ALTER UPDATE": ("SELECT, INSERT ON crypto.*",),
    "writer": (f"{_WRITE} ON crypto.*",),
    "maker": (f"{_MAKE} ON crypto.*",),
    "dropper": (f"{_MAKE}, DROP TABLE ON crypto.*",),
    "its own database": ("ALL ON crypto.*",),
}
"""Name to its grants, without the word, in the database ``crypto``."""
_ALONE = {
    "limit": "1",
    "offset": "1",
    "additional_table_filters": "{'system.columns': 'position < 3'}",
    "additional_result_filter": "0",
    "join_default_strictness": "ANY",
    "use_query_cache": "1",
    "apply_patch_parts": "0",
    "apply_deleted_mask": "0",
    "prefer_column_name_to_alias": "1",
}
CUTS_AND_CHANGES: Mapping[str, Mapping[str, str]] = {
    **{name: {name: value} for name, value in _ALONE.items()},
    "max_result_rows": {"max_result_rows": "1", "result_overflow_mode": "break"},
    "max_rows_to_read": {"max_rows_to_read": "1", "read_overflow_mode": "break"},
    "max_rows_to_group_by": {"max_rows_to_group_by": "1", "group_by_overflow_mode": "any"},
    "max_rows_to_sort": {"max_rows_to_sort": "1", "sort_overflow_mode": "break"},
    "empty_result_for_aggregation": {"empty_result_for_aggregation_by_empty_set": "1"},
    "binary types": {"output_format_native_encode_types_in_binary_format": "1"},
    "wait_for_async_insert": {"async_insert": "1", "wait_for_async_insert": "0"},
}
"""What a profile must not do to the program, each with what it does it by."""
_NUISANCES = "force_primary_key force_index_by_date data_type_default_nullable aggregate_functions_null_for_empty"
NUISANCES = f"{_NUISANCES} extremes final join_use_nulls transform_null_in".split()
"""What makes statements fail or answers differ in form, where it is not asked for otherwise."""


class Profile(NamedTuple):
    """The values of settings, whether the user may have others, and within which bounds: ``min`` or ``max``."""

    values: Mapping[str, str]
    locked: bool = False
    bounds: Mapping[str, Mapping[str, str]] = MappingProxyType({})


_CHANGEABLE = {name: Profile(values) for name, values in CUTS_AND_CHANGES.items()}
_CHANGEABLE |= {name: Profile({name: "1"}) for name in NUISANCES}
PROFILES: Mapping[str, Profile] = {
    **_CHANGEABLE,
    **{f"{name} locked": profile._replace(locked=True) for name, profile in _CHANGEABLE.items()},
    # Without the cache, which takes no overflow mode beside it, and not even a SET of it here.
    "all of these": Profile(
        {name: value for one in _CHANGEABLE.values() for name, value in one.values.items() if name != "use_query_cache"}
    ),
    # Those of the nuisances that a table which exists does not mind.
    "nuisances locked": Profile(
        {name: "1" for name in NUISANCES if not name.startswith(("force_", "data_type_"))}, locked=True
    ),
    "read limits locked": Profile({"max_rows_to_read": "1000000", "max_result_rows": "100000"}, locked=True),
    "small statements": Profile({"max_query_size": "262144"}, locked=True),
    "hasty updates": Profile({"mutations_sync": "0"}, locked=True),
    "bounds": Profile(
        {"max_result_rows": "2000", "max_query_size": "262144", "max_execution_time": "10"},
        bounds={
            "max_execution_time": {"min": "1", "max": "30"},
            "max_query_size": {"max": "262144"},
            "max_result_rows": {"min": "1", "max": "2000"},
        },
    ),
    "few partitions": Profile({"max_partitions_per_insert_block": "1"}, locked=True),
    "read only": Profile({"readonly": "1"}),
}


def access_configuration(folder: Path) -> Path:
    users, engine = folder / "users.xml", folder / "engine.xml"
    roles = "".join(f"<{_tag(name)}>{_grants(grants)}</{_tag(name)}>" for name, grants in ROLES.items())
    profiles = "".join(f"<{_tag(name)}>{_settings(profile)}</{_tag(name)}>" for name, profile in PROFILES.items())
    granted = _grants([", ".join(map(_tag, ROLES))])
    users.write_text(
        f"<clickhouse><profiles><default/>{profiles}</profiles><quotas><default/></quotas><roles>{roles}</roles>"
        "<users><default><password/><networks><ip>::/0</ip></networks><profile>default</profile>"
        f"<quota>default</quota>{granted}</default></users></clickhouse>"
    )
    engine.write_text(f"<clickhouse><users_config>{users}</users_config></clickhouse>")
    return engine


def session_statements(role: str, profile: str) -> list[str]:
    taken = [f"SET ROLE {_tag(role)}"] if role else []
    if profile:
        # The embedded engine takes the constraints of a profile, and not its values.
        values = ((name, value.replace("'", "\\'")) for name, value in PROFILES[profile].values.items())
        taken += [f"SET {name} = '{value}'" for name, value in values]
        taken.append(f"SET profile = '{_tag(profile)}'")
    return taken


def _tag(name: str) -> str:
    return name.replace(" ", "_")


def _grants(grants: tuple[str, ...] | list[str]) -> str:
    queries = (f"<query>GRANT {escape(one.replace('crypto.', f'{DATABASES}.'))}</query>" for one in grants)
    return f"<grants>{''.join(queries)}</grants>"


def _settings(profile: Profile) -> str:
    values = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in profile.values.items())
    locks = "".join(f"<{name}><readonly/></{name}>" for name in profile.values) if profile.locked else ""
    for name, bounds in profile.bounds.items():
        locks += f"<{name}>{''.join(f'<{kind}>{bound}</{kind}>' for kind, bound in bounds.items())}</{name}>"
    return f"{values}<constraints>{locks}</constraints>"
