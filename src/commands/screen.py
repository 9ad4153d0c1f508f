"""What commands share: settings with their log, and text and tables for the operator."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from adapters._bases.errors import EtlError
from configurations.config import PROJECT_ROOT, Settings, load_settings
from configurations.logs import is_watched, set_up_logging
from configurations.terminal_lines import at_blanks, next_step, stderr_width
from crons.job import Finding, Job
from crons.resources import system_clock

SHORT_WAIT_SECONDS = 2.0
"""How long a command that only looks waits for a job that has the embedded engine open."""
_ENDLESS = 100_000
_ANY_HEIGHT = 100


def settings_with_log(*, quiet: bool = False) -> Settings:
    """The settings, with the log set up as they say, or for errors only when quiet.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    settings = load_settings()
    set_up_logging(settings, system_clock, least="ERROR" if quiet else "DEBUG")
    return settings


def stale_groups(root: Path = PROJECT_ROOT) -> list[str]:
    """The requirements files that have changed since run.sh installed from them; those it never did are left out."""
    stale = []
    for stamp in sorted((root / ".venv").glob(".installed-*")):
        group = stamp.name.removeprefix(".installed-")
        path = root / ("requirements.txt" if group == "main" else f"requirements-{group}.txt")
        with suppress(OSError, subprocess.SubprocessError):
            # run.sh stamps with what cksum says of the file.
            with path.open("rb") as file:
                known = subprocess.run(["cksum"], stdin=file, capture_output=True, text=True, check=True)  # noqa: S607
            if not stamp.read_text().startswith(known.stdout.strip()):
                stale.append(path.name)
    return stale


def after_needs(job: Job, settings: Settings, command: str) -> str:
    """A command that asks a job's source for past hours, after what it lacks, such as a key."""
    needed = job.past_needs
    lacking = needed is not None and not getattr(settings, needed.variable.lower(), True)
    return f"set {needed.variable}, then {command}" if needed and lacking else command


def say(text: str) -> None:
    """Print to stdout."""
    print(text)  # noqa: T201 - the edge to the operator


def say_wrapped(text: str, *, first: str = "", most_lines: int | None = None) -> None:
    """Print a paragraph to stdout: on a terminal broken at blanks to its width, elsewhere in one line.

    Args:
        text: without line ends.
        first: begins it; the lines below are indented by as much.
        most_lines: on a terminal, the rest is replaced by a sign; None for all lines.
    """
    size = terminal_size()
    if size is None:
        say(f"{first}{text}")
        return
    form = at_blanks(size.columns, first)
    form.max_lines = most_lines
    say(form.fill(text))


def terminal_size() -> os.terminal_size | None:
    """Columns and lines of the terminal that stdout is, None where it is not a terminal."""
    return shutil.get_terminal_size() if sys.stdout.isatty() else None


def tell(text: str) -> None:
    """Print to stderr what is not part of the answer: on a terminal broken at blanks to its width."""
    if sys.stderr.isatty():
        text = "\n".join(at_blanks(stderr_width()).fill(line) for line in text.split("\n"))
    print(text, file=sys.stderr)  # noqa: T201 - the edge to the operator


def tell_error(error: EtlError) -> None:
    """Print an expected error to stderr: what failed, and the next step."""
    tell(f"error: {error.message}")
    if error.next_step and sys.stderr.isatty():
        print(*next_step(error.next_step, stderr_width()), sep="\n", file=sys.stderr)  # noqa: T201 - as above
    elif error.next_step:
        tell(f"next: {error.next_step}")


def mention(text: str) -> None:
    """Print to a watching terminal, unless --quiet, what is about to take a while."""
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
    """Print a table to stdout: fitted to a terminal; elsewhere each row is one line.

    Args:
        columns: their headings.
        rows: plain text, never markup.
        colours: one for each row, None for none.
        no_color: without colors, as NO_COLOR in ``.env`` wants it; in the environment it counts anyway.
        whole: each row is one line, neither folded nor cut, however long.
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
    width = _ENDLESS if whole or size is None else size.columns
    # Without a height it takes a dumb terminal for one of 80 columns. None: as the environment says.
    console = Console(width=width, height=_ANY_HEIGHT, no_color=no_color or None)
    # Not printed by itself: it would end the program by its own exit code when the reader of stdout has gone.
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
