"""CoinMarketCap's prices, now and past, as quotes."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from adapters._bases.errors import ContractError, EtlError, SourceRejected, SourceUnavailable
from adapters.http.coin_market_cap_http_adapter import CoinMarketCapHttpAdapter
from extractors.coin_market_cap_parser import Coin, Parsed, Problem, Quote, parse_historical, parse_latest
from extractors.coin_market_cap_plan import MAX_IDS, HistoricalCall
from extractors.coin_market_cap_resolver import beginnings
from extractors.concurrently import Failures, all_at_once, concurrently
from transformers.coverage import is_whole

# A refusal with this code concerns one call, not the account: another call may be answered.
_BAD_REQUEST = 400


class LatestExtraction(NamedTuple):
    """The result of a run's calls."""

    quotes: list[Quote]
    missing: list[Coin]  # the answers left them out
    problems: list[Problem]
    failures: list[EtlError]  # the run's failure, once the quotes are stored


class Refusal(NamedTuple):
    """A call that CoinMarketCap refused without charge, such as one beyond the plan's reach."""

    call: HistoricalCall
    error: SourceRejected


async def extract_latest(
    source: CoinMarketCapHttpAdapter, coins: Sequence[Coin], *, clock: Callable[[], datetime]
) -> LatestExtraction:
    """The latest quote of each coin, in concurrent calls of at most 250; raises as `all_at_once` does.

    An id under two symbols is requested once and returned for both. A quote is observed when its answer came, which may
    be in a later hour than the run's start.
    """

    async def answer_for(batch: Sequence[int]) -> Parsed:
        data = await source.latest(batch)
        return parse_latest(data, [coin for coin in coins if coin.cmc_id in set(batch)], clock())

    ids = list(dict.fromkeys(coin.cmc_id for coin in coins))
    answers, failures = await all_at_once([ids[at : at + MAX_IDS] for at in range(0, len(ids), MAX_IDS)], answer_for)
    quotes = [quote for _, answer in answers for quote in answer.quotes]
    problems = [problem for _, answer in answers for problem in answer.problems]
    lacking = {cmc_id for batch, _ in answers for cmc_id in batch}.difference(
        (quote.cmc_id for quote in quotes), (problem.cmc_id for problem in problems)
    )
    return LatestExtraction(quotes, [coin for coin in coins if coin.cmc_id in lacking], problems, failures)


class PastPart(NamedTuple):
    """A call or half of one, with what was answered."""

    call: HistoricalCall
    answer: Parsed
    short: frozenset[int]  # ids of which CoinMarketCap may have more: see `transformers.coverage.is_whole`


@dataclass
class _PastCalls:
    source: CoinMarketCapHttpAdapter
    coins: Sequence[Coin]
    settled: datetime
    spare: float
    begins: dict[int, datetime] = field(default_factory=dict)  # of the coins' histories, once it is needed

    async def ask(self, call: HistoricalCall) -> list[PastPart]:
        first = await self._answer_to(call)
        if first.short and not self.begins:
            with suppress(EtlError):
                self.begins = await beginnings(self.source, self.coins)
                first = self._judged(call, first.answer)
        if not first.short:
            return [first]
        whole, rest = set(call.ids) - first.short, first.answer.of(first.short)
        parts = [PastPart(call._replace(ids=tuple(sorted(whole))), first.answer.of(whole), frozenset())]
        for half in call.halves(first.short):
            again = PastPart(half, rest, first.short)
            if half.credits <= self.spare:
                self.spare -= half.credits
                with suppress(SourceUnavailable, ContractError):
                    again = await self._answer_to(half)
                    again = again._replace(answer=Parsed([*rest.quotes, *again.answer.quotes], again.answer.problems))
            parts.append(again)
        return parts

    async def _answer_to(self, call: HistoricalCall) -> PastPart:
        ids = set(call.ids)
        data = await self.source.historical(call.ids, time_start=call.asked_from, time_end=call.end, count=call.limit)
        return self._judged(call, parse_historical(data, [coin for coin in self.coins if coin.cmc_id in ids]))

    def _judged(self, call: HistoricalCall, answer: Parsed) -> PastPart:
        points: dict[int, list[datetime]] = {cmc_id: [] for cmc_id in call.ids}
        for quote in answer.quotes:
            points[quote.cmc_id].append(quote.observed_at)
        short = []
        for cmc_id, at in points.items():
            hours = [hour for hour in call.hours if hour >= self.begins.get(cmc_id, hour)]
            short += [] if is_whole(hours, at, settled=self.settled) else [cmc_id]
        return PastPart(call, answer, frozenset(short))


def extract_historical(
    source: CoinMarketCapHttpAdapter,
    calls: Sequence[HistoricalCall],
    coins: Sequence[Coin],
    *,
    settled: datetime,
    spare: float = math.inf,
    failed: Failures[HistoricalCall],
    refusals: list[Refusal] | None = None,
) -> AsyncGenerator[tuple[HistoricalCall, list[PastPart]], None]:
    """Each call with its parts, in the order of the answers: see `concurrently`.

    Coins whose answer lacks hours without showing that CoinMarketCap lacks them are asked for once more, in halves;
    hours before a coin's history began, by the map, do not count.

    Args:
        coins: what the calls' ids mean.
        settled: hours after this moment may still come.
        spare: the credits that may be spent beside those of `calls`.
        failed: collects calls without a usable answer, which affect no other call.
        refusals: collects refused calls, which then fail nothing unless all are; None: the first refusal is an error.

    Raises:
        EtlError: no call was answered, or every call was refused.
    """

    def tolerate(call: HistoricalCall, error: EtlError) -> bool:
        # A 200 may hide the refusal in its code.
        if refusals is None or not isinstance(error, SourceRejected) or _BAD_REQUEST not in (error.status, error.code):
            return False
        refusals.append(Refusal(call, error))
        return len(refusals) < len(calls)

    return concurrently(calls, _PastCalls(source, coins, settled, spare).ask, tolerate=tolerate, failed=failed)
