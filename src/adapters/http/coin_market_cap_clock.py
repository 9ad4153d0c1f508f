"""CoinMarketCap's clock against this host's: a wrong clock would put prices under the wrong hour. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from adapters._bases.errors import ClockError
from adapters._bases.tehran_zone import tehran_text

TOLERANCE = timedelta(minutes=5)
"""More than the age of an answer from a cache on the way and the seconds by which healthy clocks differ."""


def refuse_wrong_clock(body: object, *, now: datetime) -> None:
    """Compare the time in an answer (``status.timestamp``) with this host's.

    Args:
        body: the JSON value of an answer; one without a readable timestamp passes.
        now: aware; the moment at which the answer came.

    Raises:
        ClockError: they are further apart than `TOLERANCE`.
    """
    told = _timestamp(body)
    if told is not None and abs(told - now) > TOLERANCE:
        raise ClockError(
            f"this host's clock says {tehran_text(now)}, CoinMarketCap's {tehran_text(told)} (both in Tehran): "
            "prices would be stored under the wrong hour, so nothing was",
            next_step="set this host's clock, for example by: timedatectl set-ntp true",
        )


def _timestamp(body: object) -> datetime | None:
    status = body.get("status") if isinstance(body, dict) else None
    text = status.get("timestamp") if isinstance(status, dict) else None
    try:
        # Cut to the second: Python 3.10 reads neither the Z nor every number of digits after the point.
        return datetime.strptime(str(text)[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    except ValueError:
        return None
