"""Lenient readers of a source's JSON: the meaning counts, not the notation. Pure."""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from datetime import datetime, timezone
from functools import lru_cache

import msgspec

# Python refuses to make an int of more than 4,300 digits, and with it the whole text that holds them.
_LONGEST_INT = 4_000
_WHOLE = re.compile(r"\s*([+-]?[0-9]{1,20})(?:\.0*)?\s*")
_BELOW_MICROSECOND = re.compile(r"(\.\d{6})\d+")
# Before the first bitcoin: a time such as 0001-01-01 or 1970-01-01 is a zero.
_FIRST_YEAR, _LAST_YEAR = 2009, 9998


def json_value(text: bytes) -> object:
    """The JSON value of a text; NaN, and numbers that a double cannot hold, are texts.

    Raises ValueError or RecursionError if it is not JSON.
    """
    with suppress(ValueError, RecursionError):
        return msgspec.json.decode(text)
    # A literal such as NaN, a number too large, a byte order mark, a broken character; or not JSON at all.
    value = json.loads(
        text.decode("utf-8-sig", errors="replace"),
        parse_constant=str,
        parse_float=lambda digits: number if math.isfinite(number := float(digits)) else digits,
        parse_int=lambda digits: int(digits) if len(digits) <= _LONGEST_INT else digits,
    )
    # Half a character, which a log or a database would refuse, becomes a question mark.
    standard: object = json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    return standard


def whole(value: object) -> int | None:
    """The whole number of 1, 1.0, ``"1"`` and true alike; None if it is not one."""
    if isinstance(value, str):
        match = _WHOLE.fullmatch(value)
        return int(match[1]) if match else None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return int(value) if isinstance(value, int) else None


# The points of many coins share their times.
@lru_cache(maxsize=16_384)
def instant(text: str) -> datetime | None:
    """The instant of an RFC 3339 time from 2009 to 9998, by default in UTC; None for any other text."""
    try:
        # Cut to the microsecond: rounding could move a price into the next hour.
        found = msgspec.convert(_BELOW_MICROSECOND.sub(r"\1", text), datetime)
    except ValueError:
        return None
    if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        return None
    return found.astimezone(timezone.utc) if found.tzinfo else found.replace(tzinfo=timezone.utc)
