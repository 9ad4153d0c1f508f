"""Numbers as people read them. Pure."""

from __future__ import annotations

import math

_DIGITS = 6
_MOST_DECIMALS = 14
_FEWEST_DAYS = 3
UNKNOWN = "\N{EN DASH}"


def price_text(value: float | None) -> str:
    """A price in at least six digits, without exponent, such as ``0.00000789110``, or a dash for None."""
    if value is None:
        return UNKNOWN
    magnitude = math.floor(math.log10(abs(value))) + 1 if value else 1
    return f"{value:,.{min(max(2, _DIGITS - magnitude), _MOST_DECIMALS)}f}"


def percent_text(value: float | None, digits: int = 1) -> str:
    """The value with that many decimals, ``99.9 %``, or a dash for None."""
    return UNKNOWN if value is None else f"{value:,.{digits}f} %"


def change_text(value: float | None) -> str:
    """The value with two decimals and its sign, ``+1.25 %``, with a true minus, or a dash for None."""
    return UNKNOWN if value is None else f"{value:+,.2f} %".replace("-", "\N{MINUS SIGN}")


def duration_text(seconds: float | None) -> str:
    """Whole seconds as ``12 s``, ``3 min 05 s`` or ``2 h 10 min``, or a dash for None."""
    if seconds is None:
        return UNKNOWN
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def period_text(hours: int) -> str:
    """A number of hours as people say it: ``7 d``, or ``36 h`` where they are no whole days or fewer than three."""
    days, rest = divmod(hours, 24)
    return f"{days:,} d" if days >= _FEWEST_DAYS and not rest else f"{hours:,} h"
