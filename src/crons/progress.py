"""Progress of long work: a bar on a terminal, some ten lines in a log, nothing below INFO."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog

from adapters._bases.table_backup import Progress
from configurations.logs import is_watched, no_color

# In a log, for each step.
_LINES = 10

log = structlog.get_logger(__name__)


@contextmanager
def progress(clock: Callable[[], datetime], *, counted: str = "rows", least: int = 100_000) -> Iterator[Progress]:
    """Show the progress that the yielded function is called with, as a `Progress`.

    Args:
        counted: what the numbers count, in the plural.
        least: the smallest total for which a log has lines; by default what takes a second.
    """
    if not is_watched():
        yield _LogLines(clock, counted, max(1, least)).note
        return
    from rich import progress as rich  # noqa: PLC0415 - loaded only for a terminal
    from rich.console import Console  # noqa: PLC0415 - likewise

    columns = (rich.TextColumn("{task.description}"), rich.BarColumn(bar_width=None), rich.TaskProgressColumn())
    numbers = (rich.MofNCompleteColumn(), rich.TextColumn(counted), rich.TimeRemainingColumn())
    with rich.Progress(*columns, *numbers, console=Console(stderr=True, no_color=no_color()), transient=True) as bar:
        task = bar.add_task("", total=None)

        def draw(doing: str, done: int, total: int) -> None:
            if doing != bar.tasks[0].description or done < bar.tasks[0].completed:
                bar.reset(task, description=doing)
            bar.update(task, total=total, completed=done)

        yield draw


class _LogLines:
    """Logs how far a step is, with its speed since the step began. A repeated step begins again at zero."""

    def __init__(self, clock: Callable[[], datetime], counted: str, least: int) -> None:
        self._clock, self._counted, self._least = clock, counted, least
        self._began = self._last = clock()
        self._doing, self._done = "", 0

    def note(self, doing: str, done: int, total: int) -> None:
        if doing != self._doing or done < self._done:
            self._doing, self._done, self._began = doing, 0, self._last
        before, self._done, self._last = self._done, done, self._clock()
        if total < self._least or done * _LINES // total == before * _LINES // total:
            return
        took = max((self._last - self._began).total_seconds(), 0.001)
        left = timedelta(seconds=round(took * (total - done) / max(1, done)))
        facts = {"doing": doing, self._counted: f"{done} of {total}", "a_second": f"{done / took:.0f}"}
        log.info("progress", **facts, time_left=str(left))
