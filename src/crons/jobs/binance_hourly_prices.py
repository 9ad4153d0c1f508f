"""The price of each pair at each Tehran hour: from Binance into ``binance_prices``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from datetime import datetime, timedelta, timezone
from functools import partial

import structlog

from adapters._bases.errors import ContractError, EtlError, SourceRejected, SourceUnavailable
from adapters._bases.hourly_table import HourlyRow
from adapters._bases.tehran_time import HOUR, hour_key, hour_start, hours_between
from adapters._bases.wording import counted, listed
from adapters.clickhouse.binance_clickhouse_adapter import BinanceClickHouseAdapter
from adapters.files.choices import KnownPair, pair_choices
from adapters.http.binance_http_adapter import KLINES_WEIGHT, UNKNOWN_PAIR, WEIGHT_A_MINUTE, BinanceHttpAdapter
from configurations.config import Settings
from crons.backfill import Batch, Past, candle_batch
from crons.inspection import STALE_AFTER
from crons.job import Finding, Job, JobContext, State
from extractors.binance_extractor import (
    begins,
    extract_candles,
    extract_historical,
    extract_latest,
    first_hour,
    other_base,
    pair_state,
    resolve_pairs,
)
from extractors.candles import Answered, CandleCall, plan_calls
from extractors.concurrently import all_at_once
from loaders.spooled_loader import SpooledLoader
from transformers.candles import hour_rows, last_over, pair_row
from transformers.coverage import hours_by_key

_CORRECT = "if it stays so, name another pair in BINANCE_PAIRS, or none"
# In an hour's first seconds the hour before is still open, so the one before that is completed.
_HOURS_BACK = 2

log = structlog.get_logger(__name__)


async def run(ctx: JobContext) -> None:
    """Store the present hour, with its open only, and complete the last hour that is over. Idempotent.

    A candle belongs to the hour in which it opened, whenever its answer comes. A pair without a candle, or that is not
    traded, is reported, and costs the others nothing.
    """
    report = ctx.report
    async with ctx.resources.http("BINANCE_BASE_URL") as http:
        source = BinanceHttpAdapter(http)
        pairs = await _known_pairs(ctx, source)
        ctx.step("asking Binance for the latest candles")
        report.hours_asked = len(pairs)
        answers, failures = await all_at_once(pairs.items(), partial(_latest, ctx, source))
    for failure in failures:
        if isinstance(failure, SourceRejected) and failure.code == UNKNOWN_PAIR:
            report.warnings.append(f"{failure.message}; {_CORRECT}")
        else:
            report.failures.append(failure.message)
    if report.without_quote and report.without_quote == len(answers):
        report.failures.append("Binance has no candle of the present hour")
    rows = [row for _, batch in answers for row in batch.rows]
    ctx.step(f"storing {counted(len(rows), 'row')}")
    await SpooledLoader[HourlyRow](ctx).load(rows)


async def backfill(ctx: JobContext, past: Past) -> AsyncGenerator[Batch, None]:
    """Ask for past hours of each pair since its first candle, those included that were stored before they were over."""
    gone: set[str] = set()
    failed: list[tuple[CandleCall, EtlError]] = []
    troubles: dict[str, str] = {}
    async with ctx.resources.http("BINANCE_BASE_URL") as http:
        source = BinanceHttpAdapter(http)
        pairs = await _known_pairs(ctx, source, since=past.starts[0])
        if later := [begins(pair) for pair in pairs.values() if first_hour(pair) > past.starts[0]]:
            log.info("history of pairs", what=listed(later))
        wanted = await past.wanted(
            {symbol: pair.pair for symbol, pair in pairs.items()},
            {symbol: first_hour(pair) for symbol, pair in pairs.items()},
        )
        calls = plan_calls(wanted)
        weight = KLINES_WEIGHT * len(calls)
        minutes = f"{weight / WEIGHT_A_MINUTE:.1f} or more"
        past.estimate(len(calls), minutes=minutes, weight=f"{weight} of {WEIGHT_A_MINUTE} a minute")
        if past.request.dry_run:
            return
        answers = extract_historical(source, calls, pairs, settled=past.settled, gone=gone, failed=failed)
        async with aclosing(answers):
            async for call, answer in answers:
                batch = _batch(ctx, pairs[call.symbol], call, answer)
                # That a pair is not traded explains what an answer lacks; its past may be asked for again.
                if batch.short and await _trouble(ctx, source, call.symbol, pairs[call.symbol], troubles):
                    batch = batch._replace(unusable={(call.symbol, hour) for hour in call.hours})
                yield batch
    for call, error in failed:
        past.note_failed({call.symbol: call.hours}, error)
    ctx.report.warnings.extend(f"Binance has no such pair ({pair}); {_CORRECT}" for pair in sorted(gone))


async def check(ctx: JobContext) -> Finding:
    """Whether Binance answers here, whether each pair is traded, and whether it trades the symbol's coin."""
    async with ctx.resources.http("BINANCE_BASE_URL") as http:
        source, pairs = BinanceHttpAdapter(http), ctx.settings.pairs.items()
        states = [(name, *await pair_state(source, symbol, name)) for symbol, name in pairs]
    traded = [name for name, trouble, _ in states if not trouble]
    remarks = [remark for _, *both in states for remark in both if remark]
    detail = "; ".join([f"answers; traded: {', '.join(traded)}", *remarks] if traded else remarks)
    state: State = "ok" if not remarks else "warn" if traded else "fail"
    return Finding("Binance", state, detail, _CORRECT if remarks else "")


