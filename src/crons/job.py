"""A job: one source into one table, hourly. What a run of it is given, and what it reports."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import structlog

from adapters._bases.errors import ConfigurationError, EtlError, StorageRejected, StorageUnavailable
from adapters._bases.hourly_repository import HourlyRepository
from adapters._bases.tehran_time import hour_key, hour_start, hours_before, hours_between, time_span
from adapters._bases.wording import counted, listed
from adapters.clickhouse.etl_runs_clickhouse_adapter import RunCounts
from configurations.config import Settings, split_list
from crons.resources import Resources
from loaders.spooled_loader import SpooledLoader
from transformers.coverage import Batch

if TYPE_CHECKING:
    from crons.backfill import Past

State = Literal["ok", "warn", "fail"]
Kind = Literal["run", "backfill", "heal"]

# Up to this many coins with one reason have a line each.
_FEW = 5
_COMPARED = timedelta(days=2)
# What differs between two things of one reason: numbers, quoted names and places in an answer.
_VARYING = re.compile(r"\d+|'[^']*'|\[[^\]]*\]")

log = structlog.get_logger(__name__)


class Finding(NamedTuple):
    subject: str  # such as ClickHouse
    state: State  # warn: an operator should know; fail: it stops the job
    detail: str  # one line or several
    next_step: str = ""


@dataclass
class ReasonGroups:
    """Quotes with the reason why they are not stored; iterates over lines. Memory grows with coins and reasons."""

    # By reason, then coin: its own reason, the number of quotes, the first and the last hour key.
    _groups: dict[str, dict[str, tuple[str, int, str, str]]] = field(default_factory=dict)

    def add(self, coin: str, reason: str, hour: str = "") -> None:
        """Add a quote of a coin; ``hour`` is its hour key, empty if unknown."""
        group = self._groups.setdefault(_VARYING.sub("", reason), {})
        reason, quotes, first, last = group.get(coin, (reason, 0, hour, hour))
        group[coin] = reason, quotes + 1, min(first or hour, hour), max(last, hour)

    def __iter__(self) -> Iterator[str]:
        """A line for each coin if few have the reason, else one for all, with the first coin's reason."""
        for group in self._groups.values():
            if len(group) <= _FEW:
                for coin, (reason, quotes, first, last) in group.items():
                    span = first if first == last else f"{first} to {last}, {counted(quotes, 'quote')}"
                    yield f"{coin} {span}".rstrip() + f": {reason}"
                continue
            reasons, counts, firsts, lasts = zip(*group.values(), strict=True)
            span = " to ".join(dict.fromkeys(filter(None, [min(filter(None, firsts), default=""), max(lasts)])))
            what = ", ".join(filter(None, [f"{len(group):,} coins", f"{sum(counts):,} quotes", span]))
            yield f"{what}: {reasons[0]} (the first of them): {listed(list(group))}"


@dataclass
class RunReport(RunCounts):
    """What a run did. It is filled while the run goes on, so that a failed run is recorded with its counts too."""

    rejects: ReasonGroups = field(default_factory=ReasonGroups)  # quotes that were not stored
    flaws: ReasonGroups = field(default_factory=ReasonGroups)  # what could not be read of stored quotes
    missing: list[str] = field(default_factory=list)  # what the source was asked for and did not give
    warnings: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)  # why the run counts as failed, although it goes on
    values: dict[str, float] = field(default_factory=dict)  # stored last, by symbol

    def note(self, batch: Batch) -> None:
        self.extracted += batch.extracted
        self.rejected += len(batch.rejects)
        for notes, remarks in ((self.rejects, batch.rejects), (self.flaws, batch.flaws)):
            for one in remarks:
                notes.add(one.name or one.symbol, one.reason, one.hour)


@dataclass(frozen=True)
class Request:
    """What a run is asked to do: the options of cron_run, cron_backfill and cron_heal."""

    name: str  # of the job
    kind: Kind = "run"
    _: KW_ONLY
    quiet: bool = False
    hours: int | None = None  # before the present one, unless there is a `first`
    first: str | None = None  # a time, see `time_span`
    end: str | None = None  # the first hour that is left out; None for the present one
    symbols: str | None = None  # the only ones to ask for; None for all that the job follows
    max_credits: int | None = None
    dry_run: bool = False  # stop after the estimate, before anything is spent
    ask_all: bool = False  # heal: also hours that the source had no quote for before

    def starts(self, now: datetime) -> list[datetime]:
        """The starts of the hours, in Tehran, oldest first; empty if none is before the present hour."""
        first, end, _ = time_span(self.first, self.end)
        if first is None:
            return hours_before(now, self.hours or 0)
        present = hour_start(now)
        return hours_between(first, min(end or present, present))


