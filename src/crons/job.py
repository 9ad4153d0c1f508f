"""A job: one source into one table, hourly. What a run of it is given, and what it reports."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import structlog

from adapters._bases.errors import EtlError, StorageRejected, StorageUnavailable
from adapters._bases.hourly_repository import HourlyRepository
from adapters._bases.hourly_table import HourlyRow, HourlyTable
from adapters._bases.tehran_time import hour_start, hours_before, hours_between
from adapters.clickhouse.etl_runs_clickhouse_adapter import RunCounts
from adapters.files.spool import Spool
from configurations.config import Settings, only_symbols
from crons.reason_groups import ReasonGroups
from crons.resources import Resources
from loaders.spooled_loader import LoadReport, SpooledLoader

if TYPE_CHECKING:
    from crons.backfill import Batch, Past

State = Literal["ok", "warn", "fail"]
Kind = Literal["run", "backfill", "heal"]

_ALL_REFUSED = "the database refused every row of a batch; the warnings say why"

log = structlog.get_logger(__name__)


class Finding(NamedTuple):
    """A finding of a check.

    Attributes:
        subject: what was checked, such as ``ClickHouse``.
        state: ``ok``; ``warn`` for what an operator should know; ``fail`` for what stops the job.
        detail: one line, or a list of lines.
        next_step: what to do; empty if there is nothing to do.
    """

    subject: str
    state: State
    detail: str
    next_step: str = ""


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


@dataclass
class RunReport(RunCounts):
    """What a run did. It is filled while the run goes on, so that a failed run is recorded with its counts too.

    Attributes:
        rejects: quotes that were not stored, by reason.
        flaws: what could not be read of stored quotes, by reason.
        missing: what the source was asked for and did not give, one line each.
        warnings: what an operator should know, one line each.
        failures: why the run counts as failed, one line each; empty for a good run.
        values: stored values of an hourly run, by symbol.
    """

    rejects: ReasonGroups = field(default_factory=ReasonGroups)
    flaws: ReasonGroups = field(default_factory=ReasonGroups)
    missing: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    values: dict[str, float] = field(default_factory=dict)

    def in_words(self) -> str:
        """How many rows were stored, updated and left as they were."""
        counts = {"stored": self.inserted, "updated": self.updated, "unchanged": self.unchanged}
        return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count) or "nothing stored"

    def reject(self, symbol: str, reason: str, hour: str = "") -> None:
        """Count a quote that is not stored. ``hour`` is its hour key, empty if unknown."""
        self.rejected += 1
        self.rejects.add(symbol, reason, hour)


@dataclass(frozen=True)
class BackfillRequest:
    """Which past hours a backfill or a heal is to store, and how.

    Attributes:
        hours: how many before the present one; ignored if there is a `first`.
        dry_run: log the estimate, and stop before anything is spent.
        ask_all: for a heal: also hours that the source had no quote for before.
        max_credits: the most to spend; None for no limit.
        first: aware; the first of the hours.
        end: aware; the first hour that is left out; None for the present one.
    """

    hours: int
    dry_run: bool = False
    ask_all: bool = False
    max_credits: int | None = None
    first: datetime | None = None
    end: datetime | None = None

    def starts(self, now: datetime) -> list[datetime]:
        """The starts of the hours, in Tehran, oldest first; empty if none is before the present hour."""
        if self.first is None:
            return hours_before(now, self.hours)
        present = hour_start(now)
        return hours_between(self.first, min(self.end or present, present))


@dataclass(frozen=True, kw_only=True)
class Job:
    """One source into one table, hourly: everything in which a pipeline differs from the others.

    Attributes:
        summary: one line for the list of jobs.
        source: the source's name.
        repository: the class of the table's repository.
        run: stores the present hour: extract, transform, load. Idempotent: a later run of the hour updates its rows.
            Raises `EtlError`; what was fetched before is in the spool.
        check: whether the source answers, and what an operator should know of it. Spends nothing.
        backfill: asks the source for `Past.wanted` hours and yields an answer at a time; the caller stores them. A heal
            is the same for missing hours. None for a source without a past.
        followed: by the settings, the symbols that have a row every hour, each with what it means there, such as a
            coin's id or a pair; None if the settings leave that open.
        schedule: cron expression, in the host's time zone.
        past_needs: the setting without which the source refuses past hours, if any.
        charges: whether past hours cost credits, which ``--max-credits`` limits.
    """

    summary: str
    source: str
    repository: type[HourlyRepository]
    run: Callable[[JobContext], Awaitable[None]]
    check: Callable[[JobContext], Coroutine[Any, Any, Finding]]
    backfill: Callable[[JobContext, Past], AsyncGenerator[Batch, None]] | None = None
    followed: Callable[[Settings], Mapping[str, object]]
    schedule: str = "0 * * * *"
    past_needs: Needed | None = None
    charges: bool = False

    @property
    def table(self) -> HourlyTable:
        """Where the rows go."""
        return self.repository.table

    def repository_in(self, resources: Resources) -> HourlyRepository:
        """The job's table."""
        return resources.repository(self.repository)


