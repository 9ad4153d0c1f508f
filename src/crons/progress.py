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
        yield _logged(clock, counted, max(1, least))
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


def _logged(clock: Callable[[], datetime], counted: str, least: int) -> Progress:
    """Log how far a step is, with its speed since the step began. A repeated step begins again at zero."""
    step, before, began, latest = "", 0, clock(), clock()

    def note(doing: str, done: int, total: int) -> None:
        nonlocal step, before, began, latest
        if doing != step or done < before:
            step, before, began = doing, 0, latest
        is_due = total >= least and done * _LINES // total > before * _LINES // total
        before, latest = done, clock()
        if is_due:
            took = max((latest - began).total_seconds(), 0.001)
            left = timedelta(seconds=round(took * (total - done) / max(1, done)))
            facts = {"doing": doing, counted: f"{done} of {total}", "a_second": f"{done / took:.0f}"}
            log.info("progress", **facts, time_left=str(left))

    return note
