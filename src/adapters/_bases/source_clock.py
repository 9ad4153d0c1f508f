"""This host's clock against that of a source. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from adapters._bases.errors import ClockError
from adapters._bases.tehran_time import tehran_text

TOLERANCE = timedelta(minutes=5)
"""More than the age of a cached answer plus the seconds by which healthy clocks differ."""


def check_clock(theirs: datetime | None, *, now: datetime, source: str) -> None:
    """Compare a source's time, where it gives one, with this host's when the answer came; both aware.

    Raises:
        ClockError: they are further apart than `TOLERANCE`.
    """
    if theirs is not None and abs(theirs - now) > TOLERANCE:
        raise ClockError(
            f"this host's clock says {tehran_text(now)}, {source}'s {tehran_text(theirs)} (both in Tehran): "
            "prices would be stored under the wrong hour, so nothing was",
            next_step="set this host's clock, for example by: timedatectl set-ntp true",
        )
