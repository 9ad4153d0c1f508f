"""How much of a span of hours is stored, and which of them are missing. Pure: no clock."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from adapters._bases.tehran_time import hour_key

SPANS = {"24h": 24, "7d": 7 * 24, "30d": 30 * 24}
"""The spans that people ask about, in hours before the present one; the longest last."""
_BLOCKS = "▁▂▃▄▅▆▇█"


class Share(NamedTuple):
    """How many of the hours that should be there are.

    Attributes:
        stored: hours with a price.
        expected: hours that should have one: those of the span, from the first hour ever stored on.
    """

    stored: int
    expected: int

    @property
    def percent(self) -> float | None:
        """The share in percent, to one decimal, cut off: 100 means every hour; None where none is expected."""
        return self.stored * 1000 // self.expected / 10 if self.expected else None


class Coverage(NamedTuple):
    """What is stored of one symbol.

    Attributes:
        counted_from: the first hour that counts; None when nothing was ever stored.
        shares: for each of `SPANS`.
        missing: hours of the longest span without a price, oldest first, without those of `without_quote`.
        without_quote: hours of the longest span without a price, that the source itself had none for, oldest first.
    """

    counted_from: datetime | None
    shares: Mapping[str, Share]
    missing: list[datetime]
    without_quote: list[datetime]


def cover(
    hours: Sequence[datetime], stored: Collection[str], holes: Collection[str], *, stored_before: bool
) -> Coverage:
    """What is stored of a symbol.

    Args:
        hours: aware starts of the hours of the longest span, oldest first.
        stored: keys of hours with a price.
        holes: keys of hours that the source had no quote for.
        stored_before: whether there is a price of an hour before the span; else counting starts with the first stored.
    """
    keys = [hour_key(hour) for hour in hours]
    begin = 0 if stored_before else next((number for number, key in enumerate(keys) if key in stored), len(keys))
    shares = {}
    for name, length in SPANS.items():
        span = keys[max(begin, len(keys) - length) :]
        shares[name] = Share(sum(key in stored for key in span), len(span))
    absent = [number for number in range(begin, len(keys)) if keys[number] not in stored]
    return Coverage(
        hours[begin] if begin < len(hours) else None,
        shares,
        [hours[number] for number in absent if keys[number] not in holes],
        [hours[number] for number in absent if keys[number] in holes],
    )


def sparkline(values: Sequence[float | None]) -> str:
    """The values as a line of blocks, the lowest and the highest at the ends of the scale; a dot for None."""
    there = [value for value in values if value is not None]
    if not there:
        return "·" * len(values)
    low, width = min(there), max(there) - min(there)
    top = len(_BLOCKS) - 1
    return "".join(
        "·" if value is None else _BLOCKS[round((value - low) / width * top) if width else top // 2] for value in values
    )
