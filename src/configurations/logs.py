"""Logging set-up: one line an event, in Tehran time, with its job and run, and never a secret.

Named ``logs`` because a module called ``logging`` would shadow the standard library's.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor

from adapters._bases.tehran_time import in_tehran, tehran_text
from configurations.config import Settings
from configurations.terminal_lines import terminal_renderer

if TYPE_CHECKING:
    _StreamHandler = logging.StreamHandler[TextIO]
else:
    _StreamHandler = logging.StreamHandler  # Python 3.10 cannot subscript it

HIDDEN = "***"
_SHORT = 4  # a secret with fewer characters is hidden only where it is a word of its own
_KEPT_LINES = 30
# httpx logs every request's whole address at INFO, its transport every header at DEBUG.
_TALKATIVE = ("httpx", "httpcore", "urllib3", "asyncio", "clickhouse_connect")

log = structlog.get_logger(__name__)


def set_up_logging(settings: Settings | None, clock: Callable[[], datetime], *, least: str = "DEBUG") -> None:
    """Send every log event of this process to stderr, in place of any former set-up.

    Times are Tehran wall time, ``YYYY-MM-DD HH:MM:SS``; those of JSON lines are ISO 8601 with its offset. On a
    terminal, console lines are short, see `terminal_renderer`; elsewhere each has all its facts.

    Args:
        settings: None while they are not known: then no exception's text is shown, for it may hold a secret.
        least: the least level shown, if LOG_LEVEL is lower.
    """
    as_json = settings is not None and settings.log_format == "json"

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
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=32, sort_keys=False)
    )
    short = terminal_renderer(colors=settings is not None and not settings.no_color)
    first = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        _redaction(settings.secrets() if settings else ()),
    ]
    whole, shown = (
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[*first, last])
        for last in (renderer, renderer if as_json or not sys.stderr.isatty() else short)
    )
    handlers = [_StderrHandler(), _KeepingHandler()]
    for handler, formatter in zip(handlers, (shown, whole), strict=True):
        handler.setFormatter(formatter)
    level = max(least, settings.log_level if settings else "INFO", key=logging.getLevelName)
    logging.basicConfig(handlers=handlers, level=level, force=True)
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


def last_lines() -> list[str]:
    """The last lines of the log, with all their facts."""
    return [line for one in logging.getLogger().handlers if isinstance(one, _KeepingHandler) for line in one.lines]


class _KeepingHandler(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines = deque[str](maxlen=_KEPT_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


class _StderrHandler(_StreamHandler):
    """Writes to what ``sys.stderr`` is at that moment: a progress bar takes its place while it is drawn."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _value: TextIO) -> None:
        pass


def rotate_log(path: Path, *, max_bytes: int = 5_000_000, keep: int = 3) -> bool:
    """Rename a large log that stdout or stderr is, ``cron.log`` to ``cron.log.1``, and so on; whether it was renamed.

    A failure is a warning: the output still goes where it went.
    """
    if not path.exists():
        return False
    try:
        outputs = [number for number in (1, 2) if os.path.samestat(os.fstat(number), path.stat())]
        if not outputs or path.stat().st_size < max_bytes:
            return False
        for number in range(keep - 1, 0, -1):
            older = path.with_name(f"{path.name}.{number}")
            if older.exists():
                older.replace(path.with_name(f"{path.name}.{number + 1}"))
        path.replace(path.with_name(f"{path.name}.1"))
        # Cron opened the log before the program started, so the open output is pointed at the new file.
        fresh = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        for number in outputs:
            os.dup2(fresh, number)
        os.close(fresh)
    except OSError as error:
        log.warning("log not rotated; it keeps growing", path=str(path), reason=str(error))
        return False
    return True


def _places_alone(exc_info: ExcInfo) -> str:
    """A traceback without the exception's own text."""
    return f"{''.join(traceback.format_tb(exc_info[2]))}{exc_info[0].__name__}: {HIDDEN}"


def _redaction(secrets: Iterable[str]) -> Processor:
    """Replaces secrets by ``***``."""
    # The longest first: one may contain another.
    longest_first = sorted(secrets, key=len, reverse=True)
    patterns = [
        re.escape(secret) if len(secret) >= _SHORT else rf"(?<!\w){re.escape(secret)}(?!\w)" for secret in longest_first
    ]
    hidden = re.compile("|".join(patterns)) if patterns else None

    def clean(value: object) -> object:
        if isinstance(value, dict):
            return {key: clean(inner) for key, inner in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [clean(inner) for inner in value]
        if value is None or isinstance(value, (bool, int, float)):
            return value
        return hidden.sub(HIDDEN, str(value)) if hidden else str(value)

    return lambda _logger, _method, event: {key: clean(value) for key, value in event.items()}
