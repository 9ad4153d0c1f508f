"""Progress of anything long: a bar on a terminal, a line now and then in a log, nothing where only warnings show."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import structlog

from adapters._bases.hourly_backup import RowsTold

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


_ROW_LINES = 10
_MANY_ROWS = 100_000
"""What takes a second; of fewer rows a log says nothing."""
_ROWS_A_LINE = 1_000_000
"""Where nobody knows yet how many there are."""


class RowTally:
    """How far the present piece of work is; another one, or the same from its beginning, starts anew.

    Args:
        clock: gives the aware time.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._doing = ""
        self._began = self._told_at = clock()
        self._done = 0
        self._total: int | None = None

    def tell(self, doing: str, *, done: int, total: int | None) -> bool:
        """Take note of it; whether a log should have a line of it."""
        if doing != self._doing or done < self._done:
            # It began when the one before was last heard of.
            self._began, self._done = self._told_at, 0
        before = self._lines(self._done, total)
        self._doing, self._done, self._total, self._told_at = doing, done, total, self._clock()
        return self._lines(done, total) > before

    def facts(self) -> dict[str, str]:
        """What people want to know, by its name."""
        took = max((self._clock() - self._began).total_seconds(), 0.001)
        facts = {"doing": self._doing, "rows": str(self._done), "rows_a_second": f"{self._done / took:.0f}"}
        if self._total is not None:
            left = took * (self._total - self._done) / max(1, self._done)
            facts |= {"rows": f"{self._done} of {self._total}", "time_left": str(timedelta(seconds=round(left)))}
        return facts

    @staticmethod
    def _lines(done: int, total: int | None) -> int:
        """How many lines a log has had once so many rows are through."""
        if total is None:
            return done // _ROWS_A_LINE
        return done * _ROW_LINES // total if total >= _MANY_ROWS else 0


@contextmanager
def row_progress(*, clock: Callable[[], datetime], no_color: bool = False) -> Iterator[RowsTold]:
    """Show how far work on a table is; gives what is to be told of it.

    Args:
        clock: gives the aware time.
        no_color: see `crons.progress.new_bar`.
    """
    tally = RowTally(clock)
    if bars_are_wanted():
        with _row_bar(tally, no_color=no_color) as told:
            yield told
    else:
        yield _log_row_lines(tally)


@contextmanager
def _row_bar(tally: RowTally, *, no_color: bool) -> Iterator[RowsTold]:
    with new_bar(no_color=no_color) as bar:
        task = bar.add_task("reading the table", total=None)

        def told(doing: str, *, done: int, total: int | None) -> None:
            tally.tell(doing, done=done, total=total)
            facts = tally.facts()
            left = f", {facts['time_left']} left" if "time_left" in facts else ""
            said = f"{doing}: {facts['rows']} rows, {facts['rows_a_second']} rows/s{left}"
            bar.update(task, completed=done, total=total, description=said)

        yield told


def _log_row_lines(tally: RowTally) -> RowsTold:
    """Logs about ten lines for each piece of work on a large table."""

    def told(doing: str, *, done: int, total: int | None) -> None:
        if tally.tell(doing, done=done, total=total):
            log.info("progress", **tally.facts())

    return told
