"""The price of one USDT in Toman at each Tehran hour: from Nobitex and Wallex into ``toman_rates``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from functools import partial
from itertools import pairwise
from statistics import median, mode
from typing import Any

from adapters._bases.errors import (
    ClockError,
    ConfigurationError,
    ContractError,
    EtlError,
    SourceRejected,
    SourceUnavailable,
)
from adapters._bases.http_adapter import HttpAdapter, minute_limiter
from adapters._bases.tehran_time import describe_hours, from_text, hour_key, hour_start, hours_before
from adapters._bases.wording import counted, listed
from adapters.clickhouse.toman_clickhouse_adapter import TomanClickHouseAdapter
from crons.backfill import Past
from crons.inspection import finding
from crons.job import Finding, Job, JobContext
from extractors.candles import AGAIN, CandleCall, plan_calls
from extractors.concurrently import all_at_once
from extractors.toman_extractor import CALLS_A_MINUTE, SOURCES, RateSource, extract_candles
from loaders.spooled_loader import SpooledLoader
from transformers.candles import HOURS_BACK, candle_batch, toman_row
from transformers.coverage import Batch, hours_by_key, reach

# An exchange that is down must not hold up the other one's rates for long.
_MOST_TRIES = 3
_FAR_APART_PERCENT = 10.0
# No market moves as far from one hour to the next, and no two exchanges are as far apart.
_LEAST_TENFOLD, _MOST_TENFOLD = 7.0, 14.0

Rates = Mapping[str, Mapping[str, float]]  # symbol to its rates by hour key
Ask = Callable[[CandleCall], Coroutine[Any, Any, Batch]]


async def run(ctx: JobContext) -> None:
    """Store the present hour, with its open only, and complete the last hour that is over. Idempotent.

    An exchange that does not answer, or has no rate of the present hour, is named, and costs the other one nothing.
    """
    now, report = ctx.now(), ctx.report
    report.hours_asked = len(ctx.symbols)
    ctx.step("asking Nobitex and Wallex for the latest rates")
    batches, failures = await _latest(ctx, [*hours_before(now, HOURS_BACK), hour_start(now)])
    _name(ctx, failures)
    rows = [row for batch in batches for row in batch.rows]
    there = {row.symbol for row in rows if row.fetched_at >= hour_key(now)}
    report.missing.extend(symbol for batch in batches for symbol in batch.asked if symbol not in there)
    report.without_quote = len(report.missing)
    if not there:
        report.failures.append("neither Nobitex nor Wallex has a rate of the present hour")
    await SpooledLoader(ctx).load(rows)


async def backfill(ctx: JobContext, past: Past) -> None:
    """Ask for past hours of each exchange; one that does not answer is named, and costs the other one nothing."""
    meant = JOB.followed(ctx.settings) if ctx.kind == "backfill" else JOB.expected(ctx.settings, ctx.repository)
    wanted = await past.wanted(
        {symbol: meant[symbol] for symbol in ctx.symbols if symbol in meant},
        {source.symbol: source.first for source in SOURCES},
    )
    calls = plan_calls(wanted)
    past.estimate(len(calls))
    if ctx.request.dry_run:
        return
    failures: list[EtlError] = []
    async with _exchanges(ctx) as exchanges:
        for symbol, ask in exchanges.items():
            own = [call for call in calls if call.symbol == symbol]
            try:
                await past.fill(own, ask, asked=lambda call: {call.symbol: call.hours}, again=AGAIN, most_failures=1)
            except (SourceUnavailable, SourceRejected, ContractError, ClockError) as error:
                failures.append(error)
    if len(failures) == len(exchanges):
        raise failures[0]
    _name(ctx, failures)


@asynccontextmanager
async def _exchanges(ctx: JobContext) -> AsyncIterator[dict[str, Ask]]:
    """Symbol to the function that asks its exchange for candles."""
    exchanges: dict[str, Ask] = {}
    async with AsyncExitStack() as opened:
        for source in SOURCES:
            if source.symbol in ctx.symbols:
                # As Nobitex asks of programs.
                headers = {"User-Agent": "TraderBot/DataProcessor"}
                http = ctx.resources.http(source.setting, headers, attempts=_MOST_TRIES)
                http.limiter = minute_limiter(CALLS_A_MINUTE)
                exchanges[source.symbol] = partial(_ask, ctx, await opened.enter_async_context(http), source)
        if not exchanges:
            message = "NOBITEX_BASE_URL and WALLEX_BASE_URL are both empty"
            raise ConfigurationError(message, next_step="set one of them")
        yield exchanges


async def _ask(ctx: JobContext, http: HttpAdapter, source: RateSource, call: CandleCall) -> Batch:
    answer = await extract_candles(http, source, call.start, call.end)
    return candle_batch(call, answer, partial(toman_row, source.symbol, source.pair, ctx.run_id), name=source.symbol)


async def _latest(ctx: JobContext, hours: Sequence[datetime]) -> tuple[list[Batch], list[EtlError]]:
    """The rates of these hours of each exchange that answers, and the failures of the others."""
    calls = [CandleCall(symbol, hours_by_key(hours)) for symbol in ctx.symbols]
    async with _exchanges(ctx) as exchanges:
        batches, failures = await all_at_once(calls, lambda call: exchanges[call.symbol](call))
    for batch in batches:
        ctx.report.note(batch)
    return batches, failures


def _name(ctx: JobContext, failures: Iterable[EtlError]) -> None:
    ctx.report.warnings.extend(f"{failure.message}: {failure.next_step}" for failure in failures)


async def check(ctx: JobContext) -> Finding:
    """Whether Nobitex and Wallex answer here."""
    batches, failures = await _latest(ctx, hours_before(ctx.started, 1))
    found = [
        f"{listed([*batch.asked])} answers, {counted(len(batch.rows), 'rate')} of the last hour" for batch in batches
    ]
    detail = "; ".join([*found, *(failure.message for failure in failures)])
    return Finding(JOB.source, "warn" if failures else "ok", detail, failures[0].next_step if failures else "")


def verify(ctx: JobContext) -> list[Finding]:
    """Whether rates are in Rial by mistake, and how far the two exchanges are apart."""
    stored = ctx.repository.prices(first="", last=hour_key(ctx.started))
    rates = {
        symbol: {hour: one.price for hour, one in prices.items() if one.price > 0} for symbol, prices in stored.items()
    }
    tenfold = {words: list(map(from_text, hours)) for words, hours in _tenfold(rates)}
    lines = [f"{words}, probably Rial for Toman: {describe_hours(hours)}" for words, hours in tenfold.items()]
    back = reach([hour for hours in tenfold.values() for hour in hours], ctx.started)
    found = [finding("unit", lines, f"./run.sh cron_backfill {ctx.name} {back} fetches them again")]
    apart = {
        hour: abs(one / other - 1) * 100
        for hour, one in rates.get(SOURCES[0].symbol, {}).items()
        if (other := rates.get(SOURCES[1].symbol, {}).get(hour))
    }
    if apart:
        largest = max(apart, key=apart.__getitem__)
        detail = (
            f"{SOURCES[0].name} and {SOURCES[1].name} differ by {median(apart.values()):.2f} % (median) in "
            f"{len(apart):,} h, at most by {apart[largest]:,.2f} % ({largest[:16]})"
        )
        found.append(Finding("two sources", "warn" if apart[largest] > _FAR_APART_PERCENT else "ok", detail))
    return found


def _tenfold(rates: Rates) -> Iterator[tuple[str, list[str]]]:
    """What is ten times as much as other rates, in words, and its hours: within a symbol, and between two."""
    for symbol, own in rates.items():
        levels = dict.fromkeys(sorted(own), 0)
        for before, hour in pairwise(levels):
            levels[hour] = levels[before] + _tens(own[hour], own[before])
        usual = mode(levels.values())
        found = {
            "ten times its other rates": [hour for hour, level in levels.items() if level > usual],
            "a tenth of its other rates": [hour for hour, level in levels.items() if level < usual],
        }
        for other, theirs in rates.items():
            both = [hour for hour in levels if hour in theirs]
            found[f"ten times {other}"] = [hour for hour in both if _tens(own[hour], theirs[hour]) > 0]
        yield from ((f"{symbol} is {words}", hours) for words, hours in found.items() if hours)


def _tens(one: float, other: float) -> int:
    """1 if a rate is about ten times another, -1 if it is about a tenth of it, else 0."""
    high, low = max(one, other), min(one, other)
    is_tenfold = _LEAST_TENFOLD * low < high < _MOST_TENFOLD * low
    return 0 if not is_tenfold else 1 if one > other else -1


JOB = Job(
    summary="the price of one USDT in Toman, hourly, from Nobitex and Wallex",
    source="Nobitex, Wallex",
    repository=TomanClickHouseAdapter,
    run=run,
    check=check,
    backfill=backfill,
    verify=verify,
    followed=lambda settings: {one.symbol: one.pair for one in SOURCES if getattr(settings, one.setting.lower())},
    optional=True,
)
