"""What commands share that look at data: settings with their log, and text and tables for the operator."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from itertools import zip_longest

from adapters._bases.errors import EtlError, StorageRejected
from adapters._bases.tehran_time import tehran_text
from configurations.config import PROJECT_ROOT, Settings, load_settings
from configurations.logs import at_blanks, is_watched, next_step, no_color, set_up_logging, stderr_width
from crons.job import Finding, Job
from crons.resources import has_no_database, require_owner, system_clock

_SCHEMA_VERSION = 1  # of JSON output: a field may be added, none is removed or changes its meaning
_COMMAND = re.compile(r'\./run\.sh [a-z_]+(?: (?:--[\w-]+|[A-Z0-9][\w:,.-]*|[a-z]+_[a-z_]+|"[^"]*"))*')
_GLUE = "\ue000"  # stands for the blanks of a command while a table is laid out
_UNLIMITED_WIDTH = 1 << 40


def settings_with_log(*, quiet: bool = False, writes: bool = False, needs_database: bool = False) -> Settings:
    """Load the settings and set up the log accordingly, for errors only if quiet; check the data's owner if `writes`.

    Raises StorageRejected if a database is needed and there is none: opening it would create it.
    """
    settings = load_settings()
    if writes:
        require_owner(settings)
    set_up_logging(settings, system_clock, least="ERROR" if quiet else "DEBUG")
    if needs_database and has_no_database(settings):
        raise StorageRejected("there is no database yet", next_step="run `./run.sh setup_db`, then cron_run")
    return settings


def stale_groups() -> list[str]:
    """The requirements files that have changed since run.sh installed from them."""
    stale = []
    for stamp in sorted((PROJECT_ROOT / ".venv").glob(".installed-*")):
        group = stamp.name.removeprefix(".installed-")
        path = PROJECT_ROOT / ("requirements.txt" if group == "main" else f"requirements-{group}.txt")
        with suppress(OSError):
            # run.sh stamps with the output of sha256sum.
            if not stamp.read_text().startswith(sha256(path.read_bytes()).hexdigest()):
                stale.append(path.name)
    return stale


def after_needs(job: Job, settings: Settings, command: str) -> str:
    """A command that asks for past hours, preceded by the setting that the source needs and does not have."""
    variable, _ = job.lacks(settings)
    return f"set {variable}, then {command}" if variable else command


def say(text: str) -> None:
    print(text)  # noqa: T201 - the edge to the operator


def say_json(now: datetime, **fields: object) -> None:
    """Print one JSON object: its version, the Tehran time, and the fields."""
    document = {"schema_version": _SCHEMA_VERSION, "now": tehran_text(now), **fields}
    say(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def tell(text: str) -> None:
    """Print to stderr what is not part of the answer, on a terminal wrapped at blanks."""
    if sys.stderr.isatty():
        text = "\n".join(at_blanks(stderr_width()).fill(line) for line in text.split("\n"))
    print(text, file=sys.stderr)  # noqa: T201 - the edge to the operator


def tell_error(error: EtlError) -> None:
    """Print an expected error to stderr: what failed, and the next step."""
    tell(f"error: {error.message}")
    if error.next_step:
        lines = next_step(error.next_step, stderr_width()) if sys.stderr.isatty() else [f"next: {error.next_step}"]
        print(*lines, sep="\n", file=sys.stderr)  # noqa: T201 - as above


def mention(text: str) -> None:
    """Announce a long step on a terminal, unless --quiet."""
    if is_watched():
        tell(f"{text} …")


def terminal_size() -> os.terminal_size | None:
    """Columns and lines of stdout's terminal, None if it is not a terminal."""
    return shutil.get_terminal_size() if sys.stdout.isatty() else None


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, styles: Sequence[str] = ()) -> None:
    """Print a table to stdout: fitted to a terminal; elsewhere each row is one line.

    Args:
        columns: their headings; empty for indented rows without headings.
        rows: plain text, never markup.
        styles: a color for each row; empty for none.
    """
    from rich.console import Console  # noqa: PLC0415 - not every command draws a table
    from rich.table import Column, Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    if not columns:
        rows = [("", *row) for row in rows]
    headings = columns or [""] * max(map(len, rows), default=0)
    folding = [Column(heading, overflow="fold") for heading in headings]
    table = Table(*folding, box=None, pad_edge=False, show_header=bool(columns), header_style="bold")
    for column, cells in zip(table.columns, zip(*rows, strict=False), strict=False):
        # A command stays on one line, to be pasted.
        column.min_width = max((len(found) for cell in cells for found in _COMMAND.findall(cell)), default=None)
    for row, style in zip_longest(rows, styles):
        glued = [_COMMAND.sub(lambda command: command[0].replace(" ", _GLUE), cell) for cell in row]
        table.add_row(*map(Text, glued), style=style)
    size = terminal_size()
    # Without a height rich takes a dumb terminal for one of 80 columns.
    console = Console(width=size.columns if size else _UNLIMITED_WIDTH, height=25, no_color=no_color())
    # Captured: printing directly, rich would exit by its own code if the reader of stdout has gone.
    with console.capture() as drawn:
        console.print(table)
    lines = drawn.get().removesuffix("\n").replace(_GLUE, " ")
    say(lines if size else "\n".join(line.rstrip() for line in lines.splitlines()))


def show_findings(findings: Sequence[Finding], *, as_json: bool, **fields: object) -> None:
    """Print findings as a table, and below it the next steps, each on one line to be pasted; or all as JSON."""
    states = [finding.state for finding in findings]
    if as_json:
        counts = {"failed": states.count("fail"), "warnings": states.count("warn")}
        say_json(system_clock(), **fields, **counts, findings=[finding._asdict() for finding in findings])
        return
    styles = {"ok": "", "warn": "yellow", "fail": "red"}
    rows = [finding[:3] for finding in findings]
    show_table(("what", "state", "found"), rows, styles=[styles[state] for state in states])
    if steps := [f"  {finding.subject}: {finding.next_step}" for finding in findings if finding.next_step]:
        say("\n".join(["", "what to do", *dict.fromkeys(steps), ""]))
