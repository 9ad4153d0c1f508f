"""A heal: the missing hours are found, asked for as far as the credits go, and what stays missing is logged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime

import structlog

from adapters._bases.errors import EtlError, StorageRejected, StorageUnavailable
from adapters._bases.tehran_time import describe_hours, hour_key
from crons.job import HealOptions, RunContext
from crons.jobs.cmc_backfill import Filling, Keys, asked_hours, tell_heal_estimate, tell_left
from crons.jobs.cmc_parts import table
from extractors.coin_market_cap_extractor import CoinMarketCapExtractor, Refusal
from extractors.coin_market_cap_plan import BackfillPlan, HistoricalCall, plan_missing, within_credits
from extractors.coin_market_cap_quote import Coin
from transformers.coverage import Hours, HourState, hour_states, hours_by_key, missing_among

_NAMED_SYMBOLS = 10

log = structlog.get_logger(__name__)


def missing_hours(
    context: RunContext, coins: Sequence[Coin], starts: Sequence[datetime], *, ask_all: bool
) -> dict[str, Hours]:
    """Symbol to the hours that have no price, of symbols that miss any. Asks the database, in this thread.

    Args:
        context: of the run.
        coins: each symbol once.
        starts: the hours that should be there, in the order of time; at least one.
        ask_all: also those that the source had no quote for when it was asked last.

    Raises:
        StorageUnavailable: the database does not answer.
        StorageRejected: it refuses.
    """
    hours = hours_by_key(starts)
    first, last = hour_key(starts[0]), hour_key(starts[-1])
    symbols = [coin.symbol for coin in coins]
    prices = table(context)
    stored = prices.stored(symbols, first=first, last=last, valued_from=last)
    meant = {coin.symbol: coin.cmc_id for coin in coins}
    given_up = {} if ask_all else prices.holes_by_symbol(symbols, first=first, last=last, coins=meant)
    missing = {
        symbol: missing_among(hours, stored[symbol].hours if symbol in stored else (), given_up.get(symbol, ()))
        for symbol in symbols
    }
    return {symbol: hours for symbol, hours in missing.items() if hours}


def count_before_first(context: RunContext, missing: Mapping[str, Hours]) -> int:
    """How many of these hours lie before the first stored one of their symbol, or are of a symbol without any.

    Asks the database, in this thread.

    Args:
        context: of the run.
        missing: symbol to hours that have no price.

    Raises:
        StorageUnavailable: the database does not answer.
        StorageRejected: it refuses.
    """
    first = table(context).first_hours(list(missing))
    return sum(
        hour_states(hours, (), (), first=first.get(symbol)).count(HourState.NOT_EXPECTED)
        for symbol, hours in missing.items()
    )


def tell_missing(missing: Mapping[str, Hours], *, event: str) -> None:
    """Log missing hours, symbols that miss the same in one line.

    Args:
        missing: symbol to its missing hours.
        event: what the lines say of them.
    """
    alike: dict[str, list[str]] = {}
    for symbol, hours in missing.items():
        alike.setdefault(describe_hours(hours.values()), []).append(symbol)
    for ranges, symbols in alike.items():
        hours_each = len(missing[symbols[0]])
        log.info(event, symbols=named(symbols), coins=len(symbols), hours_each=hours_each, ranges=ranges)


def named(symbols: Sequence[str]) -> str:
    """Symbols for a line of the log: the first ten."""
    return ",".join(symbols[:_NAMED_SYMBOLS]) + (",…" if len(symbols) > _NAMED_SYMBOLS else "")


class Healing:
    """Fills the missing ones among some hours: first `plan`, which asks nobody but the database, then `fill`.

    Args:
        context: of the run.
        coins: each symbol once.
        starts: the hours that should be there, in the order of time; at least one.
    """

    def __init__(self, context: RunContext, coins: Sequence[Coin], starts: Sequence[datetime]) -> None:
        self._context = context
        self._coins = coins
        self._starts = starts
        self._missing: Mapping[str, Hours] = {}

    async def plan(self, options: HealOptions, credits_left: int | None) -> BackfillPlan:
        """The calls that this heal makes; what is missing and what it costs is told.

        Args:
            options: how to go about it.
            credits_left: what the source says is left; None when not told.

        Raises:
            StorageUnavailable: the database does not answer.
            StorageRejected: it refuses.
        """
        self._context.step("looking for missing hours")
        self._missing = await self._look(ask_all=options.ask_all)
        ids = {coin.cmc_id: self._missing[coin.symbol] for coin in self._coins if coin.symbol in self._missing}
        full = plan_missing({cmc_id: hours.values() for cmc_id, hours in ids.items()})
        most = options.max_credits if credits_left is None else min(options.max_credits, credits_left)
        plan = within_credits(full, most)
        if self._missing:
            tell_missing(self._missing, event="missing")
            before_first = await asyncio.to_thread(count_before_first, self._context, self._missing)
            asked = self._keys_of(plan.calls)
            tell_heal_estimate(full, plan, self._missing, asked, before_first=before_first, credits_left=credits_left)
        else:
            log.info("no hour is missing that the source may have", hours=describe_hours(self._starts))
        tell_left(self._context, full, plan, max_credits=options.max_credits, credits_left=credits_left)
        return plan

    async def fill(self, extract: CoinMarketCapExtractor, plan: BackfillPlan) -> None:
        """Make the calls, store what they bring, and tell what is missing then, also when the source fails.

        Raises:
            EtlError: the source, the database or the disk failed; what was fetched is stored or in the spool.
        """
        filling = Filling(self._context, coins=self._coins, wanted=self._missing)
        refusals: list[Refusal] = []
        try:
            if plan.calls:
                async with aclosing(extract.historical(plan, self._coins, refusals=refusals)) as answers:
                    await filling.fill(answers, plan.calls)
        except (StorageUnavailable, StorageRejected):
            raise
        except EtlError:
            await self._tell_end_as_well(plan, filling.answered, refusals)
            raise
        await self._tell_end(plan, filling.answered, refusals)

    async def _tell_end_as_well(
        self, plan: BackfillPlan, answered: Sequence[HistoricalCall], refusals: Sequence[Refusal]
    ) -> None:
        """Tell it after an error; if that fails too, the first error is the news."""
        try:
            await self._tell_end(plan, answered, refusals)
        except EtlError as error:
            log.warning("what is still missing could not be looked for", reason=error.message)

    async def _tell_end(
        self, plan: BackfillPlan, answered: Sequence[HistoricalCall], refusals: Sequence[Refusal]
    ) -> None:
        """Log what stays missing, and why; symbols that miss the same in one line."""
        self._context.step("looking for what is still missing")
        self._tell_refusals(refusals)
        missing = await self._look(ask_all=True)
        keys = _keys(missing)
        if not keys:
            log.info("nothing is missing any longer", hours=describe_hours(self._starts))
            return
        asked, refused = self._keys_of(plan.calls), self._keys_of(refusal.call for refusal in refusals)
        over = keys & (_keys(self._missing) - asked)
        unanswered = keys & (asked - refused - self._keys_of(answered))
        tell_missing(missing, event="hours still missing")
        log.info(
            "still missing",
            coin_hours=len(keys),
            coins=len(missing),
            over_the_credits=len(over),
            refused_by_the_source=len(keys & refused),
            not_answered=len(unanswered),
            without_a_valid_quote_at_the_source=len(keys - over - refused - unanswered),
        )

    def _tell_refusals(self, refusals: Sequence[Refusal]) -> None:
        for refusal in refusals:
            asked = asked_hours(refusal.call, self._coins, self._missing)
            hours = {start for one in asked.values() for start in one.values()}
            symbols = named([symbol for symbol, one in asked.items() if one])
            log.warning("refused", symbols=symbols, hours=describe_hours(hours), reason=refusal.error.message)

    async def _look(self, *, ask_all: bool) -> dict[str, Hours]:
        return await asyncio.to_thread(missing_hours, self._context, self._coins, self._starts, ask_all=ask_all)

    def _keys_of(self, calls: Iterable[HistoricalCall]) -> Keys:
        """Those of the missing hours that these calls ask for."""
        return {key for call in calls for key in _keys(asked_hours(call, self._coins, self._missing))}


def _keys(hours: Mapping[str, Hours]) -> Keys:
    return {(symbol, key) for symbol, keys in hours.items() for key in keys}
