"""What is wrong with the stored rows of any job's table. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from itertools import groupby, pairwise

from adapters._bases.errors import StorageRejected
from adapters._bases.hourly_repository import MOST_FOUND, HourlyRepository
from adapters._bases.hourly_table import Wrong
from adapters._bases.tehran_time import HOUR, describe_alike, from_text, hour_key, hours_between, tehran_text
from adapters._bases.wording import counted, listed
from crons.job import Finding, JobContext
from transformers.coverage import hours_by_key, missing_among, reach

# An hour is unfinished only after a daily heal has had its turn.
_COMPLETED_AFTER = timedelta(days=2)
STALE_AFTER = timedelta(hours=48)  # without a trade
_SHOWN = 10
CORRECTIONS_SINCE = timedelta(days=7)


def verify_table(ctx: JobContext) -> list[Finding]:
    """What is wrong with a job's stored rows, one finding for each check. Reads the whole table."""
    differences = ctx.repository.differences()
    step = "./run.sh setup_db, which renews a view; a table that differs has to be renamed first"
    shape = finding("shape", differences, step)
    try:
        found = [shape, *_faults(ctx, ctx.job.expected(ctx.settings, ctx.repository)), *ctx.job.verify(ctx)]
    except StorageRejected as error:
        if not differences:
            raise
        return [shape, Finding("rows", "fail", f"the schema prevents the checks: {error.message}")]
    begins = ctx.job.beginnings(ctx.settings)
    return [*found, *([Finding("beginnings", "ok", listed(begins))] if begins else ())]


def _faults(ctx: JobContext, followed: Mapping[str, object]) -> Iterator[Finding]:
    table, now = ctx.repository, ctx.started
    duplicates = table.duplicate_keys()
    keep = f"to keep the rows that the view shows: {duplicates.repair}"
    yield finding("duplicate keys", duplicates.rows, keep)
    # Older versions of changed rows, which the view does not show.
    if superseded := table.count_superseded():
        yield Finding("superseded versions", "ok", f"{superseded:,}, until ClickHouse merges them")
    wrong = table.defects("wrong_keys")
    heal = f"{_heal(ctx, _instants(wrong.rows))}, once they are gone: {wrong.repair}"
    yield finding("keys against fetched_at", wrong.rows, heal)
    future = table.defects("future_rows", present=hour_key(now))
    clock = "check the clock of the host that wrote them, then remove them"
    yield finding("future rows", future.rows, f"{clock}: {future.repair}")
    yield _absurd(ctx, followed)
    if "trades" in table.table.given:
        idle = table.idle(list(followed), since=hour_key(now - STALE_AFTER))
        lines = [f"{symbol}: no trade in {STALE_AFTER // HOUR} hours" for symbol in idle]
        yield finding("stale prices", lines, "name other pairs in BINANCE_PAIRS, or none")
    yield _mixed(ctx, followed)
    if table.table.completed_by:  # with the price of their start only, which neither the next run nor a heal completed
        found = table.unfinished(list(followed), first="", last=hour_key(now - _COMPLETED_AFTER))
        hours = {symbol: list(map(from_text, keys)) for symbol, keys in sorted(found.items())}
        yield _of_hours(ctx, "unfinished hours", hours, "without high, low, close and volumes")
    yield _missing(ctx, followed)
    corrected = table.corrections(since=tehran_text(now - CORRECTIONS_SINCE), most=_SHOWN)
    if corrected.total:  # not wrong
        head = f"{counted(corrected.total, 'price')} replaced in {CORRECTIONS_SINCE.days} days, most of all:"
        yield Finding("corrections", "ok", "\n".join([head, *map(str, corrected.largest)]))
    yield from ttl_finding(table)
    stuck = table.stuck_mutations()
    withdraw = "; ".join(mutation.kill_statement for mutation in stuck)
    reasons = [f"{mutation.mutation_id}: {mutation.reason}" for mutation in stuck]
    yield finding("stuck mutations", reasons, f"withdraw them, then see why they failed: {withdraw}")


def ttl_finding(table: HourlyRepository) -> list[Finding]:
    """A TTL on the table, which deletes or moves rows; empty if there is none."""
    if not (ttl := table.ttl()):
        return []
    step = f"if its prices are to stay: ALTER TABLE {table.name} REMOVE TTL"
    return [Finding("TTL", "warn", f"rows go by {ttl}", step)]


