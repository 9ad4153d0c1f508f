"""Past hours of any source: which are wanted, the answers stored as they come, and what is still missing."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import NamedTuple

import structlog

from adapters._bases.errors import EtlError, SourceRejected, StorageUnavailable
from adapters._bases.hourly_table import Hole, HourlyRow, Key, key_of
from adapters._bases.tehran_time import describe_alike, describe_hours, hour_key, hour_start, tehran_text, time_span
from adapters._bases.wording import counted, listed
from crons.job import JobContext, salvage
from crons.progress import progress
from extractors.candles import Answered, CandleCall
from loaders.spooled_loader import SpooledLoader
from transformers.candles import HourRows
from transformers.coverage import Hours, hours_by_key, missing_among

# A missing quote of a younger hour is not remembered: it may still come.
SETTLED_AFTER = timedelta(hours=3)
# Memory must not grow with the hours.
_ROWS_A_LOAD = 10_000

log = structlog.get_logger(__name__)


class Batch(NamedTuple):
    """One answer of a source about past hours."""

    asked: Mapping[str, Hours]  # symbol to those of the wanted hours that the call was for
    rows: Sequence[HourlyRow]  # all of hours in `asked`
    # For which the source gave something that is not stored. It may have a quote, so a heal asks for them again.
    unusable: Collection[Key] = ()
    # Symbols for which the source may have more than it gave: see `transformers.coverage.is_whole`.
    short: Collection[str] = ()


def candle_batch(ctx: JobContext, call: CandleCall, answer: Answered, made: HourRows, *, name: str) -> Batch:
    """Make a batch of a call's candles, and report rejects under a name."""
    ctx.report.extracted += len(made.rows) + len(made.rejects)
    for hour, reason in made.rejects.items():
        ctx.report.reject(name, reason, hour)
    for hour, flaw in made.flaws.items():
        ctx.report.flaws.add(name, flaw, hour)
    unusable = {(call.symbol, hour) for hour in made.rejects}
    return Batch({call.symbol: call.hours}, made.rows, unusable, () if answer.is_whole else (call.symbol,))


