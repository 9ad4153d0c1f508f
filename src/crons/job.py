"""A job: what it is given, what it does every hour, and what it gives back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import structlog

from adapters._bases.errors import EtlError, InvalidRowError, SourceRejected
from adapters._bases.hourly_repository import HourlyRepository
from adapters._bases.hourly_table import HourlyRow, HourlyTable
from adapters._bases.tehran_time import hour_key, hour_start, hours_before, hours_between
from adapters._bases.upsert import UpsertReport
from adapters.clickhouse.etl_runs_clickhouse_adapter import RunCounts
from configurations.config import Settings, only_symbols
from crons.resources import Resources
from loaders.spooled_loader import SpooledLoader
from transformers.coverage import Coverage

SourceT = TypeVar("SourceT")
State = Literal["ok", "warn", "fail"]
Kind = Literal["run", "backfill", "heal"]

log = structlog.get_logger(__name__)


class Finding(NamedTuple):
    """What a check found.

    Attributes:
        subject: what was looked at, such as ``ClickHouse``.
        state: ``ok``; ``warn`` when a person should know; ``fail`` when the main job cannot do without.
        detail: how it is, in one line.
        next_step: what to do; empty when there is nothing to do.
    """

    subject: str
    state: State
    detail: str
    next_step: str = ""


class Series(NamedTuple):
    """One symbol's prices, as far as they are stored.

    Attributes:
        symbol: as it is followed.
        last_hour: key of the latest stored hour, Tehran wall time; None when there is none in the longest span.
        last_price: that hour's price, finite; None when there is none, or one that is not a number.
        coverage: which hours are stored; the present hour is not counted.
        trend: the prices of the 24 hours before the present one and of the present one, finite;
            None where there is none, or one that is not a number.
        change_24h: of the last price against that of 24 hours before it, in percent; None where either is not known.
    """

    symbol: str
    last_hour: str | None
    last_price: float | None
    coverage: Coverage
    trend: list[float | None]
    change_24h: float | None = None


_ALL_REFUSED = "the database refused every row of a batch; the warnings say why"


@dataclass
class RunReport(RunCounts):
    """What a run did: its counts, which the job keeps while it goes on, and the words for them.

    Attributes:
        replay: what became of rows of earlier runs that had waited in the spool.
        rejects: what was not stored and why, one line for each reason, or coin where few have it.
        missing: what was asked for and not given, one line each.
        warnings: what a person should know, one line each.
        failures: why the run counts as failed, one line each; empty for a good run.
        values: of an hourly run: the values that it stored, by symbol.
    """

    replay: UpsertReport = field(default_factory=UpsertReport)
    rejects: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    values: dict[str, float] = field(default_factory=dict)

    def in_words(self) -> str:
        """What became of the rows: how many were stored, updated and left as they were."""
        counts = {"stored": self.inserted, "updated": self.updated, "unchanged": self.unchanged}
        return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count) or "nothing stored"

    def note_given(self, asked: Sequence[str], given: Sequence[str]) -> None:
        """Count the symbols that the source was asked for and gave, and name those it left out."""
        left_out = [symbol for symbol in asked if symbol not in given]
        self.extracted += len(given)
        self.without_quote += len(left_out)
        self.missing.extend(left_out)

    def note_reject(self, symbol: str, instant: datetime, error: InvalidRowError) -> None:
        """Count what is not stored of a symbol in the hour of an aware instant, and say why."""
        self.rejected += 1
        self.rejects.append(f"{symbol} {hour_key(instant)}: {error.message}")


@dataclass(frozen=True)
class RunContext:
    """One run of a job, with its parts: each is made once, when it is first needed.

    Attributes:
        name: the job's.
        job: the job.
        run_id: goes into each row and each line of the log.
        now: aware; when the run began.
        parts: what the run shares with every other use of the settings; its maker closes them.
        settings: those of the pipeline.
        step: notes what the run does now, for whatever waits for it or wonders what it waited for.
        report: what the run has done so far; the job fills it, so that a run which fails is known by it too.
    """

    name: str
    job: HourlyJob[Any]
    run_id: str
    now: datetime
    parts: Resources
    settings: Settings
    step: Callable[[str], None]
    report: RunReport = field(default_factory=RunReport)

    @property
    def clock(self) -> Callable[[], datetime]:
        """Gives the present aware time, for what must know how late it has become meanwhile."""
        return self.parts.clock

    @cached_property
    def repository(self) -> HourlyRepository:
        """The job's table, on the run's one connection."""
        return self.job.repository_in(self.parts)

    @cached_property
    def loader(self) -> SpooledLoader:
        """The way into the table, by the spool."""
        return SpooledLoader(repository=self.repository, spool=self.parts.spool(self.name))

    async def load(self, rows: Sequence[HourlyRow]) -> None:
        """Store rows after what waits in the spool, and count in the report what that did."""
        self.step(f"storing {len(rows)} rows")
        await self.loader.keep(rows)
        await self.store_kept()

    async def store_kept(self) -> None:
        """Store what the loader keeps after what waits in the spool, and count in the report what that did."""
        kept = self.loader.kept
        self.step(f"storing {kept} rows" if kept else "storing what waits in the spool")
        done = await self.loader.store_kept()
        report = self.report
        report.inserted += done.stored.inserted
        report.updated += done.stored.updated
        report.unchanged += done.stored.unchanged
        report.replay = report.replay.plus(done.replayed)
        report.replayed = sum(report.replay)
        if kept and not any(done.stored) and _ALL_REFUSED not in report.failures:
            report.failures.append(_ALL_REFUSED)
        report.warnings.extend(f"a damaged spool file was set aside: {line}" for line in done.set_aside)
        report.warnings.extend(f"a spool file is in the way: {line}" for line in done.left)

    async def replay(self) -> None:
        """Store what waits in the spool although the source failed; if that fails too, the first error is the news."""
        try:
            await self.store_kept()
        except EtlError as error:
            log.warning("the spool could not be emptied either", reason=error.message)


@dataclass(frozen=True)
class BackfillRequest:
    """Which past hours a backfill or a heal is asked for, and how.

    Attributes:
        hours: how many before the present one; not looked at where there is a `first`.
        dry_run: only log what it would cost.
        ask_all: of a heal: also hours that the source had no quote for when it was asked last.
        max_credits: the most credits to spend, zero or more; None for all that it takes.
        first: aware; the first of the hours, and with it up to `end`.
        end: aware; the first hour that is left out; None for the present one.
    """

    hours: int
    dry_run: bool = False
    ask_all: bool = False
    max_credits: int | None = None
    first: datetime | None = None
    end: datetime | None = None

    def starts(self, now: datetime) -> list[datetime]:
        """The starts of the hours, in Tehran, oldest first; none where they do not lie before the present hour."""
        if self.first is None:
            return hours_before(now, self.hours)
        present = hour_start(now)
        return hours_between(self.first, min(self.end or present, present))


class Needed(NamedTuple):
    """A setting without which the source refuses past hours.

    Attributes:
        variable: its name.
        complaint: what a job without it does, such as ``needs a key``.
        next_step: where to get it.
    """

    variable: str
    complaint: str
    next_step: str


@dataclass(frozen=True, kw_only=True)
class HourlyJob(Generic[SourceT]):
    """One source into one table, hourly: functions and values, all of a pipeline that differs from the others.

    Attributes:
        summary: what it does, in one line.
        source: the source's name, for people.
        gives: what the source gives, in the singular, such as ``price``.
        table: where the rows go.
        open_source: opens the source; closed at the end of a run.
        fetch: asks for the present hour's rows; it notes in the run's report what else the answers held.
        repository: the class of the table's repository.
        schedule: its cron expression, in the host's own time zone.
        check: looks whether the source answers and what an operator should know of it; None asks for the rows of
            the present hour and stores none.
        backfill: stores past hours; None for a source that gives the present hour only. The same function heals it.
        heal: stores those past hours that are missing; None without `backfill`.
        followed: the symbols that have a row every hour, by the settings; None for those that are stored.
        past_needs: what the source refuses past hours without; None when it needs nothing.
        charges: whether past hours cost credits, which ``--max-credits`` bounds.
        read_series: what is stored of each symbol lately, for ``status``; None where that is not known.
        verify: what is wrong with the stored rows, one finding for each thing looked at; None without checks.
    """

    summary: str
    source: str
    table: HourlyTable
    open_source: Callable[[Resources, Settings], AbstractAsyncContextManager[SourceT]]
    fetch: Callable[[RunContext, SourceT], Awaitable[Sequence[HourlyRow]]]
    gives: str = "price"
    repository: type[HourlyRepository] = HourlyRepository
    schedule: str = "0 * * * *"
    check: Callable[[Resources, Settings], Awaitable[Finding]] | None = None
    backfill: Callable[[RunContext, SourceT, BackfillRequest], Awaitable[None]] | None = None
    heal: Callable[[RunContext, SourceT, BackfillRequest], Awaitable[None]] | None = None
    followed: Callable[[Settings], Sequence[str]] | None = None
    past_needs: Needed | None = None
    charges: bool = False
    read_series: Callable[[Resources, datetime], Sequence[Series]] | None = None
    verify: Callable[[Resources, datetime], Sequence[Finding]] | None = None

    def context(
        self, name: str, parts: Resources, *, run_id: str, step: Callable[[str], None], symbols: Sequence[str] = ()
    ) -> RunContext:
        """A run of this job that begins now.

        Args:
            name: the job's.
            parts: what it is made of.
            run_id: of the run.
            step: notes what it does now.
            symbols: of which symbols alone; empty for all.

        Raises:
            ConfigurationError: something in the pipeline's own settings is wrong.
        """
        settings = parts.settings
        if symbols and self.followed is not None:
            settings = only_symbols(settings, symbols, self.followed(settings))
        return RunContext(name, self, run_id, parts.clock(), parts, settings, step)

    def repository_in(self, parts: Resources) -> HourlyRepository:
        """The job's table, on the connection of these parts."""
        return parts.repository(self.repository, self.table)

    async def run(self, run: RunContext) -> None:
        """Store the present hour's rows. Idempotent: a later run in the hour updates them.

        Raises:
            EtlError: the source, the database or the disk failed; what was fetched is in the spool.
        """
        try:
            async with self.open_source(run.parts, run.settings) as source:
                rows = await self.fetch(run, source)
        except EtlError:
            await run.replay()
            raise
        finally:
            run.report.calls = run.parts.calls_made
        await run.load(rows)
        if _ALL_REFUSED not in run.report.failures:
            run.report.values = {row.symbol: getattr(row, self.table.value) for row in rows}
        if not rows:
            run.report.failures.append(f"{self.source} gave no valid {self.gives}")

    async def fill(self, run: RunContext, kind: Kind, fill: BackfillRequest) -> None:
        """Store past hours: all of them by a ``backfill``, the missing ones by a ``heal``. Idempotent.

        What earlier runs left in the spool is stored first, before anything is spent.

        It counts as failed when answers came and none of what they held was valid; a ``backfill``, which leaves no hour
        out, also when they held nothing.

        Raises:
            SourceRejected: a needed setting is missing, or the source refuses; nothing was spent.
            EtlError: the source, the database or the disk failed; what was fetched is stored or in the spool.
        """
        filling = self.heal if kind == "heal" else self.backfill
        if filling is None:
            raise SourceRejected(f"{self.source} gives the present hour only")
        self._require(run.settings, f"a {kind}")
        if not fill.dry_run:
            await run.store_kept()
        try:
            async with self.open_source(run.parts, run.settings) as source:
                await filling(run, source, fill)
        finally:
            run.report.calls = run.parts.calls_made
        report = run.report
        wanted = report.rejected or (kind == "backfill" and report.hours_asked)
        if wanted and not report.failures and not report.inserted + report.updated + report.unchanged:
            report.failures.append(f"{self.source} gave no valid {self.gives}")

    async def check_source(self, parts: Resources) -> Finding:
        """Whether the source answers, and what an operator should know of it."""
        run = self.context("check", parts, run_id="", step=lambda _step: None)
        if self.check is not None:
            return await self.check(parts, run.settings)
        async with self.open_source(parts, run.settings) as source:
            rows = await self.fetch(run, source)
        return Finding(self.source, "ok", f"answers with {len(rows)} {self.gives}s")

    def _require(self, settings: Settings, what: str) -> None:
        needed = self.past_needs
        if needed is not None and not getattr(settings, needed.variable.lower()):
            raise SourceRejected(f"{what} {needed.complaint}", next_step=needed.next_step)
