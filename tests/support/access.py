"""What users may do and which settings they have: roles and profiles of the embedded engine, as a server knows them.

The engine has one user. A session that takes a role has the rights of that role alone, and one that takes a profile its
values and constraints: https://clickhouse.com/docs/operations/settings/constraints-on-settings
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

DATABASES = "test_*"
"""The databases of tests: what stands for ``crypto`` in a grant."""
ROLES: Mapping[str, tuple[str, ...]] = {
    "everything": ("ALL ON *.*",),
    "its own database": ("ALL ON crypto.*",),
    "no ALTER UPDATE": ("SELECT, INSERT ON crypto.*",),
    "no CREATE DATABASE": ("SELECT, INSERT, ALTER UPDATE, CREATE TABLE, CREATE VIEW ON crypto.*",),
}
"""Name to its grants, without the word, in the database ``crypto``."""
PROFILES: Mapping[str, Mapping[str, str]] = {
    "small statements": {"max_query_size": "262144"},
}
"""Name to the values of settings, each of which is locked."""


def access_configuration(folder: Path) -> Path:
    """Write the files of configuration, and return the one to start an engine with."""
    users, engine = folder / "users.xml", folder / "engine.xml"
    roles = "".join(f"<{_tag(name)}>{_grants(grants)}</{_tag(name)}>" for name, grants in ROLES.items())
    profiles = "".join(f"<{_tag(name)}>{_locked(values)}</{_tag(name)}>" for name, values in PROFILES.items())
    granted = _grants([", ".join(map(_tag, ROLES))])
    users.write_text(
        f"<clickhouse><profiles><default/>{profiles}</profiles><quotas><default/></quotas><roles>{roles}</roles>"
        "<users><default><password/><networks><ip>::/0</ip></networks><profile>default</profile>"
        f"<quota>default</quota>{granted}</default></users></clickhouse>"
    )
    engine.write_text(f"<clickhouse><users_config>{users}</users_config></clickhouse>")
    return engine


def session_statements(role: str, profile: str) -> list[str]:
    """What a session begins with; each empty for all rights, and for no profile."""
    taken = [f"SET ROLE {_tag(role)}"] if role else []
    return [*taken, f"SET profile = '{_tag(profile)}'"] if profile else taken


def _tag(name: str) -> str:
    return name.replace(" ", "_")


def _grants(grants: tuple[str, ...] | list[str]) -> str:
    queries = (f"<query>GRANT {escape(one.replace('crypto.', f'{DATABASES}.'))}</query>" for one in grants)
    return f"<grants>{''.join(queries)}</grants>"


def _locked(values: Mapping[str, str]) -> str:
    constraints = "".join(f"<{name}><readonly/></{name}>" for name in values)
    return "".join(f"<{name}>{value}</{name}>" for name, value in values.items()) + (
        f"<constraints>{constraints}</constraints>"
    )
