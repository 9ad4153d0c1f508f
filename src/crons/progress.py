"""Progress of long work: a bar on a terminal, some lines in a log, nothing below INFO."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import structlog

from adapters._bases.hourly_backup import Progress
from configurations.logs import is_watched

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

log = structlog.get_logger(__name__)

_LINES = 10
"""In a log, for a step."""
_LOOK_SECONDS = 0.2
"""How often the size of a growing file is looked at."""
_ROOM_FOR_MORE = 120
"""Columns of a terminal, from which a bar has room for more than the step's own count."""
_ROWS_A_LINE = 1_000_000
"""In a log, for a step whose total is not known."""


class Tally:
    """How far the present step is. Another step, or the same from its beginning, starts anew.

    Args:
        counted: what the numbers count: ``rows``, or another plural, and then `more` gives ``rows`` too.
        more: gives further facts, by their names.
        least: the smallest total that a log has lines of; by default what takes a second.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        *,
        counted: str = "rows",
        more: Callable[[], Mapping[str, int | str]] = dict,
        least: int = 100_000,
    ) -> None:
        self.clock, self.counted, self.more = clock, counted, more
        self._least = max(1, least)
        self._began = self._last = clock()
        self._doing, self._done = "", 0
        self._total: int | None = None

    def is_new(self, doing: str, done: int) -> bool:
        """Whether that is another step than the last one, or the same from its beginning."""
        return doing != self._doing or done < self._done

    def note(self, doing: str, done: int, total: int | None) -> bool:
        """Note the arguments of a `Progress`, and return whether a log should have a line of them."""
        if self.is_new(doing, done):
            # It began at the last progress of the step before.
            self._began, self._done = self._last, 0
        before, self._done, self._last = self._done, done, self.clock()
        self._doing, self._total = doing, total
        if total is None:
            return done // _ROWS_A_LINE > before // _ROWS_A_LINE
        return total >= self._least and done * _LINES // total > before * _LINES // total

    def facts(self) -> dict[str, str]:
        """What to log, by its name."""
        took = max((self.clock() - self._began).total_seconds(), 0.001)
        facts = {"doing": self._doing, self.counted: str(self._done)}
        facts |= {name: str(value) for name, value in self.more().items()}
        facts["rows_a_second"] = f"{int(facts['rows']) / took:.0f}"
        if self._total is not None:
            left = took * (self._total - self._done) / max(1, self._done)
            facts |= {self.counted: f"{self._done} of {self._total}", "time_left": str(timedelta(seconds=round(left)))}
        return facts


@contextmanager
def progress(tally: Tally, *, no_color: bool = False) -> Iterator[Progress]:
    """Show the progress that the yielded function is called with.

    Args:
        no_color: a bar without colors, as NO_COLOR in ``.env`` wants it; in the environment it counts anyway.
    """
    if is_watched():
        with _bar(tally.clock, no_color=no_color) as bar:
            yield _drawn_on(bar, tally)
    else:
        yield lambda *step: log.info("progress", **tally.facts()) if tally.note(*step) else None


@contextmanager
def growing(path: Path, doing: str, *, no_color: bool = False) -> Iterator[None]:
    """Show, on a terminal, the size of a file that something else writes meanwhile."""
    if not is_watched():
        yield
        return
    from rich import progress as rich  # noqa: PLC0415 - as below
    from rich.console import Console  # noqa: PLC0415

    columns = (rich.TextColumn("{task.description}"), rich.BarColumn(bar_width=None), rich.FileSizeColumn())
    times = (rich.TransferSpeedColumn(), rich.TimeElapsedColumn())
    console = Console(stderr=True, no_color=no_color or None)
    over = Event()
    with rich.Progress(*columns, *times, console=console, transient=True, expand=True) as bar:
        task = bar.add_task(doing, total=None)

        def look() -> None:
            while not over.wait(_LOOK_SECONDS):
                with suppress(OSError):
                    bar.update(task, completed=path.stat().st_size)

        looking = Thread(target=look, daemon=True)
        looking.start()
        try:
            yield
        finally:
            over.set()
            looking.join()


def _bar(clock: Callable[[], datetime], *, no_color: bool) -> Bar:
    """A transient bar on stderr, as wide as the terminal. Rich is loaded here alone."""
    from rich import progress as rich  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415

    return rich.Progress(
        rich.TextColumn("{task.description}"),
        rich.BarColumn(bar_width=None),
        rich.TaskProgressColumn(),
        rich.MofNCompleteColumn(),
        rich.TextColumn("{task.fields[said]}"),
        rich.TimeRemainingColumn(),
        console=Console(stderr=True, no_color=no_color or None),  # None: as the environment says
        transient=True,
        expand=True,
        get_time=lambda: clock().timestamp(),
    )


def _drawn_on(bar: Bar, tally: Tally) -> Progress:
    def draw(doing: str, done: int, total: int | None) -> None:
        if tally.is_new(doing, done):
            for old in bar.task_ids:
                bar.remove_task(old)
            bar.add_task(doing, total=total, said="")
        tally.note(doing, done, total)
        wide = bar.console.width >= _ROOM_FOR_MORE
        more = "".join(f", {value} {name}" for name, value in tally.more().items()) if wide else ""
        said = f"{tally.counted.replace('_', '-')}{more}, {tally.facts()['rows_a_second']} rows/s"
        bar.update(bar.task_ids[-1], total=total, completed=done, said=said)

    return draw
