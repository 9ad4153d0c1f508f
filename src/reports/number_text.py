"""Numbers as the page writes them. Pure."""

from __future__ import annotations

import math

_DIGITS = 6
_MOST_DECIMALS = 14
UNKNOWN = "\N{EN DASH}"


def price_text(value: float | None) -> str:
    """A price in six digits at least, never in powers of ten: ``87,654.32``, ``0.00000789110``; a dash for None."""
    if value is None:
        return UNKNOWN
    magnitude = math.floor(math.log10(abs(value))) + 1 if value else 1
    return f"{value:,.{min(max(2, _DIGITS - magnitude), _MOST_DECIMALS)}f}"


def percent_text(value: float | None) -> str:
    """One decimal: ``99.9 %``; a dash for None."""
    return UNKNOWN if value is None else f"{value:.1f} %"


def change_text(value: float | None) -> str:
    """Two decimals and its sign: ``+1.25 %``, ``-0.40 %`` with a true minus; a dash for None."""
    return UNKNOWN if value is None else f"{value:+,.2f} %".replace("-", "\N{MINUS SIGN}")


def duration_text(seconds: float | None) -> str:
    """``0.4 s`` has no place in stored times: ``12 s``, ``3 min 05 s``, ``2 h 10 min``; a dash for None."""
    if seconds is None:
        return UNKNOWN
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def count_text(value: int) -> str:
    """``33,600``."""
    return f"{value:,}"
