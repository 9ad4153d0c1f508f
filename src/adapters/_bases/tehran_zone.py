"""The zone of every stored timestamp, and its text form. Pure once imported."""

from __future__ import annotations

from datetime import datetime
from importlib.resources import files
from zoneinfo import ZoneInfo

TEXT_FORMAT = "%Y-%m-%d %H:%M:%S"
_TEXT_LENGTH = 19


def _load_zone() -> ZoneInfo:
    # From the locked tzdata package, never from the host: a host with zone data of before 2022 still moves Tehran's
    # clocks in summer, and ZoneInfo("Asia/Tehran") prefers the host's data.
    with (files("tzdata.zoneinfo.Asia") / "Tehran").open("rb") as data:
        return ZoneInfo.from_file(data, key="Asia/Tehran")


TEHRAN = _load_zone()


def in_tehran(instant: datetime) -> datetime:
    """The same instant on Tehran's clock.

    Raises:
        ValueError: the instant is naive.
    """
    if instant.tzinfo is None:
        raise ValueError(f"naive time refused: {instant!r}")
    return instant.astimezone(TEHRAN)


def tehran_text(instant: datetime) -> str:
    """An aware instant as Tehran wall time, ``YYYY-MM-DD HH:MM:SS``, its fraction of a second cut off.

    Raises:
        ValueError: the instant is naive.
    """
    return in_tehran(instant).isoformat(" ", "seconds")[:_TEXT_LENGTH]  # TEXT_FORMAT, in two thirds of strftime's time
