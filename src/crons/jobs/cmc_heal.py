"""A heal: the missing hours are found, asked for as far as the credits go, and what stays missing is logged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime

import structlog

from adapters._bases.errors import EtlError, SourceRejected, StorageRejected, StorageUnavailable
from adapters._bases.tehran_time import describe_hours
from adapters.http.coin_market_cap_errors import reach_of
from adapters.http.coin_market_cap_http_adapter import CoinMarketCapHttpAdapter
from crons.gaps import Keys, count_before_first, keys_of, log_missing, missing_hours, named
from crons.job import BackfillRequest, RunContext
from crons.jobs.cmc_backfill import CoinFilling, asked_hours
from crons.jobs.cmc_parts import Pipeline, opened, within_reach
from extractors.coin_market_cap_extractor import Refusal, extract_historical
from extractors.coin_market_cap_parser import Coin
from extractors.coin_market_cap_plan import STEP, HistoricalCall, credits_of, plan_calls, within_credits
from transformers.coverage import Hours

log = structlog.get_logger(__name__)


async def heal(run: RunContext, source: CoinMarketCapHttpAdapter, fill: BackfillRequest) -> None:
    """Store the prices that are missing in the hours before the present one. Idempotent.

    Only hours without a price are asked for, the earliest first, and nothing stored is touched. What the source has no
    quote for is remembered and left out next time. What the credits do not reach is left for the next heal. Hours that
    the plan does not reach are passed over, unless it reaches none of them. The heal's last words say what is still
    missing, and why.

    Raises:
        SourceRejected: a plan that reaches none of the missing hours; nothing was spent.
        EtlError: the source, the database or the disk failed; what was fetched is stored or in the spool.
    """
    async with opened(run, source) as pipeline:
        credits_left, coins = await pipeline.ask_first()
        starts = fill.starts(run.now)
        healing = Healing(pipeline, coins, starts)
        plan = await healing.plan(fill, credits_left)
        try:
            await (healing.rehearse(plan) if fill.dry_run else healing.fill(plan))
        except SourceRejected as error:
            raise within_reach(error, starts, f"cron_heal {run.name}", now=run.now) from error


class Healing:
    """Fills the missing ones among some hours: first `plan`, which asks only the database, then `fill`.

    Args:
        pipeline: of the run.
        coins: each symbol once.
        starts: the hours that should be there, in the order of time; at least one.
    """

    def __init__(self, pipeline: Pipeline, coins: Sequence[Coin], starts: Sequence[datetime]) -> None:
        self._pipeline = pipeline
        self._run = pipeline.run
        self._coins = coins
        self._starts = starts
        self._missing: Mapping[str, Hours] = {}

    async def plan(self, fill: BackfillRequest, credits_left: int | None) -> Sequence[HistoricalCall]:
        """The calls that this heal makes; what is missing and what it costs is logged.

        Args:
            fill: how to go about it.
            credits_left: what the source says is left; None when it does not say.

        Raises:
            StorageUnavailable: the database does not answer.
            StorageRejected: it refuses.
        """
        self._run.step("looking for missing hours")
        self._missing = await self._look(ask_all=fill.ask_all)
        ids = {coin.cmc_id: self._missing[coin.symbol] for coin in self._coins if coin.symbol in self._missing}
        full = plan_calls({cmc_id: hours.values() for cmc_id, hours in ids.items()})
        bounds = [bound for bound in (fill.max_credits, credits_left) if bound is not None]
        plan = within_credits(full, min(bounds)) if bounds else full
        if self._missing:
            log_missing(self._missing, event="missing")
            before_first = await asyncio.to_thread(count_before_first, self._pipeline.prices, self._missing)
            asked = self._keys_of(plan)
            _log_estimate(full, plan, self._missing, asked, before_first=before_first, credits_left=credits_left)
        else:
            log.info("no hour is missing that the source may have", hours=describe_hours(self._starts))
        self._warn_of_rest(full, plan, fill.max_credits, credits_left)
        return plan

    async def fill(self, plan: Sequence[HistoricalCall]) -> None:
        """Make the calls, store what they bring, and log what is missing then, also when the source fails.

        Raises:
            EtlError: the source, the database or the disk failed; what was fetched is stored or in the spool.
        """
        filling = CoinFilling(self._pipeline, coins=self._coins, wanted=self._missing)
        refusals: list[Refusal] = []
        try:
            if plan:
                async with aclosing(
                    extract_historical(self._pipeline.source, plan, self._coins, refusals=refusals)
                ) as answers:
                    await filling.fill(answers, plan)
        except (StorageUnavailable, StorageRejected):
            raise
        except EtlError:
            await self._log_end_as_well(plan, filling.answered, refusals)
            raise
        await self._log_end(plan, filling.answered, refusals)

    async def rehearse(self, plan: Sequence[HistoricalCall]) -> None:
        """Log which hours of the plan CoinMarketCap would refuse, as far as it says so free of charge.

        Raises:
            SourceRejected: all of them, so that `fill` would raise it.
        """
        if not plan:
            return
        refusal = await self._pipeline.refusal_beyond_reach(min(call.start for call in plan))
        limit = None if refusal is None else reach_of(refusal)
        if refusal is None or limit is None:
            return
        refusals = [Refusal(call, refusal) for call in plan if call.start - STEP < limit]
        if len(refusals) == len(plan):
            raise refusal
        self._log_refusals(refusals)

    async def _log_end_as_well(
        self, plan: Sequence[HistoricalCall], answered: Sequence[HistoricalCall], refusals: Sequence[Refusal]
    ) -> None:
        """Log it after an error; if that fails too, the first error is the news."""
        try:
            await self._log_end(plan, answered, refusals)
        except EtlError as error:
            log.warning("what is still missing could not be looked for", reason=error.message)

    async def _log_end(
        self, plan: Sequence[HistoricalCall], answered: Sequence[HistoricalCall], refusals: Sequence[Refusal]
    ) -> None:
        """Log what stays missing, and why; symbols that miss the same in one line."""
        self._run.step("looking for what is still missing")
        self._log_refusals(refusals)
        missing = await self._look(ask_all=True)
        keys = keys_of(missing)
        if not keys:
            log.info("nothing is missing any longer", hours=describe_hours(self._starts))
            return
        asked, refused = self._keys_of(plan), self._keys_of(refusal.call for refusal in refusals)
        over = keys & (keys_of(self._missing) - asked)
        unanswered = keys & (asked - refused - self._keys_of(answered))
        log_missing(missing, event="hours still missing")
        log.info(
            "still missing",
            coin_hours=len(keys),
            coins=len(missing),
            over_the_credits=len(over),
            refused_by_the_source=len(keys & refused),
            not_answered=len(unanswered),
            without_a_valid_quote_at_the_source=len(keys - over - refused - unanswered),
        )

    def _log_refusals(self, refusals: Sequence[Refusal]) -> None:
        for refusal in refusals:
            asked = asked_hours(refusal.call, self._coins, self._missing)
            hours = {start for one in asked.values() for start in one.values()}
            symbols = named([symbol for symbol, one in asked.items() if one])
            log.warning("refused", symbols=symbols, hours=describe_hours(hours), reason=refusal.error.message)

    def _warn_of_rest(
        self,
        full: Sequence[HistoricalCall],
        plan: Sequence[HistoricalCall],
        max_credits: int | None,
        credits_left: int | None,
    ) -> None:
        """Warn of what the credits do not reach, and name the bound: the heal's own, or what the key has left."""
        if full == plan:
            return
        bound = f"this one may spend {max_credits} (--max-credits)"
        if credits_left is not None and (max_credits is None or credits_left < max_credits):
            bound = f"the key has {credits_left} left, and `./run.sh check` says when they come back"
        rest = credits_of(full) - credits_of(plan)
        self._run.report.warnings.append(
            f"{rest} of {credits_of(full)} credits' worth of missing hours are left for the next heal: {bound}"
        )

    async def _look(self, *, ask_all: bool) -> dict[str, Hours]:
        meant = {coin.symbol: coin.cmc_id for coin in self._coins}
        return await asyncio.to_thread(missing_hours, self._pipeline.prices, meant, self._starts, ask_all=ask_all)

    def _keys_of(self, calls: Iterable[HistoricalCall]) -> Keys:
        """Those of the missing hours that these calls ask for."""
        return {key for call in calls for key in keys_of(asked_hours(call, self._coins, self._missing))}


def _log_estimate(
    full: Sequence[HistoricalCall],
    plan: Sequence[HistoricalCall],
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
        credits_left: what the source says is left; None when it does not say.
    """
    log.info(
        "estimate of all that is missing",
        coin_hours=sum(map(len, missing.values())),
        credits=credits_of(full),
        credits_left="not known" if credits_left is None else credits_left,
        before_the_first_stored=before_first,
        coins=len(missing),
        calls=len(full),
    )
    log.info(
        "of that this heal asks for",
        coin_hours=len(asked),
        credits=credits_of(plan),
        coins=len({symbol for symbol, _ in asked}),
        calls=len(plan),
    )
