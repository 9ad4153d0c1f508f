"""Past hours from Binance, back to each pair's first candle: all of them, or those that are missing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from datetime import datetime, timezone
from typing import TypeAlias

import structlog

from adapters._bases.errors import EtlError, StorageRejected, StorageUnavailable
from adapters._bases.hourly_table import Hole
from adapters._bases.tehran_time import describe_hours, hour_key, tehran_text
from adapters.files.choices import KnownPair
from adapters.http.binance_http_adapter import KLINES_WEIGHT, WEIGHT_A_MINUTE, BinanceHttpAdapter
from crons.filling import Filling, Taken
from crons.gaps import keys_of, log_missing, missing_hours
from crons.job import BackfillRequest, RunContext
from crons.jobs.binance_parts import CORRECT, known_pairs, prices_in
from crons.reason_groups import ReasonGroups
from extractors.binance_extractor import Answered, CandleCall, extract_historical, first_hour, plan_calls
from transformers.binance_transformer import BinanceTransformer
from transformers.coverage import Hours, hours_by_key

Answer: TypeAlias = "tuple[CandleCall, Answered]"

log = structlog.get_logger(__name__)


async def backfill(run: RunContext, source: BinanceHttpAdapter, fill: BackfillRequest) -> None:
    """Store the hours before the present one, of each pair from its first candle on. Idempotent.

    Raises:
        EtlError: the source, the database or the disk failed; what was fetched is stored or in the spool.
    """
    pairs = await known_pairs(run, source)
    starts = fill.starts(run.now)
    hours = list(hours_by_key(starts).values())
    calls = plan_calls(dict.fromkeys(pairs, hours), pairs)
    _log_estimate("estimate", sum(len(call.hours) for call in calls), calls, hours=describe_hours(starts))
    if not fill.dry_run:
        await _fill(run, source, calls)


async def heal(run: RunContext, source: BinanceHttpAdapter, fill: BackfillRequest) -> None:
    """Store the hours that are missing before the present one, and complete those stored while they lasted. Idempotent.

    Hours before a pair's first candle are not missing. What Binance has no candle of is remembered and left out next
    time. The heal's last words say what is still missing.

    Raises:
        EtlError: the source, the database or the disk failed; what was fetched is stored or in the spool.
    """
    pairs = await known_pairs(run, source)
    starts = fill.starts(run.now)
    run.step("looking for missing hours")
    missing = await asyncio.to_thread(_lacking, run, pairs, starts, ask_all=fill.ask_all)
    calls = plan_calls({symbol: hours.values() for symbol, hours in missing.items()}, pairs)
    if missing:
        log_missing(missing, event="missing or not complete")
        _log_estimate("estimate of all that is missing", sum(map(len, missing.values())), calls)
    else:
        log.info("no hour is missing that the source may have", hours=describe_hours(starts))
    if fill.dry_run:
        return
    try:
        await _fill(run, source, calls)
    except (StorageUnavailable, StorageRejected):
        raise
    except EtlError:
        await _log_end_as_well(run, pairs, starts)
        raise
    await _log_end(run, pairs, starts)


def _since_listed(hours: Hours, pair: KnownPair) -> Hours:
    """Those of the hours in which the pair was traded."""
    first = first_hour(pair)
    return {key: start for key, start in hours.items() if start.astimezone(timezone.utc) >= first}


def _lacking(
    run: RunContext, pairs: Mapping[str, KnownPair], starts: Sequence[datetime], *, ask_all: bool
) -> dict[str, Hours]:
    """Symbol to the hours that have no price, or only that of their start. Asks the database, in this thread."""
    prices = prices_in(run.parts)
    meant = {symbol: pair.pair for symbol, pair in pairs.items()}
    missing = missing_hours(prices, meant, starts, ask_all=ask_all)
    unfinished = prices.unfinished(list(pairs), first=hour_key(starts[0]), last=hour_key(starts[-1]))
    every = hours_by_key(starts)
    lacking = {
        symbol: _since_listed(
            {
                key: start
                for key, start in every.items()
                if key in missing.get(symbol, ()) or key in unfinished.get(symbol, ())
            },
            pair,
        )
        for symbol, pair in pairs.items()
    }
    return {symbol: hours for symbol, hours in lacking.items() if hours}


class CandleFilling(Filling[CandleCall, Answer]):
    """Stores answers about past hours of pairs."""

    rows_a_load = 4_000

    def __init__(self, run: RunContext) -> None:
        super().__init__(run, prices_in(run.parts))
        self._transformer = BinanceTransformer(run_id=run.run_id)
        self._rejected = ReasonGroups()
        self._pairs: dict[str, str] = {}

    def asked(self, call: CandleCall) -> Mapping[str, Hours]:
        """The wanted hours that a call asks for."""
        return {call.symbol: {hour_key(start): start for start in call.hours}}

    def call_of(self, answer: Answer) -> CandleCall:
        """Which call it is the answer to."""
        return answer[0]

    def take(self, answer: Answer, asked: Mapping[str, Hours]) -> Taken:
        """The rows of one answer; its rejects are noted."""
        call, answered = answer
        self._pairs[call.symbol] = call.pair.pair
        hours = list(asked[call.symbol].values())
        made = self._transformer.rows_of(call.symbol, call.pair, answered.candles, hours, as_of=answered.as_of)
        self._run.report.extracted += len(made.rows) + len(made.rejects)
        self._run.report.rejected += len(made.rejects)
        for reject in made.rejects:
            self._rejected.add(f"{reject.symbol} ({call.pair.pair})", reject.reason, reject.hour)
        return Taken(made.rows, {(reject.symbol, reject.hour) for reject in made.rejects})

    def hole(self, symbol: str, hour: str) -> Hole:
        """The note of an hour without a candle."""
        return Hole(symbol, hour, self._pairs[symbol], tehran_text(self._run.now), self._run.run_id)

    def tell(self) -> None:
        """Put what was not stored into the report."""
        self._run.report.rejects.extend(self._rejected.lines())


async def _fill(
    run: RunContext,
    source: BinanceHttpAdapter,
    calls: Sequence[CandleCall],
) -> None:
    """Make the calls and store what they bring; a pair that is gone is named in the report.

    Raises:
        EtlError: the source, the database or the disk failed; what was fetched is stored or in the spool.
    """
    gone: set[str] = set()
    if calls:
        async with aclosing(extract_historical(source, calls, gone=gone)) as answers:
            await CandleFilling(run).fill(answers, calls)
    run.report.warnings.extend(f"Binance has no such pair ({pair}); {CORRECT}" for pair in sorted(gone))


def _log_estimate(event: str, pair_hours: int, calls: Sequence[CandleCall], **facts: str) -> None:
    """Log what the calls take, before any is made.

    Args:
        event: what the line says.
        pair_hours: how many hours of how many pairs these are, together.
        calls: to be made.
        facts: what the line says besides.
    """
    weight = KLINES_WEIGHT * len(calls)
    log.info(
        event,
        **facts,
        calls=len(calls),
        minutes=f"{weight / WEIGHT_A_MINUTE:.1f} or more",
        weight=f"{weight} of {WEIGHT_A_MINUTE} a minute",
        pairs=len({call.symbol for call in calls}),
        pair_hours=pair_hours,
    )


async def _log_end_as_well(run: RunContext, pairs: Mapping[str, KnownPair], starts: Sequence[datetime]) -> None:
    """Log it after an error; if that fails too, the first error is the news."""
    try:
        await _log_end(run, pairs, starts)
    except EtlError as error:
        log.warning("what is still missing could not be looked for", reason=error.message)


async def _log_end(run: RunContext, pairs: Mapping[str, KnownPair], starts: Sequence[datetime]) -> None:
    """Log what stays missing; symbols that miss the same in one line."""
    run.step("looking for what is still missing")
    missing = await asyncio.to_thread(_lacking, run, pairs, starts, ask_all=True)
    if not missing:
        log.info("nothing is missing any longer", hours=describe_hours(starts))
        return
    log_missing(missing, event="hours still missing")
    log.info("still missing", pair_hours=len(keys_of(missing)), pairs=len(missing))
