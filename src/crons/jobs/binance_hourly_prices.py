"""The price of each pair at each Tehran hour: from Binance into ``binance_prices``."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from functools import partial

import structlog

from adapters._bases.errors import ContractError, EtlError, SourceRejected, SourceUnavailable
from adapters._bases.http_adapter import HttpAdapter
from adapters._bases.tehran_time import HOUR, hour_key, hour_start, hours_between
from adapters._bases.wording import listed
from adapters.clickhouse.binance_clickhouse_adapter import BinanceClickHouseAdapter
from adapters.files.choices import KnownPair, pair_choices
from adapters.http.binance_http_adapter import KLINES_WEIGHT, UNKNOWN_PAIR, WEIGHT_A_MINUTE
from configurations.config import Settings
from crons.backfill import Past
from crons.inspection import STALE_AFTER
from crons.job import Finding, Job, JobContext, State
from extractors.binance_extractor import (
    beginnings,
    begins,
    extract_candles,
    extract_historical,
    extract_latest,
    first_hour,
    other_base,
    pair_state,
    resolve_pairs,
)
from extractors.candles import AGAIN, Answered, CandleCall, plan_calls
from extractors.concurrently import all_at_once
from loaders.spooled_loader import SpooledLoader
from transformers.candles import HOURS_BACK, candle_batch, last_over, pair_row
from transformers.coverage import Batch, hours_by_key

_CORRECT = "if it stays so, name another pair in BINANCE_PAIRS, or none"

log = structlog.get_logger(__name__)


async def run(ctx: JobContext) -> None:
    """Store the present hour, with its open only, and complete the last hour that is over. Idempotent.

    A candle belongs to the hour in which it opened, whenever its answer comes. A pair without a candle, or that is not
    traded, is reported, and costs the others nothing.
    """
    report = ctx.report
    async with ctx.resources.http("BINANCE_BASE_URL") as http:
        pairs = await _known_pairs(ctx, http)
        ctx.step("asking Binance for the latest candles")
        report.hours_asked = len(pairs)
        batches, failures = await all_at_once(pairs.items(), partial(_latest, ctx, http))
    for failure in failures:
        if isinstance(failure, SourceRejected) and failure.code == UNKNOWN_PAIR:
            report.warnings.append(f"{failure.message}; {_CORRECT}")
        else:
            report.failures.append(failure.message)
    if report.without_quote and report.without_quote == len(batches):
        report.failures.append("Binance has no candle of the present hour")
    rows = [row for batch in batches for row in batch.rows]
    await SpooledLoader(ctx).load(rows)


async def backfill(ctx: JobContext, past: Past) -> None:
    """Ask for past hours of each pair since its first candle, those included that were stored before they were over."""
    async with ctx.resources.http("BINANCE_BASE_URL") as http:
        pairs = await _known_pairs(ctx, http, since=past.starts[0])
        if later := [begins(pair) for pair in pairs.values() if first_hour(pair) > past.starts[0]]:
            log.info("history of pairs", what=listed(later))
        names = {symbol: pair.pair for symbol, pair in pairs.items()}
        wanted = await past.wanted(names, {symbol: first_hour(pair) for symbol, pair in pairs.items()})
        calls = plan_calls(wanted)
        weight = KLINES_WEIGHT * len(calls)
        minutes = f"{weight / WEIGHT_A_MINUTE:.1f} or more"
        past.estimate(len(calls), minutes=minutes, weight=f"{weight} of {WEIGHT_A_MINUTE} a minute")
        if ctx.request.dry_run:
            return
        owners: dict[int, str] = {}

        async def ask(call: CandleCall) -> Batch:
            answer = await extract_historical(http, call, names[call.symbol], owners=owners)
            return _batch(ctx, pairs[call.symbol], call, answer)

        history = partial(beginnings, http, names)
        await past.fill(calls, ask, asked=lambda call: {call.symbol: call.hours}, again=AGAIN, begins=history)
        for symbol in [symbol for symbol, hours in past.unexplained.items() if hours]:
            # That a pair is not traded explains what its answers lack; its past may be asked for again.
            if await _trouble(ctx, http, symbol, pairs[symbol]):
                del past.unexplained[symbol]


async def check(ctx: JobContext) -> Finding:
    """Whether Binance answers here, whether each pair is traded, and whether it trades the symbol's coin."""
    async with ctx.resources.http("BINANCE_BASE_URL") as http:
        pairs = ctx.settings.pairs.items()
        states = [(name, *await pair_state(http, symbol, name)) for symbol, name in pairs]
    traded = [name for name, trouble, _ in states if not trouble]
    remarks = [remark for _, *both in states for remark in both if remark]
    detail = "; ".join([f"answers; traded: {', '.join(traded)}", *remarks] if traded else remarks)
    state: State = "ok" if not remarks else "warn" if traded else "fail"
    return Finding("Binance", state, detail, _CORRECT if remarks else "")


