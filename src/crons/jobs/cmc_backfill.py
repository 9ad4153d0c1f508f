"""Past hours: what they cost, the answers stored as they come, and what the source has no quote for remembered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence, Set
from contextlib import aclosing
from datetime import datetime, timedelta, timezone

import structlog

from adapters._bases.errors import EtlError, SourceRejected, StorageRejected, StorageUnavailable
from adapters._bases.tehran_time import HOUR, describe_hours, hour_start, tehran_text
from adapters.clickhouse.coin_market_cap_table import Hole, PriceRow
from adapters.http.coin_market_cap_http_adapter import CoinMarketCapHttpAdapter
from configurations.config import Settings
from crons.job import Fill, RunContext
from crons.jobs.cmc_parts import NotStored, Pipeline, listed, opened, within_reach
from crons.progress import Tally, progress
from extractors.coin_market_cap_parser import Problem
from extractors.coin_market_cap_plan import BackfillPlan, HistoricalCall, within_credits
from extractors.coin_market_cap_quote import Coin, Quote
from transformers.coverage import Hours, hours_by_key

ROWS_A_LOAD = 20_000
SETTLED_AFTER = timedelta(hours=3)
"""The age of an hour from which a missing quote is remembered: a younger one may still come."""

log = structlog.get_logger(__name__)

Answers = AsyncIterator[tuple[HistoricalCall, list[Quote], list[Problem]]]
Keys = Set[tuple[str, str]]
"""(symbol, hour key) pairs."""


async def backfill(run: RunContext[Settings], source: CoinMarketCapHttpAdapter, fill: Fill) -> None:
    """Store the price of each symbol for the hours before the present one. Idempotent.

    Raises:
        SourceRejected: not enough credits or reach in the key's plan; nothing was spent.
        EtlError: the source, the database or the disk failed; what was fetched is stored or in the spool.
    """
    async with opened(run, source) as pipeline:
        credits_left, coins = await pipeline.ask_first()
        starts = fill.starts(run.now)
        full = pipeline.extract.plan_backfill(coins, start=starts[0], end=starts[-1].astimezone(timezone.utc) + HOUR)
        _log_estimate(full, starts, len(coins), credits_left)
        plan = full if fill.max_credits is None else within_credits(full, fill.max_credits)
        _check_affordable(plan, credits_left)
        if plan != full:
            run.report.warnings.append(_rest(run, full, plan, starts[0]))
        try:
            if not fill.dry_run:
                wanted = dict.fromkeys([coin.symbol for coin in coins], hours_by_key(starts))
                async with aclosing(pipeline.extract.historical(plan, coins)) as answers:
                    await Filling(pipeline, coins=coins, wanted=wanted).fill(answers, plan.calls)
            elif (refusal := await pipeline.refusal_beyond_reach(starts[0])) is not None:
                raise refusal
        except SourceRejected as error:
            command = f"cron_backfill {run.name}"
            raise within_reach(error, starts, command, now=run.now, ranged=fill.first is not None) from error


def alike(hours: Mapping[str, Iterable[datetime]]) -> dict[tuple[str, ...], str]:
    """Symbols that have the same hours, put together, to a description of these.

    Args:
        hours: symbol to aware starts of hours.
    """
    symbols: dict[str, list[str]] = {}
    for symbol, of_symbol in hours.items():
        symbols.setdefault(describe_hours(of_symbol), []).append(symbol)
    return {tuple(names): ranges for ranges, names in symbols.items()}


def asked_hours(call: HistoricalCall, coins: Iterable[Coin], wanted: Mapping[str, Hours]) -> dict[str, Hours]:
    """Symbol to those of the wanted hours that a call asks for; empty where it asks for none of a symbol of its own.

    Args:
        call: to the source.
        coins: what its ids mean.
        wanted: symbol to hours.
    """
    ids = set(call.ids)
    return {
        coin.symbol: {
            key: start for key, start in wanted.get(coin.symbol, {}).items() if call.time_start < start <= call.time_end
        }
        for coin in coins
        if coin.cmc_id in ids
    }


class Filling:
    """Stores answers about past hours some 20,000 rows at a time, so that memory does not grow with the hours.

    Args:
        pipeline: of the run.
        coins: those asked for.
        wanted: symbol to the hours of it that are wanted; what an answer brings beside them is left out.

    Attributes:
        answered: the calls whose answers were taken.
    """

    def __init__(self, pipeline: Pipeline, *, coins: Iterable[Coin], wanted: Mapping[str, Hours]) -> None:
        self._run = pipeline.run
        self._prices = pipeline.prices
        self._coins = list(coins)
        self._wanted = wanted
        self._transformer = pipeline.transformer()
        self._not_stored = NotStored(pipeline.run.report)
        self.answered: list[HistoricalCall] = []
        self._new_holes: list[Hole] = []
        self._missing: dict[str, list[datetime]] = {}

    async def fill(self, answers: Answers, calls: Sequence[HistoricalCall]) -> None:
        """Take every answer; what came before an error is stored too, and until it is, it is in the spool.

        Raises:
            EtlError: the source, the database or the disk failed.
        """
        try:
            await self._keep_all(answers, calls)
            await self._store()
        except (StorageUnavailable, StorageRejected):
            raise
        except EtlError:
            await self._store_as_well()
            raise
        finally:
            self._not_stored.tell()
            for symbols, ranges in alike(self._missing).items():
                hours = len(self._missing[symbols[0]])
                self._run.report.missing.append(f"{listed(list(symbols))}: {hours} h: {ranges}")

    async def _keep_all(self, answers: Answers, calls: Sequence[HistoricalCall]) -> None:
        """Put each answer's rows into the spool as it comes, for an end by a signal or a limit unwinds nothing."""
        run, step = self._run, f"asking CoinMarketCap for past quotes, {len(calls)} calls"
        total = sum(len(hours) for call in calls for hours in self._asked(call).values())
        run.report.hours_asked += total
        done, rows_kept, coins = 0, 0, set[str]()
        tally = Tally(
            run.clock,
            counted="coin_hours",
            more=lambda: {"calls": f"{len(self.answered)} of {len(calls)}", "coins": len(coins), "rows": rows_kept},
            least=0,
        )
        run.step(step)
        with progress(tally, no_color=bool(run.settings.no_color)) as advance:
            async for call, quotes, problems in answers:
                asked = self._asked(call)
                rows = self._take(asked, quotes, problems)
                await run.loader.keep(rows)
                self.answered.append(call)
                if run.loader.kept >= ROWS_A_LOAD:
                    await self._store()
                    run.step(step)
                coins.update(asked)
                rows_kept += len(rows)
                done += sum(map(len, asked.values()))
                advance("asking", done, total)

    async def _store_as_well(self) -> None:
        """Store what came before an error; if that fails too, the first error is the news."""
        try:
            await self._store()
        except EtlError as error:
            log.warning("what was fetched could not be stored either", reason=error.message)

    def _asked(self, call: HistoricalCall) -> dict[str, Hours]:
        return asked_hours(call, self._coins, self._wanted)

    def _take(self, asked: Mapping[str, Hours], quotes: Sequence[Quote], problems: Sequence[Problem]) -> list[PriceRow]:
        """The rows of one answer; its rejects and holes are noted."""
        report = self._run.report
        keys = frozenset(key for hours in asked.values() for key in hours)
        transformed = self._transformer.historical(quotes, keys)
        rows = [row for row in transformed.rows if row.hour_key in asked.get(row.symbol, ())]
        rejects = [reject for reject in transformed.rejects if reject.hour in asked.get(reject.symbol, ())]
        report.extracted += len(quotes)
        self._not_stored.note_rejects(rejects, problems)
        self._not_stored.note_flaws(quotes, rows)
        given = {(row.symbol, row.hour_key) for row in rows}
        # What the source gave and the program refused is missing, but no hole of the source.
        refused = {(reject.symbol, reject.hour) for reject in rejects}
        unread = {problem.symbol for problem in problems}
        for symbol, hours in asked.items():
            missing = {key: start for key, start in hours.items() if (symbol, key) not in given}
            self._note_missing(symbol, missing)
            if symbol not in unread:
                self._note_holes(symbol, {key: start for key, start in missing.items() if (symbol, key) not in refused})
        return rows

    def _note_missing(self, symbol: str, missing: Hours) -> None:
        self._run.report.without_quote += len(missing)
        if missing:
            self._missing.setdefault(symbol, []).extend(missing.values())

    def _note_holes(self, symbol: str, holes: Hours) -> None:
        cmc_id = next(coin.cmc_id for coin in self._coins if coin.symbol == symbol)
        noted_at, run_id = tehran_text(self._run.now), self._run.run_id
        settled = [key for key, start in holes.items() if self._run.now - start >= SETTLED_AFTER]
        self._new_holes.extend(Hole(symbol, key, cmc_id, noted_at, run_id) for key in settled)

    async def _store(self) -> None:
        await self._run.store_kept()
        found, self._new_holes = self._new_holes, []
        try:
            await asyncio.to_thread(self._prices.note_holes, found)
        except EtlError as error:
            self._run.report.warnings.append(f"{len(found)} hours without a quote are not remembered: {error.message}")