class Past:
    """The past hours of a backfill or a heal, and what became of them."""

    def __init__(self, ctx: JobContext, run_hour: Callable[[], Awaitable[None]]) -> None:
        self._ctx, self._loader = ctx, SpooledLoader[HourlyRow](ctx)
        self._run_hour, self._ran = run_hour, hour_start(ctx.started)
        self.request = ctx.request
        self.starts = ctx.request.starts(ctx.started)  # oldest first, at least one
        self.settled = ctx.started - SETTLED_AFTER  # later hours may still come
        self.only_missing = ctx.kind == "heal"
        self._meant: Mapping[str, object] = {}
        self._expected: Mapping[str, Hours] = {}
        self._calls, self._total = 0, 0
        # By symbol: the hours without a row, those of them without a reason, and how many were requested.
        self._lacking, self._short = defaultdict[str, list[datetime]](list), defaultdict[str, list[datetime]](list)
        self._requested = Counter[str]()
        self._holes: list[Hole] = []
        self._answered, self._refused = set[Key](), set[Key]()

    async def wanted(
        self, meant: Mapping[str, object], first_hours: Mapping[str, datetime] = MappingProxyType({})
    ) -> dict[str, Hours]:
        """Symbol to the hours to ask for: all of a backfill's, the missing ones of a heal's.

        An hour that the source had no quote for is not missing, as long as its symbol means the same as then.

        Args:
            meant: what each symbol means at the source.
            first_hours: symbol to the aware start of its first hour at the source; earlier ones are not wanted.
        """
        ctx, hours = self._ctx, hours_by_key(self.starts)
        ttl, expired = "", set[str]()
        with suppress(StorageUnavailable):  # without a database the rows go into the spool
            ttl, expired = await asyncio.to_thread(ctx.repository.expired, hours)
        if expired:
            left_out = f"{counted(len(expired), 'hour')} of {len(hours):,} left out"
            ctx.report.warnings.append(f"{left_out}: the TTL of {ctx.repository.name} deletes them: {ttl}")
            hours = {key: hour for key, hour in hours.items() if key not in expired}
        self._meant = meant if hours else {}
        wanted = self._expected = {symbol: _since(first_hours.get(symbol), hours) for symbol in self._meant}
        if hours and self.only_missing:
            ctx.step("looking for missing hours")
            wanted = await asyncio.to_thread(self._missing, ask_all=self.request.ask_all)
            if not wanted:
                log.info("no missing hours that the source may have", hours=describe_hours(self.starts))
            _log_missing("missing hours", wanted)
        self._total = sum(map(len, wanted.values()))
        return wanted

    def estimate(self, calls: int, **facts: object) -> None:
        """Log what the wanted hours take, such as credits, and count them as asked for; before the first call."""
        self._calls = calls
        if not self.request.dry_run:
            self._ctx.report.hours_asked = self._total
            self._ctx.step(f"asking {self._ctx.job.source} for past quotes, {counted(calls, 'call')}")
        hours = describe_hours(self.starts)
        log.info("estimate", calls=calls, **facts, symbols=len(self._meant), symbol_hours=self._total, hours=hours)

    def note_refused(self, asked: Mapping[str, Hours], error: SourceRejected) -> None:
        """Note a call that the source refused, while it may answer others."""
        hours = {start for of_symbol in asked.values() for start in of_symbol.values()}
        symbols = listed([symbol for symbol, of_symbol in asked.items() if of_symbol])
        log.warning("refused", symbols=symbols, hours=describe_hours(hours), reason=error.message)
        self._refused |= _keys(asked)

    def note_failed(self, asked: Mapping[str, Hours], error: EtlError) -> None:
        """Note a call that failed, while others were answered."""
        hours_of = {symbol: hours.values() for symbol, hours in asked.items() if hours}
        for symbols, ranges in describe_alike(hours_of).items():
            self._ctx.report.failures.append(f"{listed(symbols)}: {ranges}: {error.message}")

    async def keep_all(self, batches: AsyncIterator[Batch]) -> None:
        """Put each answer into the spool as it comes: an end by a signal or by the time limit unwinds nothing."""
        ctx, done = self._ctx, 0
        with progress(ctx.now, counted="hours", least=0) as advance:
            async for batch in batches:
                self._take(batch)
                await self._loader.keep(batch.rows)
                if self._loader.kept >= _ROWS_A_LOAD:
                    await self._store()
                await self.run_begun_hour(self._store)
                ctx.step(f"asking {ctx.job.source} for past quotes, {counted(self._calls, 'call')}")
                done += sum(map(len, batch.asked.values()))
                advance("asking", done, ctx.report.hours_asked)

    async def run_begun_hour(self, before: Callable[[], Awaitable[None]] | None = None) -> None:
        """If an hour has begun since the last look, make its run, which cannot start while this one holds the lock.

        Args:
            before: stores the kept rows, which the run would else store as an earlier run's.
        """
        if self.request.dry_run or (present := hour_start(self._ctx.now())) == self._ran:
            return
        self._ran = present
        try:
            if before:
                await before()
        finally:
            await self._run_hour()

    def _take(self, batch: Batch) -> None:
        """Count what an answer has, and note what it lacks."""
        ctx = self._ctx
        given = set(map(key_of, batch.rows))
        for symbol, hours in batch.asked.items():
            self._requested[symbol] += len(hours)
            lacking = {key: start for key, start in hours.items() if (symbol, key) not in given}
            if not lacking:
                continue
            ctx.report.without_quote += len(lacking)
            self._lacking[symbol] += lacking.values()
            settled = {key: start for key, start in lacking.items() if start <= self.settled}
            unexplained = {key: start for key, start in settled.items() if (symbol, key) not in batch.unusable}
            if symbol not in batch.short:
                noted_at = tehran_text(ctx.started)
                self._holes += [Hole(symbol, key, self._meant[symbol], noted_at, ctx.run_id) for key in unexplained]
            elif unexplained:
                self._short[symbol] += unexplained.values()
        if self.only_missing:
            self._answered |= _keys(batch.asked)

    async def _store(self) -> None:
        self._ctx.step(f"storing {counted(self._loader.kept, 'row')}")
        await self._loader.store_kept()
        holes, self._holes = self._holes, []
        try:
            await asyncio.to_thread(self._ctx.repository.note_holes, holes)
        except EtlError as error:
            warning = f"not remembered: {counted(len(holes), 'hour')} without a quote: {error.message}"
            self._ctx.report.warnings.append(warning)

    async def finish(self) -> None:
        """Store the rest, and log what a heal leaves missing, and why."""
        if self.request.dry_run:
            return
        await self._store()
        if not self.only_missing or not self._meant:
            return
        self._ctx.step("looking for what is still missing")
        missing = await asyncio.to_thread(self._missing, ask_all=True)
        if not missing:
            log.info("no hours are missing", hours=describe_hours(self.starts))
            return
        _log_missing("hours still missing", missing)
        keys = _keys(missing)
        log.info(
            "still missing",
            symbol_hours=len(keys),
            symbols=len(missing),
            refused_by_the_source=len(keys & self._refused),
            not_asked=len(keys - self._refused - self._answered),
            without_a_valid_price=len(keys & self._answered - self._refused),
        )

    def report_missing(self) -> None:
        report = self._ctx.report
        for symbols, ranges in describe_alike(self._lacking).items():
            report.missing.append(f"{listed(symbols)}: {len(self._lacking[symbols[0]]):,} h: {ranges}")
        for symbols, ranges in describe_alike(self._short).items():
            requested = self._requested[symbols[0]]
            counts = f"requested {requested:,} hours, received {requested - len(self._lacking[symbols[0]]):,}"
            report.failures.append(f"{listed(symbols)}: {counts}; missing without an explanation: {ranges}")

    def _missing(self, *, ask_all: bool) -> dict[str, Hours]:
        """Symbol to the hours without a price, or with that of their start only. Asks the database, in this thread."""
        table, symbols = self._ctx.repository, list(self._meant)
        first, last = hour_key(self.starts[0]), hour_key(self.starts[-1])
        stored = table.stored(symbols, first=first, last=last, valued_from=last)
        # What was found once is asked for again after a day, when a second finding makes it certain.
        day = tehran_text(self._ctx.started - timedelta(days=1))
        found = table.holes_by_symbol(symbols, first=first, last=last, meant=self._meant, noted_since=day)
        holes = {} if ask_all else found
        unfinished, absent = table.unfinished(symbols, first=first, last=last), table.absences(symbols)
        missing: dict[str, Hours] = {}
        for symbol, hours in self._expected.items():
            again = unfinished.get(symbol, set())
            there = stored[symbol].hours - again if symbol in stored else ()
            lacking = missing_among(hours, there, holes.get(symbol, set()) - again, absent.get(symbol, ()))
            missing |= {symbol: lacking} if lacking else {}
        return missing


