"""What commands have in common: settings with their log, and words and tables for the operator."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence

from configurations.config import Settings, load_settings
from configurations.logs import set_up_logging
from crons.clock import system_clock
from crons.findings import Finding
from crons.progress import bars_are_wanted

SHORT_WAIT_SECONDS = 2.0
"""How long a command that only looks waits for a job that has the embedded engine open."""
_WIDTH_WITHOUT_TERMINAL = 200


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


def tell(text: str) -> None:
    """Print to stderr: what is no answer, but should be known."""
    print(text, file=sys.stderr)  # noqa: T201 - the edge to the operator


def mention(text: str) -> None:
    """Tell somebody who waits at a terminal what takes its time; elsewhere, or with --quiet, nothing is said."""
    if bars_are_wanted():
        tell(f"{text} …")


def show_table(
    columns: Sequence[str],
    rows: Collection[Sequence[str]],
    *,
    colours: Sequence[str | None] | None = None,
    no_color: bool = False,
) -> None:
    """Print a table to stdout: fitted to a terminal, plain where there is none.

    Args:
        columns: their headings.
        rows: cells as they are to be read; nothing in them is markup.
        colours: one for each row, None for none.
        no_color: not in colours, as NO_COLOR in ``.env`` wants it; in the environment it counts anyway.
    """
    from rich.console import Console  # noqa: PLC0415 - not every command draws a table
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for number, row in enumerate(rows):
        table.add_row(*map(Text, row), style=colours[number] if colours else None)
    # None: as the environment says.
    console = Console(width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL, no_color=no_color or None)
    # Not printed by itself: it would end the program by its own exit code where nobody reads any longer.
    with console.capture() as drawn:
        console.print(table)
    say(drawn.get().removesuffix("\n"))


def show_findings(findings: Collection[Finding], *, no_color: bool) -> None:
    """Print what a check found, a row each; see `show_table`."""
    colours = {"ok": None, "warn": "yellow", "fail": "red"}
    show_table(
        ("what", "state", "found", "what to do"),
        [(finding.subject, finding.state, finding.detail, finding.next_step) for finding in findings],
        colours=[colours[finding.state] for finding in findings],
        no_color=no_color,
    )