def _log_estimate(plan: BackfillPlan, starts: Sequence[datetime], coins: int, credits_left: int | None) -> None:
    """Log what a plan for these hours will cost, before anything is spent."""
    log.info(
        "estimate",
        hours=describe_hours(starts),
        coins=coins,
        calls=len(plan.calls),
        credits=plan.credits,
        credits_left="not known" if credits_left is None else credits_left,
    )


def _rest(run: RunContext[Settings], full: BackfillPlan, plan: BackfillPlan, first: datetime) -> str:
    """What a bound leaves out, and the command that fetches it: a heal, which asks for what is missing alone."""
    hours = (hour_start(run.now).astimezone(timezone.utc) - first) // HOUR
    rest = full.credits - plan.credits
    return (
        f"{rest} of {full.credits} credits' worth of hours are left out by --max-credits; "
        f"./run.sh cron_heal {run.name} {hours} --max-credits {full.credits} fetches those that are missing"
    )


def _check_affordable(plan: BackfillPlan, credits_left: int | None) -> None:
    """Refuse a plan that costs more than is left; None when the source does not say.

    Raises:
        SourceRejected: it does.
    """
    if credits_left is not None and plan.credits > credits_left:
        raise SourceRejected(
            f"the backfill would cost about {plan.credits} credits, and {credits_left} are left; nothing was spent",
            next_step="ask for fewer hours or symbols, or wait for the plan's next period",
        )
