"""Where a loader's rows go."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from adapters._bases.errors import InvalidRowError
from adapters.clickhouse.hourly_table import HourlyRow
from adapters.clickhouse.upsert_report import UpsertReport


class Repository(Protocol):
    """Where rows go: `adapters.clickhouse.hourly_repository.HourlyRepository`, which says what each raises."""

    def ensure_ready(self) -> None:
        """Make the table where it is missing."""
        ...

    def table_exists(self) -> bool:
        """Whether it is there."""
        ...

    def stuck_mutations(self) -> Sequence[object]:
        """Its mutations that fail, each with the statement that clears it."""
        ...

    def upsert(self, rows: Sequence[HourlyRow]) -> UpsertReport:
        """Store rows by their keys; complete when this returns, harmless to repeat."""
        ...


async def store_sound(repository: Repository, rows: Sequence[HourlyRow]) -> tuple[UpsertReport, list[str]]:
    """Store the rows that the table can take, and say why not the others: found by halving, for they are few."""
    try:
        return await asyncio.to_thread(repository.upsert, rows), []
    except InvalidRowError as error:
        if len(rows) == 1:
            return UpsertReport(), [error.message]
    stored, refused = await store_sound(repository, rows[: len(rows) // 2])
    others, refused_others = await store_sound(repository, rows[len(rows) // 2 :])
    return stored.plus(others), refused + refused_others
