"""The price of each symbol at each Tehran hour: from CoinMarketCap into ``crypto_prices``."""

from __future__ import annotations

from contextlib import aclosing

import structlog

from adapters._bases.errors import EtlError
from adapters._bases.tehran_time import hour_start, hours_before
from adapters.clickhouse.coin_market_cap_table import PriceRow
from adapters.http.coin_market_cap_http_adapter import CoinMarketCapHttpAdapter
from crons.job import HealOptions, RunContext, RunReport
from crons.jobs.cmc_backfill import Filling, check_affordable, require_key, tell_estimate
from crons.jobs.cmc_heal import Healing
from crons.jobs.cmc_inspection import read_series, verify
from crons.jobs.cmc_parts import (
    check_source,
    counted_source,
    extractor,
    loader,
    note_flaws,
    note_rejects,
    open_table,
    transformer,
)
from crons.storing import load, replay, store_kept
from extractors.coin_market_cap_extractor import CoinMarketCapExtractor
from extractors.coin_market_cap_quote import Coin
from transformers.coverage import hours_by_key

__all__ = ["SOURCE", "backfill", "check_source", "heal", "open_table", "read_series", "run", "verify"]

SOURCE = "CoinMarketCap"

log = structlog.get_logger(__name__)


async def run(context: RunContext) -> RunReport:
    """Store the present hour's price of each symbol. Harmless to repeat: a later run in the hour updates it.

    Raises:
        EtlError: the source, the database or the disk failed; what was fetched is in the spool.
    """
    storing = loader(context)
    async with counted_source(context) as source:
        try:
            rows = await _fetch_latest(context, source)
        except EtlError:
            await replay(context, storing)
            raise
    await load(context, storing, rows)
    if not rows:
        context.report.failures.append("CoinMarketCap gave no valid price")
    return context.report


async def backfill(context: RunContext, hours: int, *, dry_run: bool) -> RunReport:
    """Store the price of each symbol for the given number of hours before the present one. Harmless to repeat.

    What earlier runs left in the spool is stored first, before anything is spent.

    Args:
        context: of this run.
        hours: one or more.
        dry_run: log what it would cost and stop there.

    Raises:
        SourceRejected: no key, or not enough credits or reach in its plan; nothing was spent.
        EtlError: the source, the database or the disk failed; what was fetched is stored or in the spool.
    """
    require_key(context, "a backfill")
    if not dry_run:
        await store_kept(context, loader(context))
    async with counted_source(context) as source:
        extract = extractor(context, source)
        credits_left, coins = await _ask_first(context, source, extract)
        starts = hours_before(context.now, hours)
        plan = extract.plan_backfill(coins, start=starts[0], end=hour_start(context.now))
        tell_estimate(plan, starts, len(coins), credits_left)
        check_affordable(plan, credits_left)
        if not dry_run:
            wanted = dict.fromkeys([coin.symbol for coin in coins], hours_by_key(starts))
            async with aclosing(extract.historical(plan, coins)) as answers:
                await Filling(context, coins=coins, wanted=wanted).fill(answers, plan.calls)
    return context.report


async def heal(context: RunContext, hours: int, options: HealOptions, *, dry_run: bool) -> RunReport:
    """Store the prices that are missing in the given number of hours before the present one. Harmless to repeat.

    What earlier runs left in the spool is stored first. Then only hours without a price are asked for, the earliest
    first, and nothing stored is touched. What the source has no quote for is remembered and left out next time. What
    the credits do not reach is left for the next heal. Hours that the plan does not reach are passed over, unless it
    reaches none of them. The heal's last words say what is still missing, and why.

    Args:
        context: of this run.
        hours: one or more.
        options: how to go about it.
        dry_run: log what is missing and what it would cost, and stop there.

    Raises:
        SourceRejected: no key, or a plan that reaches none of the missing hours; nothing was spent.
        EtlError: the source, the database or the disk failed; what was fetched is stored or in the spool.
    """
    require_key(context, "a heal")
    if not dry_run:
        await store_kept(context, loader(context))
    async with counted_source(context) as source:
        extract = extractor(context, source)
        credits_left, coins = await _ask_first(context, source, extract)
        healing = Healing(context, coins, hours_before(context.now, hours))
        plan = await healing.plan(options, credits_left)
        if not dry_run:
            await healing.fill(extract, plan)
    return context.report


async def _fetch_latest(context: RunContext, source: CoinMarketCapHttpAdapter) -> list[PriceRow]:
    """The rows of the present hour; what else the answer held goes into the report."""
    report = context.report
    extract = extractor(context, source)
    context.step("asking CoinMarketCap which coins are meant")
    coins, _ = found = await extract.resolve(context.settings.symbols)
    if (complaint := found.complaint()) is not None:
        if not coins:
            raise complaint
        # The other symbols' hour could perhaps never be had again.
        report.failures.append(complaint.message)
    context.step("asking CoinMarketCap for the latest quotes")
    report.hours_asked = len(coins)
    extraction = await extract.latest(coins, clock=context.clock)
    transformed = transformer(context).latest(extraction.quotes)
    report.without_quote = len(extraction.missing)
    report.extracted = len(extraction.quotes)
    report.missing.extend(f"{coin.symbol} (id {coin.cmc_id})" for coin in extraction.missing)
    note_rejects(report, transformed.rejects, extraction.problems)
    note_flaws(report, extraction.quotes, transformed.rows)
    report.failures.extend(failure.error.message for failure in extraction.failures)
    return transformed.rows


async def _ask_first(
    context: RunContext, source: CoinMarketCapHttpAdapter, extract: CoinMarketCapExtractor
) -> tuple[int | None, list[Coin]]:
    """What is free of charge: the credits left, None when not told, and the coins meant.

    Raises:
        ConfigurationError: no active coin bears one of the symbols; past hours can wait until that is corrected.
    """
    context.step("asking CoinMarketCap for the key's plan")
    info = await source.key_info()
    found = await extract.resolve(context.settings.symbols)
    if (complaint := found.complaint()) is not None:
        raise complaint
    return info.credits_left, found.coins
