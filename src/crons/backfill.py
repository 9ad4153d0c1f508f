"""Past hours of any source: which are wanted, the answers stored as they come, and what is still missing."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any, TypeVar

import structlog

from adapters._bases.errors import EtlError, SourceRejected, StorageUnavailable
from adapters._bases.hourly_table import Hole, Key, key_of
from adapters._bases.table_backup import Progress
from adapters._bases.tehran_time import describe_alike, describe_hours, hour_key, hour_start, tehran_text, time_span
from adapters._bases.wording import counted, listed
from crons.job import JobContext, salvage
from crons.progress import progress
from extractors.concurrently import concurrently
from loaders.spooled_loader import SpooledLoader
from transformers.coverage import Batch, Hours, hours_by_key, is_whole, missing_among

# A missing quote of a younger hour is not remembered: it may still come.
SETTLED_AFTER = timedelta(hours=3)
# Memory must not grow with the hours.
_ROWS_A_LOAD = 10_000

CallT = TypeVar("CallT")
_BySymbol = defaultdict[str, dict[str, datetime]]  # each with hours by key

log = structlog.get_logger(__name__)


class Past:
    """The past hours of a backfill or a heal, and what became of them."""

    def __init__(self, ctx: JobContext, run_hour: Callable[[], Awaitable[None]]) -> None:
        self._ctx, self._loader = ctx, SpooledLoader(ctx)
        self._run_hour, self._ran = run_hour, hour_start(ctx.started)
        self.starts = ctx.request.starts(ctx.started)  # oldest first, at least one
        self._settled = ctx.started - SETTLED_AFTER  # later hours may still come
        self.only_missing = ctx.kind == "heal"
        self.advance: Progress  # shows how far the answers are
        self._meant: Mapping[str, object] = {}
        self._expected: Mapping[str, Hours] = {}
        self._asking, self._total = "", 0
        # By symbol: how many hours were requested, those without a row, and those of them that no answer explains.
        self._requested = Counter[str]()
        self._lacking, self.unexplained = _BySymbol(dict), _BySymbol(dict)
        # Of answers that may lack what the source has: symbol, the hours asked for, and those without a row.
        self._short: list[tuple[str, Hours, Hours]] = []
        self._again = set[Key]()  # the hours of these, while they are asked for again
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
            wanted = await asyncio.to_thread(self._missing, ask_all=ctx.request.ask_all)
            if not wanted:
                log.info("no missing hours that the source may have", hours=describe_hours(self.starts))
            _log_missing("missing hours", wanted)
        self._total = sum(map(len, wanted.values()))
        return wanted

    def estimate(self, calls: int, **facts: object) -> None:
        """Log what the wanted hours take, such as credits, and count them as asked for; before the first call."""
        self._asking = f"asking {self._ctx.job.source} for past quotes, {counted(calls, 'call')}"
        if not self._ctx.request.dry_run:
            self._ctx.report.hours_asked = self._total
            self._ctx.step(self._asking)
        hours = describe_hours(self.starts)
        log.info("estimate", calls=calls, **facts, symbols=len(self._meant), symbol_hours=self._total, hours=hours)

    def note_refused(self, asked: Mapping[str, Hours], error: SourceRejected) -> None:
        """Note a call that the source refused, while it may answer others."""
        hours = {start for of_symbol in asked.values() for start in of_symbol.values()}
        symbols = listed([symbol for symbol, of_symbol in asked.items() if of_symbol])
        log.warning("refused", symbols=symbols, hours=describe_hours(hours), reason=error.message)
        self._refused |= _keys(asked)

    async def fill(
        self,
        calls: Sequence[CallT],
        ask: Callable[[CallT], Coroutine[Any, Any, Batch]],
        *,
        asked: Callable[[CallT], Mapping[str, Hours]],
        again: Sequence[Callable[..., Sequence[CallT]]],
        begins: Callable[[Collection[str]], Awaitable[Mapping[str, datetime]]] | None = None,
        most_failures: int = 8,
    ) -> None:
        """Make calls, and take their answers; those that may lack what the source has are asked for again, in halves.

        Calls that fail are noted and affect no other, unless `most_failures` in a row do, or all. The same holds for
        calls of a heal that the source refuses.

        Args:
            asked: the hours that a call is for.
            again: make calls of the halves (each symbol to hours), one for each time of asking again.
            begins: when the source's history of symbols begins, as far as it is known; earlier hours are holes.
        """
        for plan in (*again, None):
            answers = concurrently(calls, ask, most_failures=most_failures, spare_refused=self.only_missing)
            async with aclosing(answers):
                async for call, answer in answers:
                    if isinstance(answer, Batch):
                        await self.take(answer)
                    elif isinstance(answer, SourceRejected):
                        self.note_refused(asked(call), answer)
                    else:
                        for symbols, ranges in _alike(asked(call)).items():
                            self._ctx.report.failures.append(f"{listed(symbols)}: {ranges}: {answer.message}")
            if plan is None or not self._short:
                return
            known: Mapping[str, datetime] = {}
            with suppress(EtlError):
                known = await begins({symbol for symbol, *_ in self._short}) if begins else {}
            calls = plan(*self._halves(known))

    def gave_nothing(self, symbol: str) -> bool:
        """Whether no answer had a row of the symbol."""
        return self._requested[symbol] == len(self._lacking[symbol])

    async def take(self, batch: Batch) -> None:
        """Put an answer into the spool as it comes: an end by a signal or by the time limit unwinds nothing."""
        ctx = self._ctx
        ctx.report.note(batch)
        self._note(batch)
        await self._loader.keep(batch.rows)
        if self._loader.kept >= _ROWS_A_LOAD:
            await self._store()
        await self.run_begun_hour(self._store)
        ctx.step(self._asking)
        self.advance("asking", sum(self._requested.values()), ctx.report.hours_asked)

    async def run_begun_hour(self, before: Callable[[], Awaitable[None]] | None = None) -> None:
        """If an hour has begun since the last look, make its run, which cannot start while this one holds the lock.

        Args:
            before: stores the kept rows, which the run would else store as an earlier run's.
        """
        if self._ctx.request.dry_run or (present := hour_start(self._ctx.now())) == self._ran:
            return
        self._ran = present
        try:
            if before:
                await before()
        finally:
            await self._run_hour()

    def _note(self, batch: Batch) -> None:
        """Count what an answer lacks: holes if it shows that the source lacks them, else unexplained hours."""
        given = set(map(key_of, batch.rows))
        rejected = {(one.symbol, one.hour) for one in batch.rejects}
        for symbol, hours in batch.asked.items():
            self._requested[symbol] += sum((symbol, key) not in self._again for key in hours)
            lacks, unexplained = self._lacking[symbol], self.unexplained[symbol]
            for key, start in hours.items():
                unexplained.pop(key, None)
                if (symbol, key) in given:
                    lacks.pop(key, None)
                elif (symbol, key) not in self._again:
                    lacks[key] = start
            lacking = {key: start for key, start in hours.items() if key in lacks}
            settled = {key: start for key, start in lacking.items() if start <= self._settled}
            # What came and is not stored is not a hole.
            empty = {key: start for key, start in settled.items() if not {(symbol, key), (symbol, "")} & rejected}
            if not settled or batch.points is None or is_whole(settled.values(), batch.points.get(symbol, ())):
                self._note_holes(symbol, empty)
            else:
                unexplained |= empty
                self._short.append((symbol, hours, settled))
        self._ctx.report.without_quote = sum(map(len, self._lacking.values()))
        if self.only_missing:
            self._answered |= _keys(batch.asked)

    def _note_holes(self, symbol: str, hours: Iterable[str]) -> None:
        noted_at, run_id = tehran_text(self._ctx.started), self._ctx.run_id
        self._holes += [Hole(symbol, hour, self._meant[symbol], noted_at, run_id) for hour in hours]

    def _halves(self, begins: Mapping[str, datetime]) -> Sequence[Mapping[str, Hours]]:
        """The first and the second halves of the hours to ask for again; those before a history begins are holes."""
        halves = _BySymbol(dict), _BySymbol(dict)
        for symbol, hours, lacking in self._short:
            begin = begins.get(symbol)
            early = {key for key, start in hours.items() if begin and start < begin}
            self._note_holes(symbol, [key for key in early if self.unexplained[symbol].pop(key, None)])
            if early >= lacking.keys():
                continue
            rest = [hour for hour in hours.items() if hour[0] not in early]
            middle = len(rest) // 2
            for half, part in zip(halves, (rest[:middle], rest[middle:]), strict=True):
                half[symbol] |= dict(part)
        self._short, self._again = [], {key for half in halves for key in _keys(half)}
        return halves

    async def _store(self) -> None:
        await self._loader.store_kept()
        holes, self._holes = self._holes, []
        try:
            await asyncio.to_thread(self._ctx.repository.note_holes, holes)
        except EtlError as error:
            warning = f"not remembered: {counted(len(holes), 'hour')} without a quote: {error.message}"
            self._ctx.report.warnings.append(warning)

    async def finish(self) -> None:
        """Store the rest, and log what a heal leaves missing, and why."""
        if self._ctx.request.dry_run:
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
        report, lacking = self._ctx.report, self._lacking
        for symbols, ranges in _alike(lacking).items():
            report.missing.append(f"{listed(symbols)}: {len(lacking[symbols[0]]):,} h: {ranges}")
        for symbols, ranges in _alike(self.unexplained).items():
            requested = self._requested[symbols[0]]
            counts = f"requested {requested:,} hours, received {requested - len(lacking[symbols[0]]):,}"
            report.failures.append(f"{listed(symbols)}: {counts}; missing without an explanation: {ranges}")

    def _missing(self, *, ask_all: bool) -> dict[str, Hours]:
        """Symbol to the hours without a price, or with that of their start only. Asks the database, in this thread."""
        table, symbols = self._ctx.repository, list(self._meant)
        first, last = hour_key(self.starts[0]), hour_key(self.starts[-1])
        stored = table.stored(symbols, first=first, last=last, valued_from=last)
        holes: Mapping[str, set[str]] = {}
        if not ask_all:
            # What was found once is asked for again after a day, when a second finding makes it certain.
            day = tehran_text(self._ctx.started - timedelta(days=1))
            holes = table.holes_by_symbol(symbols, first=first, last=last, meant=self._meant, noted_since=day)
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
        await SpooledLoader(ctx).store_kept()
    past = Past(ctx, run_hour)
    try:
        with progress(ctx.now, counted="hours", least=0) as past.advance:
            await salvage(job.backfill(ctx, past), past.finish)
        await past.finish()
    finally:
        past.report_missing()
        report.calls = ctx.resources.calls_made
        await past.run_begun_hour()
    if report.rejected and not report.failures and not report.inserted + report.updated + report.unchanged:
        ctx.fail_if_nothing_stored()


def _since(first: datetime | None, hours: Hours) -> Hours:
    if first is None:
        return hours
    # In UTC: two times of one zone are compared by their wall time.
    later = {key: start for key, start in hours.items() if start.astimezone(timezone.utc) >= first}
    # All symbols share one object if they can.
    return hours if len(later) == len(hours) else later


def _keys(hours: Mapping[str, Hours]) -> set[Key]:
    return {(symbol, key) for symbol, of_symbol in hours.items() for key in of_symbol}


def _alike(hours: Mapping[str, Hours]) -> dict[tuple[str, ...], str]:
    return describe_alike({symbol: of_symbol.values() for symbol, of_symbol in hours.items() if of_symbol})


def _log_missing(event: str, missing: Mapping[str, Hours]) -> None:
    for symbols, ranges in _alike(missing).items():
        log.info(event, symbols=listed(symbols), hours_each=len(missing[symbols[0]]), ranges=ranges)
