"""The mutations of a table that have failed and stand in the way of later ones."""

from __future__ import annotations

from typing import NamedTuple

import structlog

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.clickhouse_errors import ACCESS_DENIED
from adapters._bases.errors import StorageRejected
from adapters._bases.quoting import quoted_text

log = structlog.get_logger(__name__)
_REASON_LIMIT = 200


class StuckMutation(NamedTuple):
    """A mutation that has failed and is still queued.

    Attributes:
        reason: why it failed last, on one line.
        kill_statement: the SQL that would withdraw it.
    """

    mutation_id: str
    reason: str
    kill_statement: str

    def __str__(self) -> str:
        return f"{self.mutation_id} fails: {self.reason}; this statement withdraws it: {self.kill_statement}"


class Mutations:
    """The mutations of one table. Its name and its database's are unquoted.

    Where the user may not see them, or may not withdraw one, they are left alone, with a warning once.
    """

    def __init__(self, *, clickhouse: ClickHouseAdapter, database: str, table: str) -> None:
        self._clickhouse = clickhouse
        self._database = database
        self._table = table
        self._warned = False

    def stuck(self) -> list[StuckMutation]:
        """The mutations that have failed and are queued, oldest first. Reads only."""
        try:
            found = self._select_stuck()
        except StorageRejected as error:
            self._allow_denied(error)
            return []
        return [self._described(str(mutation_id), str(reason)) for mutation_id, reason in found]

    def kill_stuck(self) -> list[StuckMutation]:
        """Withdraw the stuck ones, those of other programs included, and return them. Idempotent."""
        stuck = self.stuck()
        try:
            for mutation in stuck:
                self._clickhouse.query(mutation.kill_statement)
        except StorageRejected as error:
            self._allow_denied(error)
            return []
        return stuck

    def _allow_denied(self, error: StorageRejected) -> None:
        """Raise any other error than the lack of a right, and warn of that once."""
        if error.code != ACCESS_DENIED:
            raise error
        if not self._warned:
            log.warning("failed mutations are not looked after", reason=error.message, next=error.next_step)
        self._warned = True

    def _select_stuck(self) -> list[tuple[object, ...]]:
        return self._clickhouse.query(
            "SELECT mutation_id, latest_fail_reason FROM system.mutations WHERE database = {database:String} "
            "AND table = {table:String} AND NOT is_done AND latest_fail_reason != '' ORDER BY create_time, mutation_id",
            {"database": self._database, "table": self._table},
        )

    def _described(self, mutation_id: str, reason: str) -> StuckMutation:
        return StuckMutation(
            mutation_id,
            " ".join(reason.split())[:_REASON_LIMIT],
            f"KILL MUTATION WHERE database = {quoted_text(self._database)} AND table = {quoted_text(self._table)} "
            f"AND mutation_id = {quoted_text(mutation_id)}",
        )
