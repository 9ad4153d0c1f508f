"""What a job is given, what it gives back, and what an operator's command learns from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, runtime_checkable

from adapters._bases.hourly_upsert import UpsertReport
from transformers.coverage import Coverage

if TYPE_CHECKING:
    from adapters._bases.clickhouse_adapter import ClickHouseAdapter
    from adapters._bases.hourly_backup import RowsTold
    from configurations.config import Settings

State = Literal["ok", "warn", "fail"]


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
    """One symbol's prices.

    Attributes:
        symbol: as it is followed.
        last_hour: key of the latest stored hour, Tehran wall time; None when there is none in the longest span.
        last_price: that hour's price, finite; None when there is none, or one that is no number.
        coverage: which hours are stored; the present hour is not counted.
        trend: the prices of the 24 hours before the present one and of the present one, finite;
            None where there is none, or one that is no number.
    """

    symbol: str
    last_hour: str | None
    last_price: float | None
    coverage: Coverage
    trend: list[float | None]


@dataclass
class RunReport:
    """What a run did; counts are rows unless they say otherwise.

    Attributes:
        extracted: quotes that the source gave.
        inserted: keys that were new.
        updated: keys that were there with other values.
        unchanged: keys that were there with the same values.
        replayed: what became of rows of earlier runs that had waited in the spool.
        rejected: what was not stored and why, one line for each coin and reason of an answer.
        rejected_quotes: how many quotes those are.
        hours_asked: pairs of symbol and hour that the source was asked for; counted before it is asked, so that a
            run which fails is known by them too.
        without_quote: those among them for which it gave no price.
        missing: what was asked for and not given, one line each.
        calls: HTTP calls to the source, retries included.
        credits: credits that the source charged.
        warnings: what a person should know, one line each.
        failures: why the run counts as failed, one line each; empty for a good run.
    """

    extracted: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    replayed: UpsertReport = field(default_factory=UpsertReport)
    rejected: list[str] = field(default_factory=list)
    rejected_quotes: int = 0
    hours_asked: int = 0
    without_quote: int = 0
    missing: list[str] = field(default_factory=list)
    calls: int = 0
    credits: int = 0
    warnings: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def add_stored(self, stored: UpsertReport) -> None:
        """Count what an upsert of this run's rows did."""
        self.inserted += stored.inserted
        self.updated += stored.updated
        self.unchanged += stored.unchanged


@dataclass(frozen=True)
class RunContext:
    """One run of a job.

    Attributes:
        settings: what the operator set.
        job: the job's name.
        run_id: goes into each row and each line of the log.
        now: aware; the one reading of the clock that decides the hour of the run.
        clock: gives the present aware time, for what must know how late it has become meanwhile.
        step: says what the run does now, for whoever asks while it runs or wonders what it waited for.
        database: the run's one connection, made on first use; whoever made the context closes it.
        report: what the run has done so far; the job fills it, so that a run which fails is known by it too.
    """

    settings: Settings
    job: str
    run_id: str
    now: datetime
    clock: Callable[[], datetime]
    step: Callable[[str], None]
    database: ClickHouseAdapter
    report: RunReport = field(default_factory=RunReport)


@dataclass(frozen=True)
class HealOptions:
    """How a heal goes about it.

    Attributes:
        ask_all: ask also for hours that the source had no quote for when it was asked last.
        max_credits: the most credits to spend; zero or more.
    """

    ask_all: bool = False
    max_credits: int = 100


class Table(Protocol):
    """A job's table, for the operator's commands; see the repository of the job for what each raises."""

    @property
    def name(self) -> str:
        """``database.table``, as people write it."""
        ...

    def ensure_ready(self) -> None:
        """Make database, table and view where they are missing."""
        ...

    def table_exists(self) -> bool:
        """Whether it is there."""
        ...

    def count_rows(self) -> int:
        """How many rows it holds."""
        ...

    def describe_server(self) -> str:
        """Which engine answers, where and of which version, in one line."""
        ...

    def stuck_mutations(self) -> Sequence[object]:
        """Its mutations that fail, each with the statement that clears it."""
        ...

    def export_table(self, path: Path, told: RowsTold) -> int:
        """Write all of it to a file, verified; the number of rows."""
        ...

    def restore(self, path: Path, told: RowsTold) -> UpsertReport:
        """Put a file of `export_table` back."""
        ...

    def drop_table(self) -> None:
        """Drop it and its view."""
        ...


class JobModule(Protocol):
    """What a file of ``crons/jobs`` holds; see `PastJobModule` and `InspectedJobModule` for what it may hold beside."""

    @property
    def SOURCE(self) -> str:  # noqa: N802 - a constant of the module
        """The source's name, for people."""
        ...

    def open_table(
        self, settings: Settings, *, task: str, clock: Callable[[], datetime], wait_seconds: float, writes: bool = False
    ) -> AbstractContextManager[Table]:
        """The job's table; the database is connected to when it is first needed.

        Args:
            settings: what the operator set.
            task: what it is used for, for whoever has to wait meanwhile.
            clock: gives the aware time.
            wait_seconds: how long to wait for another process that has the embedded engine's folder open, or writes to
                the same database of the same server.
            writes: whether rows are written or dropped; who only reads a server waits for nobody.
        """
        ...

    async def check_source(self, settings: Settings, clock: Callable[[], datetime]) -> Finding:
        """Whether the source answers, and what the operator should know of it."""
        ...

    async def run(self, context: RunContext) -> RunReport:
        """Do the job for the present hour."""
        ...


class PastJobModule(JobModule, Protocol):
    """What the file of a job holds whose source gives past hours too."""

    async def backfill(self, context: RunContext, hours: int, *, dry_run: bool) -> RunReport:
        """Do it for the given number of hours before the present one."""
        ...

    async def heal(self, context: RunContext, hours: int, options: HealOptions, *, dry_run: bool) -> RunReport:
        """Do it for those of the hours before the present one that are missing."""
        ...


@runtime_checkable
class InspectedJobModule(Protocol):
    """What the file of a job holds whose stored rows are shown by ``status`` and looked through by ``verify``."""

    def read_series(self, settings: Settings, database: ClickHouseAdapter, now: datetime) -> Sequence[Series]:
        """What is stored of each symbol lately."""
        ...

    def verify(self, settings: Settings, database: ClickHouseAdapter, now: datetime) -> Sequence[Finding]:
        """What is wrong with what is stored: a finding for each thing looked at, several lines in its detail."""
        ...
