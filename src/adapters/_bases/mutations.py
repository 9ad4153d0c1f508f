"""Mutations that have failed and are still queued: each blocks every later one of its table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, cast

import structlog

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, quoted_text
from adapters._bases.clickhouse_errors import ACCESS_DENIED
from adapters._bases.errors import StorageRejected

# Arrays, not tuples, whose elements some versions name.
SELECT_STUCK = (
    "SELECT groupArray([table, mutation_id, latest_fail_reason]) FROM (SELECT * FROM system.mutations "
    "WHERE database = {database:String} AND NOT is_done AND latest_fail_reason != '' ORDER BY create_time, mutation_id)"
)
_REASON_LIMIT = 200

log = structlog.get_logger(__name__)


class StuckMutation(NamedTuple):
    """A mutation that has failed and is still queued."""

    table: str
    mutation_id: str
    reason: str  # of its last failure, on one line
    kill_statement: str

    def __str__(self) -> str:
        return f"{self.mutation_id} fails: {self.reason}; to remove it: {self.kill_statement}"


def described(database: str, found: Iterable[Sequence[str]]) -> tuple[StuckMutation, ...]:
    """What `SELECT_STUCK` returned for a database."""
    kill = "KILL MUTATION WHERE database = {} AND table = {} AND mutation_id = {}"
    return tuple(
        StuckMutation(
            table,
            number,
            " ".join(reason.split())[:_REASON_LIMIT],
            kill.format(*map(quoted_text, (database, table, number))),
        )
        for table, number, reason in found
    )


def stuck_mutations(clickhouse: ClickHouseAdapter, database: str, table: str) -> list[StuckMutation]:
    """The failed mutations in a table's queue, oldest first; none, with a warning, if the user may not see them."""
    answer = if_allowed(clickhouse, SELECT_STUCK, {"database": database}) or [([],)]
    found = cast("list[list[str]]", answer[0][0])
    return [one for one in described(database, found) if one.table == table]


def if_allowed(
    clickhouse: ClickHouseAdapter, statement: str, parameters: Mapping[str, object] | None = None
) -> list[tuple[object, ...]]:
    """The rows; none, with a warning, if the user lacks the right."""
    try:
        return clickhouse.query(statement, parameters)
    except StorageRejected as error:
        if error.code != ACCESS_DENIED:
            raise
        log.warning("failed mutations cannot be inspected", reason=error.message, next=error.next_step)
        return []
