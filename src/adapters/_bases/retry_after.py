"""The wait that an HTTP answer asks for. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime


def retry_after_seconds(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Seconds to wait by the ``Retry-After`` header (RFC 9110, 10.2.3: seconds, or a date); never below 0.

    Args:
        headers: of the answer, names in lower case or in a mapping that does not mind.
        now: aware. A date is reckoned from the answer's own ``Date`` header where there is one, so that a wrong clock
            on this host neither shortens nor stretches the wait; else from this.

    Returns:
        None when the header is absent or unreadable.
    """
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        until = _moment(value)
        if until is None:
            return None
        seconds = (until - (_moment(headers.get("date", "")) or now)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    # "-0000" is the one zone that is read as naive; it still counts from UTC.
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)
