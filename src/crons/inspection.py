"""What is stored of each symbol lately, and what is wrong with what is stored: of any table with holes. Reads only."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Sized
from contextlib import suppress
from datetime import datetime, timezone
from typing import TypeAlias

from adapters._bases.errors import StorageRejected
from adapters._bases.hourly_repository import MOST_FOUND, HourlyRepository, StoredHours, Wrong
from adapters._bases.tehran_time import HOUR, TEHRAN, describe_hours, from_text, hour_key, hours_before
from crons.job import Finding, Series
from transformers.coverage import SPANS, Hours, cover, hours_by_key, missing_among, reach

_TREND_HOURS = 24
_NOTHING = StoredHours(frozenset(), "", None, {})


def series_of(table: HourlyRepository, symbols: Sequence[str], now: datetime) -> list[Series]:
    """What is stored of each of these symbols, in their order; of the last 30 days and no further back.

    Raises:
        StorageUnavailable: the database does not answer.
        StorageRejected: it refuses.
    """
    hours = hours_by_key(hours_before(now, max(SPANS.values())))
    keys, present = list(hours), hour_key(now)
    recent = [*keys[-_TREND_HOURS:], present]
    # Not beyond the present hour: a row of an hour to come, which `verify` names, says nothing of how late it is.
    # The last hour's counterpart of a day before is wanted too, and the last hour may be a day old.
    stored = table.stored(symbols, first=keys[0], last=present, valued_from=keys[-2 * _TREND_HOURS])
    whole = [symbol for symbol, there in stored.items() if keys[0] in there.hours]
    first_hours = dict.fromkeys(whole, keys[0]) | table.first_hours(sorted(set(symbols).difference(whole)))
    holes = table.holes_by_symbol(symbols, first=keys[0], last=keys[-1])
    made = []
    for symbol in symbols:
        there = stored.get(symbol, _NOTHING)
        coverage = cover(hours, there.hours, holes.get(symbol, ()), first=first_hours.get(symbol))
        trend = [_known(there.values.get(key)) for key in recent]
        last_hour, last_price = (there.last_hour, _known(there.last_value)) if there.hours else (None, None)
        made.append(Series(symbol, last_hour, last_price, coverage, trend, _change(there, last_hour, last_price)))
    return made


def _change(there: StoredHours, last_hour: str | None, last_price: float | None) -> float | None:
    """The change in percent from the price of 24 hours before, None where one of the two is not known."""
    if last_hour is None or last_price is None:
        return None
    before = _known(there.values.get(hour_key(from_text(last_hour).astimezone(timezone.utc) - _TREND_HOURS * HOUR)))
    return (last_price / before - 1) * 100 if before else None


def _known(price: float | None) -> float | None:
    """The price; None where there is none, or one that is no number: `verify` names it."""
    return price if price is not None and math.isfinite(price) else None


_Break: TypeAlias = "tuple[str, str, str]"
"""A symbol, its last hour before a gap and its first one after it."""


_SHOWN = 10


def faults_of(
    table: HourlyRepository, job: str, followed: Sequence[str], now: datetime, *, more: Sequence[Finding] = ()
) -> list[Finding]:
    """What is wrong with the stored prices, a finding for each thing looked at; the whole table is read.

    Args:
        table: of the prices.
        job: whose they are, for the commands that mend them.
        followed: the symbols of the settings.
        now: aware.
        more: what the job itself has found.

    Raises:
        StorageUnavailable: the database does not answer.
        StorageRejected: it refuses.
    """
    present = hour_key(now)
    wrong, absurd, stuck = table.wrong_keys(), table.absurd_values(), table.stuck_mutations()
    kept = "to keep the rows that the view shows"
    return [
        finding("duplicate keys", _lines(table.duplicate_keys()), f"{kept}: {table.without_duplicates()}"),
        *_superseded(table.count_superseded()),
        finding(
            "keys against fetched_at",
            _lines(wrong),
            f"./run.sh cron_heal {job} {reach(_instants(wrong), now)}, once they are gone: "
            + table.without_wrong_keys(),
        ),
        finding(
            "future rows",
            _lines(table.future_rows(present=present)),
            "see the clock of the host that wrote them, then remove them: "
            + table.without_future_rows(present=present),
        ),
        finding("prices", _lines(absurd), _asked_again(job, absurd, followed, now)),
        *more,
        _missing_hours(
            job, table.breaks(followed, last=present), table.holes_by_symbol(followed, first="", last="9999"), now
        ),
        finding(
            "stuck mutations",
            [f"{mutation.mutation_id}: {mutation.reason}" for mutation in stuck],
            f"withdraw them, then see why they failed: {'; '.join(mutation.kill_statement for mutation in stuck)}",
        ),
    ]


def of_shape(table: HourlyRepository, look: Callable[[], list[Finding]]) -> list[Finding]:
    """Whether table and views have the shape that they should have, and then what `look` finds.

    Raises:
        StorageUnavailable: the database does not answer.
        StorageRejected: it refuses, and not because the table has another shape, which is a finding.
    """
    differences = table.differences()
    shape = finding(
        "shape", differences, "./run.sh setup_db, which renews a view; a table that differs has to be renamed first"
    )
    try:
        return [shape, *look()]
    except StorageRejected as error:
        if not differences:
            raise
        return [shape, Finding("rows", "fail", f"cannot be looked through in this shape: {error.message}")]


def _superseded(rows: int) -> list[Finding]:
    """Older versions of changed rows, where there are any: no reader of the view sees them."""
    return [Finding("superseded versions", "ok", f"{rows:,}, until ClickHouse merges them")] if rows else []


def _asked_again(job: str, absurd: Sequence[Wrong], followed: Collection[str], now: datetime) -> str:
    """What asks the source again for these prices: a run for the present hour, which no backfill reaches."""
    present = hour_key(now)
    past = [one for one in absurd if one.hour < present]
    steps = [f"./run.sh cron_backfill {job} {reach(_instants(past), now)}"] if past else []
    steps += [f"./run.sh cron_run {job}"] if any(one.hour == present for one in absurd) else []
    left = sorted({one.symbol for one in absurd}.difference(followed))
    first = f"put {', '.join(left)} into SYMBOLS, then " if left else ""
    return f"{first}{', then '.join(steps)}" if steps else "they are gone with the future rows"


def _missing_hours(job: str, breaks: Sequence[_Break], holes: Mapping[str, Collection[str]], now: datetime) -> Finding:
    missing = _gaps(breaks, holes)
    hours = [hour for gaps in missing.values() for hour in gaps]
    cut = len(breaks) >= MOST_FOUND
    return finding(
        "missing hours",
        [f"{symbol}: {len(gaps)} h: {describe_hours(gaps)}" for symbol, gaps in missing.items()],
        f"./run.sh cron_heal {job} {reach(hours, now)}",
        found=f"{counted(hours, 'hour', cut=cut)} of {counted(missing, 'symbol', cut=cut)} missing",
        cut=cut,
    )


def _gaps(breaks: Iterable[_Break], holes: Mapping[str, Collection[str]]) -> dict[str, list[datetime]]:
    """Symbol to the hours missing inside its range; only symbols that miss any."""
    missing: dict[str, list[datetime]] = {}
    for symbol, before, after in breaks:
        gap = missing_among(_hours_between(before, after), (before,), holes.get(symbol, ()))
        if gap:
            missing.setdefault(symbol, []).extend(gap.values())
    return missing


def _hours_between(before: str, after: str) -> Hours:
    """The hours after one key and before another; the former is among them where it is that of two hours."""
    # In UTC, where an hour later is an hour later, whatever Tehran's clocks did before 2022.
    first, end = from_text(before).astimezone(timezone.utc), from_text(after).astimezone(timezone.utc)
    return hours_by_key([(first + HOUR * back).astimezone(TEHRAN) for back in range(1, (end - first) // HOUR)])


def _instants(wrong: Iterable[Wrong]) -> list[datetime]:
    """The hours of these keys; one that is no time, which a check of its own names, is left out."""
    hours = []
    for one in wrong:
        with suppress(ValueError):
            hours.append(from_text(one.hour))
    return hours


def counted(things: Sized, noun: str, *, cut: bool) -> str:
    """``9 hours``, ``1 symbol``, ``9 or more hours``."""
    return f"{len(things):,}{' or more' if cut else ''} {noun}{'' if len(things) == 1 and not cut else 's'}"


def _lines(wrong: Iterable[Wrong]) -> list[str]:
    return [f"{one.symbol} {one.hour}: {one.detail}" for one in wrong]


def finding(subject: str, lines: Sequence[str], next_step: str, *, found: str = "", cut: bool = False) -> Finding:
    """A finding of these lines, the first ones shown.

    Args:
        subject: what was looked at.
        lines: one for each thing that is wrong.
        next_step: what to do about them.
        found: how much that is; empty where the number of lines says it.
        cut: whether there may be more than were looked for; there may be of so many that the look-up was cut.
    """
    if not lines:
        return Finding(subject, "ok", "none" if subject != "prices" else "none absurd")
    or_more = " or more" if cut or len(lines) >= MOST_FOUND else ""
    rest = f"\n… and {len(lines) - _SHOWN:,}{or_more}{'' if or_more else ' more'}" if len(lines) > _SHOWN else ""
    head = found or f"{len(lines):,}{or_more} found"
    return Finding(subject, "fail", "\n".join([head, *lines[:_SHOWN]]) + rest, next_step)