@dataclass(frozen=True, kw_only=True)
class Job:
    """One source into one table, hourly: everything in which a pipeline differs from the others."""

    summary: str  # one line for the list of jobs
    source: str
    repository: type[HourlyRepository]
    # Stores the present hour: extract, transform, load. Idempotent: a later run of the hour updates its rows. Raises
    # `EtlError`; what was fetched before is in the spool.
    run: Callable[[JobContext], Awaitable[None]]
    # Whether the source answers, and what an operator should know of it. Spends nothing.
    check: Callable[[JobContext], Coroutine[Any, Any, Finding]]
    # Whether each followed symbol can be followed, at no cost; None if `check` says that.
    check_symbols: Callable[[JobContext], Coroutine[Any, Any, Finding]] | None = None
    # Asks the source for `Past.wanted` hours and gives its answers to `Past.take`. A heal is the same for missing
    # hours. None for a source without a past.
    backfill: Callable[[JobContext, Past], Awaitable[None]] | None = None
    # By the settings, the symbols that have a row every hour, each with what it means there, such as a coin's id or a
    # pair; None if the settings leave that open.
    followed: Callable[[Settings], Mapping[str, object]]
    # Show nothing of it on a host that never ran it, and expect no hour of a symbol without rows.
    optional: bool = False
    # Of coins with their ids, those of the list of the largest that it follows, with what they mean here.
    members: Callable[[Settings, Mapping[str, int]], Mapping[str, object]] = lambda _settings, _coins: {}
    verify: Callable[[JobContext], list[Finding]] = lambda _ctx: []  # what else is wrong with the stored rows
    # The variable of the API key that past hours require and are charged to, and where to get one.
    past_key: tuple[str, str] | None = None
    # Where the source's history of each symbol begins, a line each, as far as it is kept.
    beginnings: Callable[[Settings], list[str]] = lambda _settings: []

    def lacks(self, settings: Settings) -> tuple[str, str]:
        """The variable that past hours need and that is not set, and where to get its value; empty if none."""
        variable, step = self.past_key or ("", "")
        return (variable, step) if variable and not getattr(settings, variable.lower()) else ("", "")

    def expected(self, settings: Settings, table: HourlyRepository, *, since: str = "") -> Mapping[str, object]:
        """The symbols whose hours are missing if they have no row: those followed, and the largest coins since an hour.

        The largest coins first. Nothing is expected of a symbol without any row if the source need not have it.
        """
        followed = dict(self.followed(settings))
        members = dict(self.members(settings, table.listed(since=since))) if settings.top else {}
        doubtful = followed if self.optional else members
        stored = table.first_hours(list(doubtful)) if doubtful else {}
        known = {symbol: meaning for symbol, meaning in doubtful.items() if symbol in stored}
        return known if self.optional else {**known, **followed}


@dataclass(eq=False, repr=False)
class JobContext:
    """One run of a job, which begins now. All times are aware."""

    request: Request
    job: Job
    resources: Resources  # their maker closes them
    _: KW_ONLY
    run_id: str = ""  # written to each row, and bound to each line of the log
    # Notes what the run is doing, for messages about a run that is waited for or was ended.
    step: Callable[[str], None] = lambda _step: None
    report: RunReport = field(default_factory=RunReport)

    def __post_init__(self) -> None:
        self.name, self.kind = self.request.name, self.request.kind
        self.settings = self.resources.settings
        self.symbols = list(self.job.followed(self.settings))
        if self.request.symbols is not None:
            self.symbols = _named(self.request.symbols, self.symbols, listed_too=bool(self.settings.top))
            ids = dict(self.settings.symbols)
            self.settings = replace(self.settings, symbols=tuple((one, ids.get(one)) for one in self.symbols))
        self.repository, self.spool = self.resources.repository(self.job.repository), self.resources.spool(self.name)
        self.now = self.resources.clock
        self.started = self.now()

    def fail_if_nothing_stored(self) -> None:
        if not self.report.failures:
            self.report.failures.append(f"{self.job.source} gave no valid {self.repository.table.value}")


def _named(text: str, followed: Collection[str], *, listed_too: bool) -> list[str]:
    """The listed symbols, case-insensitive; `listed_too` allows symbols that the job does not follow."""
    names = {symbol.upper(): symbol for symbol in followed}
    symbols = list(dict.fromkeys(names.get(one.upper(), one.upper()) for one in split_list(text)))
    if not symbols:
        raise ConfigurationError("--symbols is empty", next_step="name some, such as BTC,ETH, or leave it out")
    unknown = [symbol for symbol in symbols if symbol not in followed]
    if unknown and not listed_too:
        raise ConfigurationError(
            f"the job does not follow {', '.join(unknown)}, by SYMBOLS",
            next_step=f"name some of these: {', '.join(followed)}",
        )
    return symbols


async def salvage(work: Awaitable[None], store: Callable[[], Awaitable[object]]) -> None:
    """Do work; if the source fails, store at least what there is before its error is raised."""
    try:
        await work
    except (StorageUnavailable, StorageRejected):
        raise
    except EtlError:
        try:
            await store()
        except EtlError as error:
            log.warning("rows in the spool not stored either", reason=error.message)
        raise


async def run_hour(ctx: JobContext) -> None:
    """Run the present hour of a job; if the source fails, store at least what is in the spool."""
    calls_before = ctx.resources.calls_made
    try:
        await salvage(ctx.job.run(ctx), SpooledLoader(ctx).store_kept)
    finally:
        ctx.report.calls = ctx.resources.calls_made - calls_before
    if ctx.report.values:
        await asyncio.to_thread(_note_absurd, ctx)
    else:
        ctx.fail_if_nothing_stored()


def _note_absurd(ctx: JobContext) -> None:
    """Warn of stored prices by the rule of `verify`; a database that does not answer now costs the warning only."""
    try:
        for one in ctx.repository.absurd_values(first=hour_key(ctx.started - _COMPARED)):
            if one.hour >= hour_key(ctx.started):
                ctx.report.flaws.add(one.symbol, f"stored, but see whether it is right: {one.detail}", one.hour)
    except EtlError as error:
        log.warning("prices not compared with those before", reason=error.message)
