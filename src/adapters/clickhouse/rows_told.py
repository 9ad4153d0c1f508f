"""How far a long piece of work on a table is, for whoever waits for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

EVERY_ROWS = 20_000

T = TypeVar("T")


class RowsTold(Protocol):
    """Told now and then how far a piece of work is."""

    def __call__(self, doing: str, /, *, done: int, total: int | None) -> None:
        """So many rows are through.

        Args:
            doing: what is done, such as ``exporting``.
            done: rows so far; starts anew with another piece of work, or when one is tried again.
            total: how many there are; None when nobody knows yet.
        """
        ...


def told_to_nobody(_doing: str, *, done: int, total: int | None) -> None:
    """Takes no note."""


def telling(told: RowsTold, doing: str, rows: Iterable[T], total: int | None) -> Iterator[T]:
    """The rows as they come, of which every 20,000th and the end is told."""
    done = 0
    for done, row in enumerate(rows, 1):
        yield row
        if done % EVERY_ROWS == 0:
            told(doing, done=done, total=total)
    told(doing, done=done, total=total)
