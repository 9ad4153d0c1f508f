"""Which calls of CoinMarketCap to make, and their answers as quotes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import NamedTuple, TypeGuard

from adapters._bases.errors import EtlError, SourceRejected
from adapters.files.coin_choices import CoinChoices
from adapters.http.coin_market_cap_http_adapter import CoinMarketCapHttpAdapter
from extractors.coin_market_cap_parser import Parsed, Problem, parse_historical, parse_latest
from extractors.coin_market_cap_plan import MAX_IDS, BackfillPlan, HistoricalCall, plan_backfill
from extractors.coin_market_cap_quote import Coin, Quote
from extractors.coin_market_cap_resolver import CoinMarketCapResolver, Resolution, Stored, nothing_stored
from extractors.side_by_side import side_by_side

_BAD_REQUEST = 400
"""By this code CoinMarketCap refuses one question, not the customer: it may answer another."""


class BatchFailure(NamedTuple):
    """Coins whose call failed, and why."""

    coins: tuple[Coin, ...]
    error: EtlError


class LatestExtraction(NamedTuple):
    """What came of a run's calls, even if some of them failed.

    Attributes:
        missing: coins asked for that the answers left out.
        problems: coins in the answers that cannot be read.
        failures: to be reported as the run's failure once the quotes are stored.
    """

    quotes: list[Quote]
    missing: list[Coin]
    problems: list[Problem]
    failures: list[BatchFailure]


class Refusal(NamedTuple):
    """A call that CoinMarketCap refused without charge, such as one beyond the plan's reach."""

    call: HistoricalCall
    error: SourceRejected


class CoinMarketCapExtractor:
    """Reads prices from CoinMarketCap, and keeps the choice of coins behind symbols.

    Args:
        source: CoinMarketCap's endpoints.
        choices: where the coin chosen for a symbol is kept.
        stored: see `CoinMarketCapResolver`.
        currency: what prices are in.
    """

    def __init__(
        self,
        *,
        source: CoinMarketCapHttpAdapter,
        choices: CoinChoices,
        stored: Stored = nothing_stored,
        currency: str = "USD",
    ) -> None:
        self._source = source
        self._currency = currency
        self._resolver = CoinMarketCapResolver(source=source, choices=choices, stored=stored)

    async def resolve(self, entries: Sequence[tuple[str, int | None]]) -> Resolution:
        """The coins meant by the entries: see `CoinMarketCapResolver.resolve`."""
        return await self._resolver.resolve(entries)

    async def latest(self, coins: Sequence[Coin], *, clock: Callable[[], datetime]) -> LatestExtraction:
        """The latest quote of each coin, in calls of at most 250 side by side.

        Args:
            coins: an id under two symbols is asked for once and comes back for both.
            clock: a quote is observed when its answer came, which may be in a later hour than the run's start.

        Raises:
            EtlError: every call failed; the first one's error.
        """
        ids = list(dict.fromkeys(coin.cmc_id for coin in coins))
        batches = [frozenset(ids[start : start + MAX_IDS]) for start in range(0, len(ids), MAX_IDS)]
        groups = [tuple(coin for coin in coins if coin.cmc_id in batch) for batch in batches]
        outcomes = await asyncio.gather(*(self._latest_of(group, clock) for group in groups))
        failures = [outcome for outcome in outcomes if isinstance(outcome, BatchFailure)]
        if failures and len(failures) == len(groups):
            raise failures[0].error
        parsed = [outcome for outcome in outcomes if isinstance(outcome, Parsed)]
        quotes = [quote for part in parsed for quote in part.quotes]
        problems = [problem for part in parsed for problem in part.problems]
        unanswered = {coin for failure in failures for coin in failure.coins}
        missing = _left_out([coin for coin in coins if coin not in unanswered], quotes, problems)
        return LatestExtraction(quotes, missing, problems, failures)

    def plan_backfill(self, coins: Sequence[Coin], *, start: datetime, end: datetime) -> BackfillPlan:
        """The calls for all Tehran hours in [start, end), and their cost: see `plan_backfill`."""
        return plan_backfill(coins, start=start, end=end)

    async def historical(
        self, plan: BackfillPlan, coins: Sequence[Coin], *, refusals: list[Refusal] | None = None
    ) -> AsyncGenerator[tuple[HistoricalCall, list[Quote], list[Problem]], None]:
        """Each call of the plan with what it brought, as the answers come: see `side_by_side`.

        A plan that does not reach so far back is refused by its first call, free of charge, before others are paid for.

        Args:
            coins: what the plan's ids mean.
            refusals: collects the refused calls, which then fail nothing unless all of them are refused; None lets the
                first one fail.

        Raises:
            EtlError: a call failed, or every call was refused.
        """

        def forgives(call: HistoricalCall, error: EtlError) -> bool:
            if refusals is None or not _is_refusal_of_the_call(error):
                return False
            refusals.append(Refusal(call, error))
            return True

        answers = side_by_side(plan.calls, lambda call: self._historical_of(call, coins), forgives=forgives)
        async with aclosing(answers):
            async for call, parsed in answers:
                yield call, parsed.quotes, parsed.problems
        if refusals and len(refusals) == len(plan.calls):
            raise refusals[0].error

    async def _latest_of(self, coins: tuple[Coin, ...], clock: Callable[[], datetime]) -> Parsed | BatchFailure:
        ids = tuple(dict.fromkeys(coin.cmc_id for coin in coins))
        try:
            data = await self._source.latest(ids, convert=self._currency)
            return parse_latest(data, coins, self._currency, clock())
        except EtlError as exc:
            return BatchFailure(coins, exc)

    async def _historical_of(self, call: HistoricalCall, coins: Sequence[Coin]) -> Parsed:
        wanted = set(call.ids)
        data = await self._source.historical(
            call.ids, time_start=call.time_start, time_end=call.time_end, count=call.limit, convert=self._currency
        )
        return parse_historical(data, [coin for coin in coins if coin.cmc_id in wanted], self._currency)


def _left_out(coins: Sequence[Coin], quotes: Sequence[Quote], problems: Sequence[Problem]) -> list[Coin]:
    came = {quote.cmc_id for quote in quotes} | {problem.cmc_id for problem in problems}
    return [coin for coin in coins if coin.cmc_id not in came]


def _is_refusal_of_the_call(error: EtlError) -> TypeGuard[SourceRejected]:
    """Whether CoinMarketCap refuses this one call, by its status or by its code, which a 200 may hide."""
    return isinstance(error, SourceRejected) and _BAD_REQUEST in (error.status, error.code)