async def fill_past(ctx: JobContext, run_hour: Callable[[], Awaitable[None]]) -> None:
    """Store past hours: all of them for a backfill, the missing ones for a heal. Idempotent.

    When an hour begins meanwhile, `run_hour` is called, between two answers or at the end. What earlier runs left in
    the spool is stored before anything is spent. What was fetched before an error is stored or in the spool.
    """
    job, request, report = ctx.job, ctx.request, ctx.report
    if job.backfill is None:
        raise SourceRejected(f"{job.source} gives the present hour only")
    variable, step = job.lacks(ctx.settings)
    if variable:
        raise SourceRejected(f"a {ctx.kind} needs {variable}, which is not set", next_step=step)
    if both_calendars := time_span(request.first, request.end)[2]:
        log.info("hours in both calendars", span=both_calendars)
    if not request.dry_run:
        ctx.step("storing the rows in the spool")
        await SpooledLoader(ctx).store_kept()
    past = Past(ctx, run_hour)
    try:
        async with aclosing(job.backfill(ctx, past)) as batches:
            await salvage(ctx, past.keep_all(batches), past.finish)
            await past.finish()
    finally:
        past.report_missing()
        report.calls = ctx.resources.calls_made
        await past.run_begun_hour()
    if report.rejected and not report.failures and not report.inserted + report.updated + report.unchanged:
        ctx.fail_if_nothing_stored()


def _since(first: datetime | None, hours: Hours) -> Hours:
    # In UTC: two times of one zone are compared by their wall time. All symbols share one object if they can.
    starts = {key: start.astimezone(timezone.utc) for key, start in hours.items()} if first else {}
    later = {key: hours[key] for key, start in starts.items() if first and start >= first}
    return hours if first is None or len(later) == len(hours) else later


def _keys(hours: Mapping[str, Hours]) -> set[Key]:
    return {(symbol, key) for symbol, of_symbol in hours.items() for key in of_symbol}


def _log_missing(event: str, missing: Mapping[str, Hours]) -> None:
    for symbols, ranges in describe_alike({symbol: hours.values() for symbol, hours in missing.items()}).items():
        log.info(event, symbols=listed(symbols), hours_each=len(missing[symbols[0]]), ranges=ranges)
