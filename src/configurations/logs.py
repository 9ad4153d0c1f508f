"""Logging set-up: one line an event, in Tehran time, with its job and run, and never a secret.

Named ``logs`` because a module called ``logging`` would shadow the standard library's.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import textwrap
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import structlog
from structlog.typing import EventDict, ExcInfo, Processor

from adapters._bases.tehran_time import in_tehran, tehran_text
from configurations.config import Settings

HIDDEN = "***"
_SHORT = 4  # a secret with fewer characters is hidden only where it is a word of its own
_KEPT_LINES = 30
_MOST_LOG_BYTES, _LOGS_KEPT = 5_000_000, 3
# httpx logs every request's whole address at INFO, its transport every header at DEBUG.
_TALKATIVE = ("httpx", "httpcore", "urllib3", "asyncio", "clickhouse_connect")
_MOST_FACTS = 3  # of an event below a warning
_BOUND = ("job", "run")  # facts of every line of a run, which are known at a terminal
_COLORS = {"warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}
_PLAIN = "\x1b[0m"
_WIDTH_UNKNOWN = 80
_LEAST_WIDTH = 20  # of the text beside an indent, in columns
_COMMAND = "./run.sh"

log = structlog.get_logger(__name__)


def set_up_logging(settings: Settings | None, clock: Callable[[], datetime], *, least: str = "DEBUG") -> None:
    """Send every log event of this process to stderr, in place of any former set-up.

    Times are Tehran wall time, ``YYYY-MM-DD HH:MM:SS``; those of JSON lines are ISO 8601 with its offset. On a
    terminal, console lines are short, see `terminal_lines`; elsewhere each has all its facts.

    Args:
        settings: None while they are not known: then no exception's text is shown, for it may hold a secret.
        least: the least level shown, if LOG_LEVEL is lower.
    """
    chosen = settings or Settings()
    as_json = chosen.log_format == "json"

    def stamp(_logger: object, _method: str, event: EventDict) -> EventDict:
        now = clock()
        text = in_tehran(now).isoformat(timespec="seconds") if as_json else tehran_text(now)
        return {"timestamp": text, **event}

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        stamp,
        structlog.processors.format_exc_info if settings else structlog.processors.ExceptionRenderer(_places_alone),
    ]
    whole: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=32, sort_keys=False)
    )

    def short(_logger: object, _method: str, event: EventDict) -> str:
        return terminal_lines(event, stderr_width(), colors=settings is not None and not chosen.no_color)

    redaction = _redaction(chosen.secrets())
    formatters = [
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, redaction, last],
        )
        for last in (short if sys.stderr.isatty() and not as_json else whole, whole)
    ]
    level = max(least, chosen.log_level, key=logging.getLevelName)
    logging.basicConfig(handlers=[_Handler(*formatters, no_color=bool(chosen.no_color))], level=level, force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    # It warns of each failed try, as our own errors do. Not "urllib3", whose level clickhouse_connect sets again.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level.lower()),
        cache_logger_on_first_use=False,
    )


def is_watched() -> bool:
    """Whether stderr is a terminal, and more than warnings is wanted there."""
    return sys.stderr.isatty() and logging.getLogger().isEnabledFor(logging.INFO)


def no_color() -> bool | None:
    """Whether the settings forbid colors, for rich; None leaves that to NO_COLOR of the environment."""
    return any(one.no_color for one in _handlers()) or None


def last_lines() -> list[str]:
    """The last lines of the log, with all their facts."""
    return [line for one in _handlers() for line in one.lines]


def _handlers() -> list[_Handler]:
    return [one for one in logging.getLogger().handlers if isinstance(one, _Handler)]


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]  # Python 3.10 cannot subscript it
    def __init__(self, shown: logging.Formatter, whole: logging.Formatter, *, no_color: bool) -> None:
        super().__init__()
        self.setFormatter(shown)
        self._whole, self.no_color = whole, no_color
        self.lines = deque[str](maxlen=_KEPT_LINES)

    def format(self, record: logging.LogRecord) -> str:
        self.lines.append(self._whole.format(record))
        return super().format(record)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr  # at that moment: a progress bar takes its place while it is drawn
        super().emit(record)


def rotate_log(path: Path) -> None:
    """Rename a large log that stdout or stderr is, ``cron.log`` to ``cron.log.1`` and so on; a failure is a warning."""
    if not path.exists():
        return
    try:
        outputs = [number for number in (1, 2) if os.path.samestat(os.fstat(number), path.stat())]
        if not outputs or path.stat().st_size < _MOST_LOG_BYTES:
            return
        older = [path.with_name(f"{path.name}.{number}") for number in range(1, _LOGS_KEPT + 1)]
        for source, target in reversed(list(pairwise([path, *older]))):
            if source.exists():
                source.replace(target)
        # Cron opened the log before the program started, so the open output is pointed at the new file.
        fresh = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        for number in outputs:
            os.dup2(fresh, number)
        os.close(fresh)
    except OSError as error:
        log.warning("log not rotated; it keeps growing", path=str(path), reason=str(error))


def _places_alone(exc_info: ExcInfo) -> str:
    """A traceback without the exception's own text."""
    return f"{''.join(traceback.format_tb(exc_info[2]))}{exc_info[0].__name__}: {HIDDEN}"


def _redaction(secrets: Iterable[str]) -> Processor:
    # The longest first: one may contain another.
    longest_first = sorted(secrets, key=len, reverse=True)
    patterns = [
        re.escape(secret) if len(secret) >= _SHORT else rf"(?<!\w){re.escape(secret)}(?!\w)" for secret in longest_first
    ]
    hidden = re.compile("|".join(patterns)) if patterns else None

    def clean(value: object) -> object:
        if isinstance(value, list):
            return [clean(one) for one in value]
        if value is None or isinstance(value, (bool, int, float)):
            return value
        return hidden.sub(HIDDEN, str(value)) if hidden else str(value)

    return lambda _logger, _method, event: {key: clean(value) for key, value in event.items()}


def terminal_lines(event: EventDict, width: int, *, colors: bool) -> str:
    """An event with a ``timestamp`` of Tehran text, broken at blanks to a terminal of ``width`` columns.

    A warning or an error has all its facts, and its ``next`` step on a line of its own; any other event only its first
    three that are neither empty nor 0. A fact named ``what`` goes without its name.
    """
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
    lines = at_blanks(width, first).wrap(what)
    if step:
        lines += next_step(str(step), width, " " * len(first))
    if colors and whole:
        lines = [f"{_COLORS[level]}{line}{_PLAIN}" for line in lines]
    return "\n".join([*lines, str(trace)] if trace else lines)


def at_blanks(width: int, first: str = "") -> textwrap.TextWrapper:
    """Break a paragraph at blanks only, so that a path can be pasted; ``first`` begins it and sets the indent."""
    # The last column stays free: some terminals break after it.
    width, indent = max(width - 1, len(first) + _LEAST_WIDTH), " " * len(first)
    return textwrap.TextWrapper(width, first, indent, break_on_hyphens=False, break_long_words=False)


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
