"""The price of each pair at each Tehran hour: from Binance into ``binance_prices``."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from itertools import groupby, pairwise

from adapters._bases.errors import EtlError, SourceRejected
from adapters._bases.tehran_time import HOUR, describe_hours, from_text, hour_key, hour_start, hours_between
from adapters.clickhouse.binance_clickhouse_adapter import BINANCE_PRICES, BinanceClickHouseAdapter, PairRow, StoredPair
from adapters.files.choices import KnownPair
from adapters.http.binance_http_adapter import UNKNOWN_PAIR, BinanceHttpAdapter
from configurations.config import Settings
from crons.inspection import counted, faults_of, finding, of_shape, series_of
from crons.job import Finding, HourlyJob, RunContext, Series
from crons.jobs.binance_parts import CORRECT, check_source, known_pairs, open_source, prices_in
from crons.jobs.binance_past import backfill, heal
from crons.resources import Resources
from extractors.binance_extractor import extract_lately, pair_trouble
from transformers.binance_transformer import BinanceTransformer, last_over
from transformers.coverage import reach

_JOB = "binance_hourly_prices"
"""Whose rows these are, for the commands that mend them."""
_COMPLETED_AFTER = timedelta(days=2)
"""The age from which an hour counts as unfinished: a daily heal has had its turn."""
_ASKED_BACK = 2 * HOUR
"""From so long before the present hour on candles are asked for: in an hour's first seconds the one before is open."""


async def fetch(run: RunContext, source: BinanceHttpAdapter) -> list[PairRow]:
    """The rows of the present hour, with its open alone, and of the last hour that is over, completed.

    A candle belongs to the hour in which it opened, whenever its answer comes.

    Raises:
        EtlError: the source failed, or none of the pairs can be asked for.
    """
    report = run.report
    pairs = await known_pairs(run, source)
    run.step("asking Binance for the latest candles")
    report.hours_asked = len(pairs)
    outcomes = await asyncio.gather(*(_of_pair(run, source, symbol, pair) for symbol, pair in pairs.items()))
    failures = [outcome for outcome in outcomes if isinstance(outcome, EtlError)]
    if failures and len(failures) == len(outcomes):
        raise failures[0]
    for failure in failures:
        if isinstance(failure, SourceRejected) and failure.code == UNKNOWN_PAIR:
            report.warnings.append(f"{failure.message}; {CORRECT}")
        else:
            report.failures.append(failure.message)
    if report.without_quote and report.without_quote + len(failures) == len(outcomes):
        report.failures.append("Binance has no candle of the present hour")
    return [row for outcome in outcomes if not isinstance(outcome, EtlError) for row in outcome]


async def _of_pair(
    run: RunContext, source: BinanceHttpAdapter, symbol: str, pair: KnownPair
) -> list[PairRow] | EtlError:
    """A pair's rows, or why it has none: one that fails costs the others nothing."""
    report = run.report
    try:
        answered = await extract_lately(source, pair, hour_start(run.now).astimezone(timezone.utc) - _ASKED_BACK)
        present = hour_start(run.clock()).astimezone(timezone.utc)
        hours = hours_between(last_over(answered.as_of), present + HOUR)
        made = BinanceTransformer(run_id=run.run_id).rows_of(
            symbol, pair, answered.candles, hours, as_of=answered.as_of
        )
        if not any(candle.opens >= present for candle in answered.candles):
            report.without_quote += 1
            report.missing.append(f"{symbol} ({pair.pair})")
            if status := await pair_trouble(source, pair.pair):
                report.warnings.append(f"{symbol}: {status}; {CORRECT}")
    except EtlError as error:
        error.message = f"{symbol}: {error.message} ({pair.pair})"
        return error
    report.extracted += len(made.rows) + len(made.rejects)
    report.rejected += len(made.rejects)
    report.rejects.extend(f"{reject.symbol} {reject.hour}: {reject.reason}" for reject in made.rejects)
    return made.rows


def followed(settings: Settings) -> list[str]:
    """The symbols that have a pair."""
    return list(settings.pairs)


def read_series(parts: Resources, now: datetime) -> list[Series]:
    """What is stored of each symbol, of the last 30 days and no further back; nothing where nothing is.

    Raises:
        StorageUnavailable: the database does not answer.
        StorageRejected: it refuses.
    """
    found = series_of(prices_in(parts), followed(parts.settings), now)
    return found if any(one.last_hour for one in found) else []


def verify(parts: Resources, now: datetime) -> list[Finding]:
    """What is wrong with the stored prices, a finding for each thing looked at.

    Raises:
        StorageUnavailable: the database does not answer.
        StorageRejected: it refuses, and not because the table has another shape, which is a finding.
    """
    table = prices_in(parts)
    pairs = parts.settings.pairs

    def look() -> list[Finding]:
        last = hour_key(now - _COMPLETED_AFTER)
        unfinished = table.unfinished(list(pairs), first="", last=last)
        more = [_mixed(table.pairs(), pairs), _unfinished(unfinished, now)]
        return faults_of(table, _JOB, list(pairs), now, more=more)

    return of_shape(table, look)


def _unfinished(hours: Mapping[str, Collection[str]], now: datetime) -> Finding:
    """Hours that are over and have the price of their start alone: neither the next run nor a heal completed them.

    Args:
        hours: symbol to hour keys.
        now: aware.
    """
    every = [from_text(key) for keys in hours.values() for key in keys]
    return finding(
        "unfinished hours",
        [f"{symbol}: {len(keys)} h: {describe_hours(map(from_text, keys))}" for symbol, keys in sorted(hours.items())],
        f"./run.sh cron_heal {_JOB} {reach(every, now)}",
        found=f"{counted(every, 'hour', cut=False)} without high, low, close and volumes",
    )


def _mixed(stored: Sequence[StoredPair], meant: Mapping[str, str]) -> Finding:
    """Symbols with prices of two pairs: wrong, unless the later one took the earlier one's place and is meant.

    Args:
        stored: by symbol and first hour.
        meant: symbol to its pair.
    """
    lines = []
    symbols = 0
    for symbol, group in groupby(stored, lambda one: one.symbol):
        pairs = list(group)
        if meant.get(symbol, pairs[-1].pair) == pairs[-1].pair and all(a.last < b.first for a, b in pairwise(pairs)):
            continue
        symbols += 1
        lines += [f"{symbol}: {one.pair}, {one.hours:,} h from {one.first[:16]} to {one.last[:16]}" for one in pairs]
    return finding(
        "pairs",
        lines,
        f"{CORRECT}; ./run.sh cron_backfill {_JOB} then takes the prices of the pair that is meant",
        found=f"{counted(range(symbols), 'symbol', cut=False)} with prices of another pair",
    )


JOB = HourlyJob(
    summary="the price of each pair, hourly, from Binance",
    source="Binance",
    table=BINANCE_PRICES,
    open_source=open_source,
    fetch=fetch,
    repository=BinanceClickHouseAdapter,
    check=check_source,
    backfill=backfill,
    heal=heal,
    followed=followed,
    read_series=read_series,
    verify=verify,
)
