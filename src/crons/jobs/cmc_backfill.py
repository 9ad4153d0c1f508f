"""Past hours: what they cost, the answers stored as they come, and what the source has no quote for remembered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence, Set
from datetime import datetime, timedelta

import structlog

from adapters._bases.errors import EtlError, SourceRejected, StorageRejected, StorageUnavailable
from adapters._bases.tehran_time import describe_hours, tehran_text
from adapters.clickhouse.coin_market_cap_table import Hole, PriceRow
from crons.job import RunContext
from crons.jobs.cmc_parts import loader, note_flaws, note_rejects, table, transformer
from crons.progress import progress
from crons.storing import store_kept
from extractors.coin_market_cap_parser import Problem
from extractors.coin_market_cap_plan import BackfillPlan, HistoricalCall
from extractors.coin_market_cap_quote import Coin, Quote
from transformers.coverage import Hours

ROWS_A_LOAD = 20_000
SETTLED_AFTER = timedelta(hours=3)
"""The age of an hour from which a missing quote is remembered: a younger one may still come."""

log = structlog.get_logger(__name__)

Answers = AsyncIterator[tuple[HistoricalCall, list[Quote], list[Problem]]]
Keys = Set[tuple[str, str]]
"""(symbol, hour key) pairs."""


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
        context: of the run.
        coins: those asked for.
        wanted: symbol to the hours of it that are wanted; what an answer brings beside them is left out.

    Attributes:
        answered: the calls whose answers were taken.
    """

    def __init__(self, context: RunContext, *, coins: Iterable[Coin], wanted: Mapping[str, Hours]) -> None:
        self._context = context
        self._loader = loader(context)
        self._table = table(context)
        self._coins = list(coins)
        self._wanted = wanted
        self._transformer = transformer(context)
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
            for symbol, hours in self._missing.items():
                self._context.report.missing.append(f"{symbol}: {len(hours)} h: {describe_hours(hours)}")

    async def _keep_all(self, answers: Answers, calls: Sequence[HistoricalCall]) -> None:
        """Put each answer's rows into the spool as it comes, for an end by a signal or a limit unwinds nothing."""
        context, step = self._context, f"asking CoinMarketCap for past quotes, {len(calls)} calls"
        total = sum(len(hours) for call in calls for hours in self._asked(call).values())
        context.report.hours_asked += total
        no_color = bool(context.settings.no_color)
        context.step(step)
        with progress(calls=len(calls), hours=total, clock=context.clock, no_color=no_color) as advance:
            async for call, quotes, problems in answers:
                asked = self._asked(call)
                rows = self._take(asked, quotes, problems)
                await self._loader.keep(rows)
                self.answered.append(call)
                if self._loader.kept >= ROWS_A_LOAD:
                    await self._store()
                    context.step(step)
                advance(coins=asked, hours=sum(map(len, asked.values())), rows=len(rows))

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
        report = self._context.report
        keys = frozenset(key for hours in asked.values() for key in hours)
        transformed = self._transformer.historical(quotes, keys)
        rows = [row for row in transformed.rows if row.hour_key in asked.get(row.symbol, ())]
        rejects = [reject for reject in transformed.rejects if reject.hour in asked.get(reject.symbol, ())]
        report.extracted += len(quotes)
        note_rejects(report, rejects, problems)
        note_flaws(report, quotes, rows)
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
        self._context.report.without_quote += len(missing)
        if missing:
            self._missing.setdefault(symbol, []).extend(missing.values())

    def _note_holes(self, symbol: str, holes: Hours) -> None:
        cmc_id = next(coin.cmc_id for coin in self._coins if coin.symbol == symbol)
        noted_at, run_id = tehran_text(self._context.now), self._context.run_id
        settled = [key for key, start in holes.items() if self._context.now - start >= SETTLED_AFTER]
        self._new_holes.extend(Hole(symbol, key, cmc_id, noted_at, run_id) for key in settled)

    async def _store(self) -> None:
        await store_kept(self._context, self._loader)
        found, self._new_holes = self._new_holes, []
        try:
            await asyncio.to_thread(self._table.note_holes, found)
        except EtlError as error:
            self._context.report.warnings.append(
                f"{len(found)} hours without a quote are not remembered: {error.message}"
            )


_GET_A_KEY = "set CMC_API_KEY in .env: a free key comes from https://coinmarketcap.com/api/"


def tell_estimate(plan: BackfillPlan, starts: Sequence[datetime], coins: int, credits_left: int | None) -> None:
    """Log what a plan for these hours will cost, before anything is spent."""
    log.info(
        "estimate",
        hours=describe_hours(starts),
        coins=coins,
        calls=len(plan.calls),
        credits=plan.credits,
        credits_left="not told" if credits_left is None else credits_left,
    )


def tell_heal_estimate(
    full: BackfillPlan,
    plan: BackfillPlan,
    missing: Mapping[str, Hours],
    asked: Keys,
    *,
    before_first: int,
    credits_left: int | None,
) -> None:
    """Log what all that is missing will cost, and what of it this heal asks for, before anything is spent.

    Args:
        full: the plan for all that is missing.
        plan: as much of it as this heal's credits reach.
        missing: symbol to its missing hours.
        asked: (symbol, hour key) of those that `plan` asks for.
        before_first: how many of the missing lie before the first stored hour of their symbol.
        credits_left: what the source says is left; None when not told.
    """
    log.info(
        "estimate of all that is missing",
        coin_hours=sum(map(len, missing.values())),
        before_the_first_stored=before_first,
        coins=len(missing),
        calls=len(full.calls),
        credits=full.credits,
        credits_left="not told" if credits_left is None else credits_left,
    )
    log.info(
        "of that this heal asks for",
        coin_hours=len(asked),
        coins=len({symbol for symbol, _ in asked}),
        calls=len(plan.calls),
        credits=plan.credits,
    )


def check_affordable(plan: BackfillPlan, credits_left: int | None) -> None:
    """Refuse a plan that costs more than is left; None when that was not told.

    Raises:
        SourceRejected: it does.
    """
    if credits_left is not None and plan.credits > credits_left:
        raise SourceRejected(
            f"the backfill would cost about {plan.credits} credits, and {credits_left} are left; nothing was spent",
            next_step="ask for fewer hours or symbols, or wait for the plan's next period",
        )


def tell_left(
    context: RunContext, full: BackfillPlan, plan: BackfillPlan, *, max_credits: int, credits_left: int | None
) -> None:
    """Warn of what the credits do not reach, and name the bound: the heal's own, or what the key has left.

    Args:
        context: of the run.
        full: the plan for all that is missing.
        plan: as much of it as this heal asks for.
        max_credits: the most that this heal may spend.
        credits_left: what the source says is left; None when not told.
    """
    if full == plan:
        return
    bound = f"this one may spend {max_credits} (--max-credits)"
    if credits_left is not None and credits_left < max_credits:
        bound = f"the key has {credits_left} left, and `./run.sh check` says when they come back"
    context.report.warnings.append(
        f"{full.credits - plan.credits} of {full.credits} credits' worth of missing hours are left for the next heal: "
        f"{bound}"
    )


def require_key(context: RunContext, what: str) -> None:
    """Refuse what the keyless API does not serve.

    Raises:
        SourceRejected: there is no key.
    """
    if context.settings.cmc_api_key is None:
        raise SourceRejected(f"{what} needs a key of CoinMarketCap, and none is set", next_step=_GET_A_KEY)
