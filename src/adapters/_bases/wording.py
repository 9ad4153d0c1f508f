"""Numbers, lists and foreign text in messages: separators, plurals, and as much as can be read. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

_MOST_NAMES = 10
_LONGEST_SHOWN = 40


def counted(number: int, noun: str) -> str:
    """``1 hour``, ``1,000 hours``; a noun of several words takes its s at the end."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(time: timedelta) -> str:
    """In the two largest units: ``12 s``, ``3 min 5 s``, ``2 h 5 min``, ``4 d 1 h``; never negative."""
    minutes, seconds = divmod(max(0, int(time.total_seconds())), 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def listed(names: Sequence[str]) -> str:
    """The first ten names, and how many more there are."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def shown(value: object) -> str:
    """A foreign value for a message: short and on one line, regardless of its size."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, int) and value.bit_length() > 128:  # noqa: PLR2004 - longer than any number of a source
        return "a huge number"
    return ascii(value[:_LONGEST_SHOWN] if isinstance(value, str) else value)


def one_line(text: str, most: int = 1_000) -> str:
    """Foreign text for a message: one line, printable, cut after `most` characters."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text[: 2 * most])
    line = " ".join(printable.split())
    return line if len(line) <= most else f"{line[:most]}…"
