"""Progress of work on a whole table, by rows: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog

from adapters.clickhouse.rows_told import RowsTold
from crons.progress import bars_are_wanted, new_bar

log = structlog.get_logger(__name__)

_LINES = 10
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
        return done * _LINES // total if total >= _MANY_ROWS else 0


@contextmanager
def row_progress(*, clock: Callable[[], datetime], no_color: bool = False) -> Iterator[RowsTold]:
    """Show how far work on a table is; gives what is to be told of it.

    Args:
        clock: gives the aware time.
        no_color: see `crons.progress.new_bar`.
    """
    tally = RowTally(clock)
    if bars_are_wanted():
        with _bar(tally, no_color=no_color) as told:
            yield told
    else:
        yield _log_lines(tally)


@contextmanager
def _bar(tally: RowTally, *, no_color: bool) -> Iterator[RowsTold]:
    with new_bar(no_color=no_color) as bar:
        task = bar.add_task("reading the table", total=None)

        def told(doing: str, *, done: int, total: int | None) -> None:
            tally.tell(doing, done=done, total=total)
            facts = tally.facts()
            left = f", {facts['time_left']} left" if "time_left" in facts else ""
            said = f"{doing}: {facts['rows']} rows, {facts['rows_a_second']} rows/s{left}"
            bar.update(task, completed=done, total=total, description=said)

        yield told


def _log_lines(tally: RowTally) -> RowsTold:
    """Logs about ten lines for each piece of work on a large table."""

    def told(doing: str, *, done: int, total: int | None) -> None:
        if tally.tell(doing, done=done, total=total):
            log.info("progress", **tally.facts())

    return told
