"""A TTL that an operator gave a table of prices: what it is, and which hours it deletes."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import cast

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, quoted_identifier
from adapters._bases.hourly_table import NEW_VERSION, HourlyTable

_TTL = re.compile(r" TTL (.+?)(?: SETTINGS .*)?$")
# Of one expression that deletes rows; several, or those that move or merge rows, are reported only.
_DELETES = re.compile(
    r"(?P<until>(?:(?! TO (?:DISK|VOLUME) | GROUP BY | RECOMPRESS ).)+?)(?: DELETE)?(?: WHERE (?P<rows>.+))?"
)
_GIVEN = {
    "datetime": "arrayJoin({hours:Array(String)})",
    "fetched_at": "datetime",
    "date": "substring(datetime, 1, 10)",
    "updated_at": "formatDateTime(now('Asia/Tehran'), '%Y-%m-%d %H:%i:%S')",
    "version": NEW_VERSION,
}


def ttl_of(clickhouse: ClickHouseAdapter, database: str, table: str) -> str:
    """The table's TTL, as ClickHouse shows it; empty if there is none, or no table."""
    statement = "SELECT engine_full FROM system.tables WHERE database = {database:String} AND name = {table:String}"
    found = clickhouse.query_if_there(statement, {"database": database, "table": table})
    ttl = _TTL.search(str(found[0][0])) if found else None
    return ttl[1] if ttl else ""


def expired_hours(clickhouse: ClickHouseAdapter, table: HourlyTable, ttl: str, hours: Collection[str]) -> set[str]:
    """Those of the hour keys whose rows a TTL would delete if they were stored now."""
    if not (deletes := _DELETES.fullmatch(ttl)):
        return set()
    columns = ", ".join(
        f"{_GIVEN.get(name, f'defaultValueOfTypeName({kind!r})')} AS {quoted_identifier(name)}"
        for name, kind in {**dict.fromkeys(_GIVEN, ""), **table.types}.items()
    )
    statement = (
        f"SELECT groupArray(datetime) FROM (SELECT {columns}) "  # noqa: S608 - types and the server's own expression
        f"WHERE toDateTime({deletes['until']}) <= now() AND ({deletes['rows'] or 1})"
    )
    [(found,)] = clickhouse.query(statement, {"hours": sorted(hours)})
    return set(cast("list[str]", found))
