"""What commands have in common: settings with their log, and words and tables for the operator."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Collection, Sequence

from configurations.config import Settings, load_settings
from configurations.logs import is_watched, set_up_logging
from crons.job import Finding
from crons.parts import system_clock

SHORT_WAIT_SECONDS = 2.0
"""How long a command that only looks waits for a job that has the embedded engine open."""
_WIDTH_WITHOUT_TERMINAL = 200
_ENDLESS = 100_000
_ANY_HEIGHT = 100
_LEAST_WIDTH = 20
"""Of the text beside an indent, in columns."""


def settings_with_log(*, quiet: bool = False) -> Settings:
    """The settings, with the log set up as they say.

    Args:
        quiet: no lines of the log but errors, and nothing that is only of interest while it is waited for.

    Raises:
        ConfigurationError: something in them is wrong.
    """
    settings = load_settings()
    set_up_logging(
        level="ERROR" if quiet else settings.log_level,
        form=settings.log_format,
        secrets=settings.secrets(),
        clock=system_clock,
        colours=not settings.no_color,
    )
    return settings


def say(text: str) -> None:
    """Print to stdout."""
    print(text)  # noqa: T201 - the edge to the operator


def say_wrapped(text: str, *, first: str = "", most_lines: int | None = None) -> None:
    """Print a paragraph to stdout: on a terminal broken at blanks to its width, elsewhere in one line.

    Args:
        text: without line ends.
        first: begins it; the lines below are indented by as much.
        most_lines: on a terminal; what is beyond them is left out and a sign of it put there. None for all.
    """
    size = terminal_size()
    if size is None:
        say(f"{first}{text}")
        return
    say(
        textwrap.fill(
            text,
            max(size.columns, len(first) + _LEAST_WIDTH),
            initial_indent=first,
            subsequent_indent=" " * len(first),
            break_on_hyphens=False,
            max_lines=most_lines,
            placeholder=" …",
        )
    )


def terminal_size() -> os.terminal_size | None:
    """Columns and lines of the terminal that stdout is; None where it is none."""
    return shutil.get_terminal_size() if sys.stdout.isatty() else None


def tell(text: str) -> None:
    """Print to stderr: what is no answer, but should be known."""
    print(text, file=sys.stderr)  # noqa: T201 - the edge to the operator


def mention(text: str) -> None:
    """Tell somebody who waits at a terminal what takes its time; elsewhere, or with --quiet, nothing is said."""
    if is_watched():
        tell(f"{text} …")


def show_table(
    columns: Sequence[str],
    rows: Collection[Sequence[str]],
    *,
    colours: Sequence[str | None] | None = None,
    no_color: bool = False,
    whole: bool = False,
) -> None:
    """Print a table to stdout: fitted to a terminal, plain where there is none.

    Args:
        columns: their headings.
        rows: cells as they are to be read; nothing in them is markup.
        colours: one for each row, None for none.
        no_color: not in colours, as NO_COLOR in ``.env`` wants it; in the environment it counts anyway.
        whole: each row is one line, whose cells are neither folded nor cut, however long it becomes.
    """
    from rich.console import Console  # noqa: PLC0415 - not every command draws a table
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=whole)
    for number, row in enumerate(rows):
        table.add_row(*map(Text, row), style=colours[number] if colours else None)
    size = terminal_size()
    width = _ENDLESS if whole else _WIDTH_WITHOUT_TERMINAL if size is None else size.columns
    # With a height: without one it takes a dumb terminal for one of 80 columns. None: as the environment says.
    console = Console(width=width, height=_ANY_HEIGHT, no_color=no_color or None)
    # Not printed by itself: it would end the program by its own exit code where nobody reads any longer.
    with console.capture() as drawn:
        console.print(table)
    say(drawn.get().removesuffix("\n"))


def show_findings(findings: Collection[Finding], *, no_color: bool, steps_below: bool = False) -> None:
    """Print what a check found, a row each; see `show_table`.

    Args:
        findings: what it found.
        no_color: not in colours.
        steps_below: what to do stands below the table, a whole line each, for it is long and is to be pasted.
    """
    steps = [f"{finding.subject}: {finding.next_step}" for finding in findings if finding.next_step]
    colours = {"ok": None, "warn": "yellow", "fail": "red"}
    show_table(
        ("what", "state", "found", *([] if steps_below else ["what to do"])),
        [finding[:3] if steps_below else finding for finding in findings],
        colours=[colours[finding.state] for finding in findings],
        no_color=no_color,
    )
    if steps_below and steps:
        say("\n".join(["", "what to do", *(f"  {step}" for step in steps), ""]))
