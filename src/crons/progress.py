"""Progress of anything long: a bar on a terminal, a line now and then in a log, nothing where only warnings show."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import structlog

if TYPE_CHECKING:
    from rich.progress import Progress

log = structlog.get_logger(__name__)

_LINES = 10


class Advance(Protocol):
    """Told of each call that is done."""

    def __call__(self, *, coins: Collection[str], hours: int, rows: int) -> None:
        """One call more is done.

        Args:
            coins: the symbols it was about.
            hours: how many pairs of symbol and hour it was about.
            rows: how many rows came of it.
        """
        ...


class Tally:
    """How far a piece of work is.

    Args:
        calls: how many there are in all.
        hours: how many pairs of symbol and hour they are about.
        clock: gives the aware time.
    """

    def __init__(self, *, calls: int, hours: int, clock: Callable[[], datetime]) -> None:
        self._calls = calls
        self._hours = hours
        self._clock = clock
        self._began = clock()
        self._calls_done = 0
        self._rows = 0
        self._coins: set[str] = set()
        self.hours_done = 0

    def add(self, *, coins: Collection[str], hours: int, rows: int) -> None:
        """Count one call more."""
        self._calls_done += 1
        self._coins.update(coins)
        self.hours_done += hours
        self._rows += rows

    @property
    def tenths(self) -> int:
        """How many tenths of the calls are done."""
        return self._calls_done * _LINES // max(1, self._calls)

    def facts(self) -> dict[str, str]:
        """What people want to know, by its name."""
        took = max((self._clock() - self._began).total_seconds(), 0.001)
        left = took * (self._hours - self.hours_done) / max(1, self.hours_done)
        return {
            "calls": f"{self._calls_done} of {self._calls}",
            "coin_hours": f"{self.hours_done} of {self._hours}",
            "coins": str(len(self._coins)),
            "rows": str(self._rows),
            "rows_a_second": f"{self._rows / took:.0f}",
            "time_left": str(timedelta(seconds=round(left))),
        }


@contextmanager
def progress(*, calls: int, hours: int, clock: Callable[[], datetime], no_color: bool = False) -> Iterator[Advance]:
    """Show how far calls about many hours are; gives a function that is told of each one done.

    Args:
        calls: how many there are.
        hours: how many pairs of symbol and hour they are about.
        clock: gives the aware time.
        no_color: a bar without colours, as NO_COLOR in ``.env`` wants it; in the environment it counts anyway.
    """
    tally = Tally(calls=calls, hours=hours, clock=clock)
    if bars_are_wanted():
        with _bar(tally, hours, no_color=no_color) as advance:
            yield advance
    else:
        yield _log_lines(tally)


def bars_are_wanted() -> bool:
    """Whether somebody looks on at a terminal, and wants more than warnings."""
    return sys.stderr.isatty() and logging.getLogger().isEnabledFor(logging.INFO)


def new_bar(*, no_color: bool) -> Progress:
    """A bar on stderr with words beside it, gone at its end; a context manager.

    Args:
        no_color: a bar without colours, as NO_COLOR in ``.env`` wants it; in the environment it counts anyway.
    """
    # Drawn only on a terminal, so loaded only there.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415

    console = Console(stderr=True, no_color=no_color or None)  # None: as the environment says
    return Progress(BarColumn(), TextColumn("{task.description}"), console=console, transient=True)


@contextmanager
def _bar(tally: Tally, hours: int, *, no_color: bool) -> Iterator[Advance]:
    with new_bar(no_color=no_color) as bar:
        task = bar.add_task("asking", total=hours)

        def advance(*, coins: Collection[str], hours: int, rows: int) -> None:
            tally.add(coins=coins, hours=hours, rows=rows)
            facts = tally.facts()
            said = (
                f"{facts['coin_hours']} coin-hours, {facts['coins']} coins, {facts['rows']} rows, "
                f"{facts['rows_a_second']} rows/s, {facts['time_left']} left"
            )
            bar.update(task, completed=tally.hours_done, description=said)

        yield advance


def _log_lines(tally: Tally) -> Advance:
    """Logs about ten lines in all, evenly spread."""

    def advance(*, coins: Collection[str], hours: int, rows: int) -> None:
        before = tally.tenths
        tally.add(coins=coins, hours=hours, rows=rows)
        if tally.tenths != before:
            log.info("progress", **tally.facts())

    return advance