async def _known_pairs(
    ctx: JobContext, source: BinanceHttpAdapter, *, since: datetime | None = None
) -> dict[str, KnownPair]:
    """Symbol to its pair; those without one or not traded now are reported, and those that trade something else."""
    ctx.step("asking Binance which pairs are traded")
    settings, report, members = ctx.settings, ctx.report, dict[str, int]()
    if settings.top:
        members = await asyncio.to_thread(ctx.repository.listed, since=hour_key(ctx.started - timedelta(days=1)))
    wanted = {**settings.pairs_of(members), **settings.pairs}
    found = await resolve_pairs(source, pair_choices(settings.data_path), wanted, since=since)
    complaints = found.complaints
    if lacking := members.keys() - found.known.keys() - settings.pairs.keys():
        report.warnings.append(f"{len(lacking)} of {len(members)} coins of the list have no pair at Binance")
        complaints = [one for one in complaints if one.partition(": ")[0] not in lacking]
    report.warnings.extend(found.notes)
    if not found.known and found.failures:
        raise found.failures[0]
    report.failures.extend(failure.message for failure in found.failures)
    if not found.known:
        raise SourceRejected("; ".join(complaints) or "no symbol has a pair at Binance", next_step=_CORRECT)
    report.warnings.extend(f"{complaint}; {_CORRECT}" for complaint in complaints)
    others = (other_base(symbol, pair.pair, pair.base) for symbol, pair in found.known.items())
    report.warnings.extend(filter(None, others))
    return found.known


async def _latest(ctx: JobContext, source: BinanceHttpAdapter, of_symbol: tuple[str, KnownPair]) -> Batch:
    """A pair's answer about the present hour and of the last that is over."""
    symbol, pair = of_symbol
    try:
        since = hour_start(ctx.started).astimezone(timezone.utc) - _HOURS_BACK * HOUR
        answer = await extract_latest(source, pair.pair, since, clock=ctx.now)
        present = hour_start(ctx.now()).astimezone(timezone.utc)
        hours = hours_by_key(hours_between(last_over(answer.as_of), present + HOUR))
        if not any(candle.opens >= present for candle in answer.candles):
            ctx.report.without_quote += 1
            ctx.report.missing.append(f"{symbol} ({pair.pair})")
            await _trouble(ctx, source, symbol, pair, {})
        if not any(candle.trades for candle in answer.candles):
            longer = await extract_candles(source, pair.pair, present - STALE_AFTER)
            if not any(candle.trades for candle in longer.candles):
                idle = f"{symbol}: no trade of {pair.pair} in {STALE_AFTER // HOUR} hours, so its price is stale"
                ctx.report.warnings.append(f"{idle}; {_CORRECT}")
    except EtlError as error:
        error.message = f"{symbol}: {error.message} ({pair.pair})"
        raise
    return _batch(ctx, pair, CandleCall(symbol, hours), answer)


async def _trouble(
    ctx: JobContext, source: BinanceHttpAdapter, symbol: str, pair: KnownPair, known: dict[str, str]
) -> str:
    """Why a pair has no candles, asked and reported once; empty if it is traded."""
    if symbol not in known:
        with suppress(SourceUnavailable, ContractError):
            known[symbol], _ = await pair_state(source, symbol, pair.pair)
        trouble = known.setdefault(symbol, "")
        if trouble and f"{symbol}: {trouble}" not in ctx.report.warnings:  # the look-up may have said so
            ctx.report.warnings.append(f"{symbol}: {trouble}; {_CORRECT}")
    return known[symbol]


def _batch(ctx: JobContext, pair: KnownPair, call: CandleCall, answer: Answered) -> Batch:
    made = hour_rows(answer, call.hours, partial(pair_row, call.symbol, pair, ctx.run_id))
    return candle_batch(ctx, call, answer, made, name=f"{call.symbol} ({pair.pair})")


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
