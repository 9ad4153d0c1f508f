"""Lines for a terminal, broken at blanks."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Callable

from structlog.typing import EventDict, WrappedLogger

_MOST_FACTS = 3  # of an event below a warning
_BOUND = ("job", "run")  # facts of every line of a run, which are known at a terminal
_COLORS = {"warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}
_PLAIN = "\x1b[0m"
_WIDTH_UNKNOWN = 80
_LEAST_WIDTH = 20  # of the text beside an indent, in columns
_COMMAND = "./run.sh"


def terminal_renderer(*, colors: bool, width: int | None = None) -> Callable[[WrappedLogger, str, EventDict], str]:
    """Render an event with a ``timestamp`` of Tehran text, broken at blanks to the terminal's width.

    A warning or an error has all its facts, and its ``next`` step on a line of its own; any other event only its first
    three that are neither empty nor 0. A fact named ``what`` goes without its name.

    Args:
        colors: color warnings and errors.
        width: columns; by default those of the terminal, asked for each event.
    """

    def render(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
        facts = dict(event)
        stamp, level = str(facts.pop("timestamp")), str(facts.pop("level"))
        what, trace, step = str(facts.pop("event")), facts.pop("exception", None), facts.pop("next", None)
        whole = level in _COLORS
        shown = [
            str(value) if name == "what" else f"{name}={value}"
            for name, value in facts.items()
            if name not in _BOUND and (value or whole)
        ]
        if shown:
            what = f"{what}: {', '.join(shown if whole else shown[:_MOST_FACTS])}"
        first = f"{stamp[-8:]} {level:<7} "
        columns = width or stderr_width()
        lines = at_blanks(columns, first).wrap(what)
        if step:
            lines += next_step(str(step), columns, " " * len(first))
        if colors and whole:
            lines = [f"{_COLORS[level]}{line}{_PLAIN}" for line in lines]
        return "\n".join([*lines, str(trace)] if trace else lines)

    return render


def at_blanks(width: int, first: str = "") -> textwrap.TextWrapper:
    """Breaks a paragraph at blanks only, so that a path can be pasted; ``first`` begins it and sets the indent."""
    # The last column stays free: some terminals break after it.
    return textwrap.TextWrapper(
        max(width - 1, len(first) + _LEAST_WIDTH), initial_indent=first, subsequent_indent=" " * len(first),
        break_on_hyphens=False, break_long_words=False, placeholder=" …",
    )  # fmt: skip


def next_step(step: str, width: int, indent: str = "") -> list[str]:
    """The lines of a next step; a command stays on one line, to be pasted."""
    first = f"{indent}next: "
    return [first + step] if step.startswith(_COMMAND) else at_blanks(width, first).wrap(step)


def stderr_width() -> int:
    """Columns of the terminal behind stderr, also while a bar stands in for ``sys.stderr``."""
    try:
        return os.get_terminal_size(sys.__stderr__.fileno()).columns if sys.__stderr__ else _WIDTH_UNKNOWN
    except (OSError, ValueError):
        return _WIDTH_UNKNOWN