async def _known_pairs(ctx: JobContext, http: HttpAdapter, *, since: datetime | None = None) -> dict[str, KnownPair]:
    """Symbol to its pair; those without one or not traded now are reported, and those that trade something else."""
    ctx.step("asking Binance which pairs are traded")
    settings, report, members = ctx.settings, ctx.report, dict[str, int]()
    if settings.top:
        members = await asyncio.to_thread(ctx.repository.listed, since=hour_key(ctx.started - timedelta(days=1)))
    wanted = {**settings.pairs_of(members), **settings.pairs}
    known, errors, notes = await resolve_pairs(http, pair_choices(settings.data_path), wanted, since=since)
    lacking = members.keys() - known.keys() - settings.pairs.keys()
    if lacking:
        report.warnings.append(f"{len(lacking)} of {len(members)} coins of the list have no pair at Binance")
    report.warnings.extend(notes)
    failures = [error for error in errors.values() if not isinstance(error, SourceRejected)]
    complaints = [error.message for one, error in errors.items() if one not in lacking and error not in failures]
    if not known:
        message = "; ".join(complaints) or "no symbol has a pair at Binance"
        raise failures[0] if failures else SourceRejected(message, next_step=_CORRECT)
    report.failures.extend(failure.message for failure in failures)
    report.warnings.extend(f"{complaint}; {_CORRECT}" for complaint in complaints)
    others = (other_base(symbol, pair.pair, pair.base) for symbol, pair in known.items())
    report.warnings.extend(filter(None, others))
    return known


async def _latest(ctx: JobContext, http: HttpAdapter, of_symbol: tuple[str, KnownPair]) -> Batch:
    """A pair's answer about the present hour and of the last that is over."""
    symbol, pair = of_symbol
    try:
        since = hour_start(ctx.started).astimezone(timezone.utc) - HOURS_BACK * HOUR
        answer = await extract_latest(http, pair.pair, since, clock=ctx.now)
        present = hour_start(ctx.now()).astimezone(timezone.utc)
        hours = hours_by_key(hours_between(last_over(answer.as_of), present + HOUR))
        if not any(candle.opens >= present for candle in answer.candles):
            ctx.report.without_quote += 1
            ctx.report.missing.append(f"{symbol} ({pair.pair})")
            await _trouble(ctx, http, symbol, pair)
        if not any(candle.trades for candle in answer.candles):
            longer = await extract_candles(http, pair.pair, present - STALE_AFTER)
            if not any(candle.trades for candle in longer.candles):
                idle = f"{symbol}: no trade of {pair.pair} in {STALE_AFTER // HOUR} hours, so its price is stale"
                ctx.report.warnings.append(f"{idle}; {_CORRECT}")
    except EtlError as error:
        error.message = f"{symbol}: {error.message} ({pair.pair})"
        raise
    batch = _batch(ctx, pair, CandleCall(symbol, hours), answer)
    ctx.report.note(batch)
    return batch


async def _trouble(ctx: JobContext, http: HttpAdapter, symbol: str, pair: KnownPair) -> str:
    """Why a pair has no candles, asked and reported; empty if it is traded."""
    trouble = ""
    with suppress(SourceUnavailable, ContractError):
        trouble, _ = await pair_state(http, symbol, pair.pair)
    if trouble and f"{symbol}: {trouble}" not in ctx.report.warnings:  # the look-up may have said so
        ctx.report.warnings.append(f"{symbol}: {trouble}; {_CORRECT}")
    return trouble


def _batch(ctx: JobContext, pair: KnownPair, call: CandleCall, answer: Answered) -> Batch:
    make = partial(pair_row, call.symbol, pair, ctx.run_id)
    return candle_batch(call, answer, make, name=f"{call.symbol} ({pair.pair})")


def _beginnings(settings: Settings) -> list[str]:
    pairs = pair_choices(settings.data_path).load()
    return [begins(pair) for symbol, pair in pairs.items() if settings.pairs.get(symbol) == pair.pair]


JOB = Job(
    summary="the price of each pair, hourly, from Binance",
    source="Binance",
    repository=BinanceClickHouseAdapter,
    run=run,
    check=check,
    backfill=backfill,
    followed=lambda settings: settings.pairs,
    members=Settings.pairs_of,
    beginnings=_beginnings,
)
