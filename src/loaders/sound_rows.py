"""Storing the rows of a batch that the table can take, where it cannot take all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from adapters._bases.errors import InvalidRowError, StorageRejected
from adapters._bases.hourly_repository import HourlyRepository
from adapters._bases.hourly_table import HourlyRow
from adapters._bases.upsert import UpsertReport

_FEW = 8
"""So many rows need no sample."""


async def store_sound(repository: HourlyRepository, rows: Sequence[HourlyRow]) -> tuple[UpsertReport, list[str]]:
    """Store the rows that the table can take, and say why not the others.

    Those are few, and found by halving. Where ClickHouse refuses a sample of three for the same reason, it is not about
    single rows: the others are not tried.
    """
    if len(rows) <= _FEW:
        return await _by_halving(repository, rows)
    with suppress(InvalidRowError):
        return await _stored(repository, rows), []
    places = (0, len(rows) // 2, len(rows) - 1)
    stored, refusals = UpsertReport(), []
    for place in places:
        try:
            stored = stored.plus(await _stored(repository, [rows[place]]))
        except InvalidRowError as error:  # noqa: PERF203 - three of them
            refusals.append(error)
    refused = [refusal.message for refusal in refusals]
    codes = {_code(refusal) for refusal in refusals}
    if len(refusals) == len(places) and len(codes) == 1 and None not in codes:
        return UpsertReport(), [*refused, f"{len(rows) - len(places)} more rows, not tried: all of these were refused"]
    others, refused_others = await _by_halving(repository, [row for at, row in enumerate(rows) if at not in places])
    return stored.plus(others), refused + refused_others


async def _stored(repository: HourlyRepository, rows: Sequence[HourlyRow]) -> UpsertReport:
    return await asyncio.to_thread(repository.upsert_prices, rows)


def _code(refusal: InvalidRowError) -> int | None:
    """The code of ClickHouse's refusal, None where the row was refused before it came to that."""
    return refusal.__cause__.code if isinstance(refusal.__cause__, StorageRejected) else None


async def _by_halving(repository: HourlyRepository, rows: Sequence[HourlyRow]) -> tuple[UpsertReport, list[str]]:
    try:
        return await _stored(repository, rows), []
    except InvalidRowError as error:
        if len(rows) == 1:
            return UpsertReport(), [error.message]
    stored, refused = await _by_halving(repository, rows[: len(rows) // 2])
    others, refused_others = await _by_halving(repository, rows[len(rows) // 2 :])
    return stored.plus(others), refused + refused_others