@dataclass(frozen=True)
class JobContext:
    """One run of a job.

    Attributes:
        name: the job's.
        job: the job.
        kind: what is run of it.
        run_id: written to each row, and bound to each line of the log.
        started: aware; when the run began.
        now: the present time, aware.
        resources: connections and folders; their maker closes them.
        settings: with the symbols of this run only in SYMBOLS.
        symbols: those of this run, all that the job follows unless --symbols named some.
        step: notes what the run is doing, for messages about a run that is waited for or was ended.
        report: what the run did so far.
    """

    name: str
    job: Job
    kind: Kind
    run_id: str
    started: datetime
    now: Callable[[], datetime]
    resources: Resources
    settings: Settings
    symbols: Sequence[str]
    step: Callable[[str], None]
    report: RunReport = field(default_factory=RunReport)

    @classmethod
    def begin(
        cls,
        name: str,
        job: Job,
        resources: Resources,
        *,
        kind: Kind = "run",
        run_id: str = "",
        step: Callable[[str], None] = lambda _step: None,
        symbols: Sequence[str] = (),
    ) -> JobContext:
        """A run that begins now.

        Args:
            symbols: the only ones to run for; empty for all.

        Raises:
            ConfigurationError: one of ``symbols`` is not among the job's.
        """
        followed = job.followed(resources.settings)
        settings = only_symbols(resources.settings, symbols, followed)
        now = resources.clock
        return cls(name, job, kind, run_id, now(), now, resources, settings, list(symbols or followed), step)

    @cached_property
    def repository(self) -> HourlyRepository:
        """The job's table, on the run's one connection."""
        return self.job.repository_in(self.resources)

    @cached_property
    def spool(self) -> Spool:
        """The job's own spool."""
        return self.resources.spool(self.name)

    def note_load(self, rows: Sequence[HourlyRow], done: LoadReport) -> None:
        """Count what a loader did with own rows and with those of earlier runs."""
        report = self.report
        report.inserted += done.stored.inserted
        report.updated += done.stored.updated
        report.unchanged += done.stored.unchanged
        report.replayed += sum(done.replayed)
        if rows and not any(done.stored):
            report.failures += [_ALL_REFUSED] if _ALL_REFUSED not in report.failures else []
        elif self.kind == "run":
            report.values |= {row.symbol: getattr(row, self.job.table.value) for row in rows}
        report.warnings.extend(f"damaged spool file set aside: {line}" for line in done.set_aside)
        report.warnings.extend(f"spool file not processed: {line}" for line in done.left)

    def fail_if_nothing_stored(self) -> None:
        """Count a run without a valid quote as failed."""
        if _ALL_REFUSED not in self.report.failures:
            self.report.failures.append(f"{self.job.source} gave no valid {self.job.table.value}")


async def run_hour(ctx: JobContext) -> None:
    """Run the present hour of a job; if the source fails, store at least what is in the spool.

    Raises:
        EtlError: the source, the database or the disk failed.
    """
    try:
        await ctx.job.run(ctx)
    except (StorageUnavailable, StorageRejected):
        raise
    except EtlError:
        try:
            ctx.step("storing the rows in the spool")
            await SpooledLoader(ctx).store_kept()
        except EtlError as error:
            log.warning("spool not emptied either", reason=error.message)
        raise
    finally:
        ctx.report.calls = ctx.resources.calls_made
    if not ctx.report.values:
        ctx.fail_if_nothing_stored()
