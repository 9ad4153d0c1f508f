"""Lines for people at a terminal, those of the log above all: never broken within a word."""

from __future__ import annotations

import os
import sys
import textwrap

from structlog.typing import EventDict, WrappedLogger

_MOST_FACTS = 3
"""Of an event that is no warning: the first ones that say something."""
_BOUND = ("job", "run")
"""Facts that every line of a run has: at a terminal they are known."""
_COLOURS = {"warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}
_PLAIN = "\x1b[0m"
_WIDTH_UNKNOWN = 80
_LEAST_WIDTH = 20
"""Of the text beside an indent, in columns."""
_COMMAND = "./run.sh"


class TerminalRenderer:
    """Renders an event with a ``timestamp`` of Tehran text, broken at blanks to the terminal's width.

    A warning or an error has all its facts, and its ``next`` step on a line of its own; any other event its first
    three that are neither empty nor 0. A fact named ``what`` goes without its name. A word longer than a line stays
    whole.

    Args:
        colours: color the event of a warning and of an error.
        width: columns; by default those of the terminal that stderr is, asked anew for each event.
    """

    def __init__(self, *, colours: bool, width: int | None = None) -> None:
        self._colours = colours
        self._width = width

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> str:
        """The lines of one event, joined, without the last line end."""
        facts = dict(event)
        stamp, level = str(facts.pop("timestamp")), str(facts.pop("level"))
        what, trace = str(facts.pop("event")), facts.pop("exception", None)
        step = facts.pop("next", None)
        first = f"{stamp[-8:]} {level:<7} "
        wide = self._width or stderr_width()
        lines = at_blanks(wide, first).wrap(_sentence(what, facts, whole=level in _COLOURS))
        if step:
            lines += next_step(str(step), wide, " " * len(first))
        if self._colours and level in _COLOURS:
            lines = [f"{_COLOURS[level]}{line}{_PLAIN}" for line in lines]
        return "\n".join([*lines, str(trace)] if trace else lines)


def at_blanks(width: int, first: str = "") -> textwrap.TextWrapper:
    """Breaks a paragraph at blanks alone: a longer word stays whole, as a path that is to be pasted must.

    Args:
        width: of the terminal, in columns; the last stays free, for some terminals go on after it.
        first: begins the paragraph; the lines below are indented by as much.
    """
    return textwrap.TextWrapper(
        max(width - 1, len(first) + _LEAST_WIDTH), initial_indent=first, subsequent_indent=" " * len(first),
        break_on_hyphens=False, break_long_words=False, placeholder=" …",
    )  # fmt: skip


def next_step(step: str, width: int, indent: str = "") -> list[str]:
    """The lines of a next step; a command stays on one line, to be pasted."""
    first = f"{indent}next: "
    return [first + step] if step.startswith(_COMMAND) else at_blanks(width, first).wrap(step)


def _sentence(what: str, facts: EventDict, *, whole: bool) -> str:
    told = [
        str(value) if name == "what" else f"{name}={value}"
        for name, value in facts.items()
        if name not in _BOUND and (value or whole)
    ]
    return f"{what}: {', '.join(told if whole else told[:_MOST_FACTS])}" if told else what


def stderr_width() -> int:
    """Columns of the terminal behind stderr, also while a bar stands in for ``sys.stderr``."""
    try:
        return os.get_terminal_size(sys.__stderr__.fileno()).columns if sys.__stderr__ else _WIDTH_UNKNOWN
    except (OSError, ValueError):
        return _WIDTH_UNKNOWN
