"""Numbers and lists in sentences: thousands separators, plurals, and as many names as can be read."""

from __future__ import annotations

import re
from collections.abc import Sequence

_MOST_NAMES = 10


def counted(number: int, noun: str) -> str:
    """``1 hour``, ``1,000 hours``; a noun of several words takes its s at the end."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shortened(path: str) -> str:
    """The path of an address with its last two parts only, so that the reason that follows is seen."""
    return re.sub(r"^/[^/]+(?:/[^/]+)*(/[^/]+/[^/]+)$", r"/…\1", path)


def listed(names: Sequence[str]) -> str:
    """The first ten names, and how many more there are."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")