def _absurd(ctx: JobContext, followed: Collection[str]) -> Finding:
    """Absurd prices, and the runs that fetch them again: no backfill reaches the present hour."""
    absurd, present = ctx.repository.absurd_values(), hour_key(ctx.started)
    past = [one for one in absurd if one.hour < present]
    steps = [f"./run.sh cron_backfill {ctx.name} {reach(_instants(past), ctx.started)}"] if past else []
    steps += [f"./run.sh cron_run {ctx.name}"] if any(one.hour == present for one in absurd) else []
    unfollowed = sorted({one.symbol for one in absurd}.difference(followed))
    first = f"put {', '.join(unfollowed)} into SYMBOLS, then " if unfollowed else ""
    step = f"{first}{', then '.join(steps)}" if steps else "they are gone with the future rows"
    return finding("prices", absurd, f"{step}; prices that stay so may be another coin's under the same symbol")


def _mixed(ctx: JobContext, followed: Mapping[str, object]) -> Finding:
    """Symbols with prices of two coins or pairs: wrong, unless the later one replaced the earlier one for good.

    For good means that their hours do not overlap, and that the settings do not name another one.
    """
    label = ctx.repository.table.label
    subject = "coins" if label == "name" else f"{label}s"
    wrong, changed, hours, symbols = [], [], [], 0
    for symbol, group in groupby(ctx.repository.meanings(), lambda one: one.symbol):
        stored = list(group)
        lines = []
        for one in stored:
            what = one.label if one.label == one.meaning else f"id {one.meaning} ({one.label})"
            lines.append(f"{symbol}: {what}, {one.hours:,} h from {one.first[:16]} to {one.last[:16]}")
        meant = followed.get(symbol) or stored[-1].meaning
        if stored[-1].meaning == meant and all(a.last < b.first for a, b in pairwise(stored)):
            changed += lines if len(stored) > 1 else []
            continue
        symbols += 1
        wrong += lines
        hours += [from_text(one.first) for one in stored if one.meaning != meant]
    if changed and not wrong:
        return Finding(subject, "ok", "\n".join(["none mixed; changed for good:", *changed]))
    step = f"./run.sh coins shows what each symbol means; ./run.sh cron_backfill {ctx.name} {reach(hours, ctx.started)}"
    found = f"{counted(symbols, 'symbol')} with prices of two {subject}"
    return finding(subject, wrong, f"{step} then replaces the prices", found=found)


def _missing(ctx: JobContext, followed: Collection[str]) -> Finding:
    """Hours missing between the first and the last stored one of each symbol."""
    table, symbols = ctx.repository, list(followed)
    holes, absent = table.holes_by_symbol(symbols, first="", last="9999"), table.absences(symbols)
    missing: dict[str, list[datetime]] = {}
    for symbol, before, after in table.breaks(symbols, last=hour_key(ctx.started)):
        # In UTC: until 2022 Tehran's clocks moved. The hour before the gap is among these if it came twice.
        hours = hours_by_key(hours_between(from_text(before).astimezone(timezone.utc) + HOUR, from_text(after)))
        if gap := missing_among(hours, (before,), holes.get(symbol, ()), absent.get(symbol, ())):
            missing.setdefault(symbol, []).extend(gap.values())
    return _of_hours(ctx, "missing hours", missing, "missing")


def _of_hours(ctx: JobContext, subject: str, hours: Mapping[str, Sequence[datetime]], wrong: str) -> Finding:
    """Hours of symbols that a heal fills, and what is wrong with them; a line for all symbols with the same ones."""
    every = [hour for of_symbol in hours.values() for hour in of_symbol]
    lines = [
        f"{', '.join(symbols)}: {len(hours[symbols[0]]):,} h{' each' * (len(symbols) > 1)}: {ranges}"
        for symbols, ranges in describe_alike(hours).items()
    ]
    found = f"{counted(len(every), 'hour')} of {counted(len(hours), 'symbol')} {wrong}"
    return finding(subject, lines, _heal(ctx, every), found=found)


def _heal(ctx: JobContext, hours: Iterable[datetime]) -> str:
    return f"./run.sh cron_heal {ctx.name} {reach(hours, ctx.started)}"


def _instants(wrong: Iterable[Wrong]) -> list[datetime]:
    """The hours of these keys, without those that are not times, which another check reports."""
    hours = []
    for one in wrong:
        with suppress(ValueError):
            hours.append(from_text(one.hour))
    return hours


def finding(subject: str, lines: Sequence[object], next_step: str, *, found: str = "") -> Finding:
    """A finding with the first ten lines of what is wrong, if anything is, after `found` or their number."""
    if not lines:
        return Finding(subject, "ok", "none")
    or_more = " or more" if len(lines) >= MOST_FOUND else ""
    rest = f"\n… and {len(lines) - _SHOWN:,}{or_more or ' more'}" if len(lines) > _SHOWN else ""
    head = found or f"{len(lines):,}{or_more} found"
    return Finding(subject, "fail", "\n".join([head, *map(str, lines[:_SHOWN])]) + rest, next_step)
