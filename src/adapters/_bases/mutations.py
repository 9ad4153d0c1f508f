"""The mutations of a table that have failed and stand in the way of later ones."""

from __future__ import annotations

from typing import NamedTuple

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, quoted_text

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
    """The mutations of one table. Its name and its database's are unquoted."""

    def __init__(self, *, clickhouse: ClickHouseAdapter, database: str, table: str) -> None:
        self._clickhouse = clickhouse
        self._database = database
        self._table = table

    def stuck(self) -> list[StuckMutation]:
        """The mutations that have failed and are queued, oldest first. Reads only."""
        found = self._clickhouse.query(
            "SELECT mutation_id, latest_fail_reason FROM system.mutations WHERE database = {database:String} "
            "AND table = {table:String} AND NOT is_done AND latest_fail_reason != '' ORDER BY create_time, mutation_id",
            {"database": self._database, "table": self._table},
        )
        return [self._described(str(mutation_id), str(reason)) for mutation_id, reason in found]

    def kill_stuck(self) -> list[StuckMutation]:
        """Withdraw the stuck ones, those of other programs included, and return them. Idempotent."""
        stuck = self.stuck()
        for mutation in stuck:
            self._clickhouse.query(mutation.kill_statement)
        return stuck

    def _described(self, mutation_id: str, reason: str) -> StuckMutation:
        return StuckMutation(
            mutation_id,
            " ".join(reason.split())[:_REASON_LIMIT],
            f"KILL MUTATION WHERE database = {quoted_text(self._database)} AND table = {quoted_text(self._table)} "
            f"AND mutation_id = {quoted_text(mutation_id)}",
        )
