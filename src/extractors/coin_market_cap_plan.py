"""Plans the cheapest calls of ``quotes/historical`` for wanted hours. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from adapters._bases.tehran_time import HOUR, hour_ranges

MAX_IDS = 250
# The documented maximum of `count`, read as all coins of a call together, the safer of its two readings.
MAX_POINTS = 10_000
POINTS_PER_CREDIT = 100
# Tehran hours begin at half past in UTC, which hourly points never meet; half-hourly points do.
POINTS_PER_HOUR = 2
_AROUND = 2  # points of each coin beside those of its hours


class HistoricalCall(NamedTuple):
    """One call: these coins, at most `MAX_IDS`, for each hour that starts in [start, end), both in UTC.

    It asks for a point more before and after the hours, by which an answer shows that it is whole.
    """

    ids: tuple[int, ...]
    start: datetime
    end: datetime

    @property
    def points(self) -> int:
        """Points in a complete answer, all coins together."""
        return len(self.ids) * ((self.end - self.start) // HOUR * POINTS_PER_HOUR + _AROUND)

    @property
    def asked_from(self) -> datetime:
        """The exclusive start to send."""
        return self.start - HOUR

    @property
    def limit(self) -> int:
        """The ``count`` to send: one point more per coin, in case the exclusive ``time_start`` is inclusive."""
        return self.points + len(self.ids)

    @property
    def credits(self) -> int:
        """The highest cost: 1 credit for each 100 points begun."""
        return -(-self.points // POINTS_PER_CREDIT)


def plan_calls(wanted: Mapping[int, Collection[datetime]]) -> list[HistoricalCall]:
    """The calls that fetch every wanted hour (id to aware starts), and perhaps others, the earliest first.

    Near ranges are combined wherever that costs no more. The plan never costs more than the whole span of every coin.
    """
    ranges: dict[int, list[tuple[datetime, datetime]]] = {}
    of_range: dict[tuple[datetime, datetime], list[int]] = {}
    for cmc_id, hours in sorted(wanted.items(), key=lambda item: item[0]):
        # A backfill wants the same hours of every coin: one object, sorted only once.
        if id(hours) not in ranges:
            ranges[id(hours)] = hour_ranges(hours)
        for span in ranges[id(hours)]:
            of_range.setdefault(span, []).append(cmc_id)
    if not of_range:
        return []
    # Coins by range, neighbors joined until no join pays; not yet within the bounds of a call.
    boxes = [HistoricalCall(tuple(some), first, last + HOUR) for (first, last), some in sorted(of_range.items())]
    while len(joined := _joined(boxes)) < len(boxes):
        boxes = joined
    ids = tuple(sorted({cmc_id for box in boxes for cmc_id in box.ids}))
    everything = HistoricalCall(ids, boxes[0].start, max(box.end for box in boxes))
    scattered = sorted((call for box in boxes for call in _split(box)), key=lambda call: (call.start, call.ids))
    return min(scattered, list(_split(everything)), key=credits_of)


def credits_of(calls: Iterable[HistoricalCall]) -> int:
    """What calls cost together, at most."""
    return sum(call.credits for call in calls)


def within_credits(calls: Sequence[HistoricalCall], most: float) -> list[HistoricalCall]:
    """The first of the calls that together cost at most ``most`` credits, the last one reduced to fit."""
    taken: list[HistoricalCall] = []
    for call in calls:
        left = most - credits_of(taken)
        if call.credits > left:
            points = int(left) * POINTS_PER_CREDIT
            # The part that fits: fewer coins, else fewer hours of one coin.
            if coins := points // (call.points // len(call.ids)):
                taken.append(call._replace(ids=call.ids[:coins]))
            elif hours := max(0, points - _AROUND) // POINTS_PER_HOUR:
                taken.append(call._replace(ids=call.ids[:1], end=call.start + hours * HOUR))
            break
        taken.append(call)
    return taken


def _joined(boxes: Sequence[HistoricalCall]) -> list[HistoricalCall]:
    """Each box with the previous one, where one box costs no more than two."""
    joined: list[HistoricalCall] = []
    for box in boxes:
        if joined:
            last = joined[-1]
            ids = tuple(sorted({*last.ids, *box.ids}))
            both = HistoricalCall(ids, min(last.start, box.start), max(last.end, box.end))
            if credits_of(_split(both)) <= credits_of(_split(last)) + credits_of(_split(box)):
                joined[-1] = both
                continue
        joined.append(box)
    return joined


def _split(box: HistoricalCall) -> Iterator[HistoricalCall]:
    """Calls within the API's bounds for every hour of every coin of a box."""
    longest = (MAX_POINTS - 1 - _AROUND) // POINTS_PER_HOUR * HOUR
    start = box.start
    while start < box.end:
        end = min(start + longest, box.end)
        size = min(MAX_IDS, MAX_POINTS // ((end - start) // HOUR * POINTS_PER_HOUR + 1 + _AROUND))
        for first in range(0, len(box.ids), size):
            yield HistoricalCall(box.ids[first : first + size], start, end)
        start = end
