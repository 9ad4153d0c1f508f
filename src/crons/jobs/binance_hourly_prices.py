"""The price of each pair at each Tehran hour: from Binance into ``binance_prices``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import timezone

from adapters._bases.errors import EtlError, SourceRejected
from adapters._bases.hourly_table import HourlyRow
from adapters._bases.tehran_time import HOUR, hour_key, hour_start, hours_between
from adapters.clickhouse.binance_clickhouse_adapter import BinanceClickHouseAdapter, PairRow
from adapters.files.choices import KnownPair, pair_choices
from adapters.http.binance_http_adapter import KLINES_WEIGHT, UNKNOWN_PAIR, WEIGHT_A_MINUTE, BinanceHttpAdapter
from crons.backfill import Batch, Past
from crons.job import Finding, Job, JobContext
from extractors.binance_extractor import (
    extract_candles,
    extract_historical,
    first_hour,
    pair_trouble,
    plan_calls,
    resolve_pairs,
)
from loaders.spooled_loader import SpooledLoader
from transformers.binance_transformer import HourRows, hour_rows, last_over

_CORRECT = "correct BINANCE_PAIRS"
# In an hour's first seconds the hour before is still open, so the one before that is completed.
_HOURS_BACK = 2


async def run(ctx: JobContext) -> None:
    """Store the present hour, with its open only, and complete the last hour that is over. Idempotent.

    A candle belongs to the hour in which it opened, whenever its answer comes. A pair without a candle, or that is not
    traded, is reported, and costs the others nothing.
    """
    report = ctx.report
    async with open_source(ctx) as source:
        pairs = await _known_pairs(ctx, source)
        ctx.step("asking Binance for the latest candles")
        report.hours_asked = len(pairs)
        outcomes = await asyncio.gather(*(_latest(ctx, source, symbol, pair) for symbol, pair in pairs.items()))
    failures = [outcome for outcome in outcomes if isinstance(outcome, EtlError)]
    if failures and len(failures) == len(outcomes):
        raise failures[0]
    for failure in failures:
        if isinstance(failure, SourceRejected) and failure.code == UNKNOWN_PAIR:
            report.warnings.append(f"{failure.message}; {_CORRECT}")
        else:
            report.failures.append(failure.message)
    if report.without_quote and report.without_quote + len(failures) == len(outcomes):
        report.failures.append("Binance has no candle of the present hour")
    rows = [row for outcome in outcomes if not isinstance(outcome, EtlError) for row in outcome]
    ctx.step(f"storing {len(rows)} rows")
    await SpooledLoader[HourlyRow](ctx).load(rows)


async def backfill(ctx: JobContext, past: Past) -> AsyncGenerator[Batch, None]:
    """Ask for past hours of each pair since its first candle, those included that were stored before they were over."""
    gone: set[str] = set()
    async with open_source(ctx) as source:
        pairs = await _known_pairs(ctx, source)
        wanted = await past.wanted(
            {symbol: pair.pair for symbol, pair in pairs.items()},
            {symbol: first_hour(pair) for symbol, pair in pairs.items()},
        )
        calls = plan_calls({symbol: hours.values() for symbol, hours in wanted.items()}, pairs)
        weight = KLINES_WEIGHT * len(calls)
        minutes = f"{weight / WEIGHT_A_MINUTE:.1f} or more"
        past.estimate(len(calls), minutes=minutes, weight=f"{weight} of {WEIGHT_A_MINUTE} a minute")
        if past.request.dry_run:
            return
        async with aclosing(extract_historical(source, calls, gone=gone)) as answers:
            async for call, answer in answers:
                made = hour_rows(
                    call.symbol, call.pair, answer.candles, call.hours, as_of=answer.as_of, run_id=ctx.run_id
                )
                _report(ctx, made, call.symbol, call.pair)
                asked = {call.symbol: {hour_key(hour): hour for hour in call.hours}}
                yield Batch(asked, made.rows, {(call.symbol, hour) for hour in made.rejects})
    ctx.report.warnings.extend(f"Binance has no such pair ({pair}); {_CORRECT}" for pair in sorted(gone))


@asynccontextmanager
async def open_source(ctx: JobContext) -> AsyncIterator[BinanceHttpAdapter]:
    """Binance's API, which needs no key."""
    async with ctx.resources.http(ctx.settings.binance_base_url) as http:
        yield BinanceHttpAdapter(http=http, clock=ctx.now)


async def check(ctx: JobContext) -> Finding:
    """Whether Binance answers here, and whether each pair is traded."""
    async with open_source(ctx) as source:
        troubles = {pair: await pair_trouble(source, pair) for pair in ctx.settings.pairs.values()}
    traded = [pair for pair, trouble in troubles.items() if not trouble]
    found = [f"answers; traded: {', '.join(traded)}"] if traded else []
    detail = "; ".join([*found, *filter(None, troubles.values())])
    if len(traded) == len(troubles):
        return Finding("Binance", "ok", detail)
    return Finding("Binance", "warn" if traded else "fail", detail, _CORRECT)


async def _known_pairs(ctx: JobContext, source: BinanceHttpAdapter) -> dict[str, KnownPair]:
    """Symbol to its pair, without those that are not traded, which are reported."""
    ctx.step("asking Binance which pairs are traded")
    found = await resolve_pairs(source, pair_choices(ctx.settings.data_path), ctx.settings.pairs)
    ctx.report.warnings.extend(found.notes)
    if not found.known:
        raise SourceRejected("; ".join(found.complaints) or "no symbol has a pair at Binance", next_step=_CORRECT)
    ctx.report.warnings.extend(f"{complaint}; {_CORRECT}" for complaint in found.complaints)
    return found.known


async def _latest(
    ctx: JobContext, source: BinanceHttpAdapter, symbol: str, pair: KnownPair
) -> list[PairRow] | EtlError:
    """A pair's rows, or its error."""
    try:
        since = hour_start(ctx.started).astimezone(timezone.utc) - _HOURS_BACK * HOUR
        answer = await extract_candles(source, pair.pair, since)
        present = hour_start(ctx.now()).astimezone(timezone.utc)
        hours = hours_between(last_over(answer.as_of), present + HOUR)
        made = hour_rows(symbol, pair, answer.candles, hours, as_of=answer.as_of, run_id=ctx.run_id)
        if not any(candle.opens >= present for candle in answer.candles):
            ctx.report.without_quote += 1
            ctx.report.missing.append(f"{symbol} ({pair.pair})")
            if trouble := await pair_trouble(source, pair.pair):
                ctx.report.warnings.append(f"{symbol}: {trouble}; {_CORRECT}")
    except EtlError as error:
        error.message = f"{symbol}: {error.message} ({pair.pair})"
        return error
    _report(ctx, made, symbol, pair)
    return made.rows


def _report(ctx: JobContext, made: HourRows, symbol: str, pair: KnownPair) -> None:
    ctx.report.extracted += len(made.rows) + len(made.rejects)
    for hour, reason in made.rejects.items():
        ctx.report.reject(f"{symbol} ({pair.pair})", reason, hour)


JOB = Job(
    summary="the price of each pair, hourly, from Binance",
    source="Binance",
    repository=BinanceClickHouseAdapter,
    run=run,
    check=check,
    backfill=backfill,
    followed=lambda settings: settings.pairs,
)
