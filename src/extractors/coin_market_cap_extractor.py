"""CoinMarketCap's prices, now and past, as quotes."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from adapters._bases.errors import ContractError, EtlError, SourceRejected, SourceUnavailable
from adapters._bases.json_values import whole
from adapters.http.coin_market_cap_http_adapter import CoinMarketCapHttpAdapter
from extractors.coin_market_cap_parser import HIGHEST_ID, LONGEST_TEXT, Coin, Parsed, Problem, Quote, parse_quotes
from extractors.coin_market_cap_plan import MAX_IDS, HistoricalCall
from extractors.coin_market_cap_resolver import beginnings
from extractors.concurrently import all_at_once, concurrently
from transformers.coverage import is_whole

# A refusal with this code concerns one call, not the account: another call may be answered.
_BAD_REQUEST = 400


class LatestExtraction(NamedTuple):
    """The result of a run's calls."""

    quotes: list[Quote]
    missing: list[Coin]  # the answers left them out
    problems: list[Problem]
    failures: list[EtlError]  # the run's failure, once the quotes are stored


async def extract_latest(
    source: CoinMarketCapHttpAdapter, coins: Sequence[Coin], *, clock: Callable[[], datetime]
) -> LatestExtraction:
    """The latest quote of each coin, in concurrent calls of at most 250; raises as `all_at_once` does.

    A quote is observed when its answer came, which may be in a later hour than the run's start.
    """

    async def answer_for(batch: Sequence[int]) -> Parsed:
        data = await source.latest(batch)
        return parse_quotes(data, _with_ids(coins, batch), "latest", observed_at=clock())

    ids = list(dict.fromkeys(coin.cmc_id for coin in coins))
    answers, failures = await all_at_once([ids[at : at + MAX_IDS] for at in range(0, len(ids), MAX_IDS)], answer_for)
    quotes = [quote for _, answer in answers for quote in answer.quotes]
    problems = [problem for _, answer in answers for problem in answer.problems]
    lacking = {cmc_id for batch, _ in answers for cmc_id in batch}.difference(
        (quote.cmc_id for quote in quotes), (problem.cmc_id for problem in problems)
    )
    return LatestExtraction(quotes, _with_ids(coins, lacking), problems, failures)


def _with_ids(coins: Iterable[Coin], ids: Iterable[int]) -> list[Coin]:
    wanted = set(ids)
    return [coin for coin in coins if coin.cmc_id in wanted]


class Listed(NamedTuple):
    """The list, the largest coin first."""

    coins: list[Coin]
    twins: dict[str, list[int]]  # ticker to the ids of other coins with it, which are not stored
    answer: Parsed


async def extract_listed(
    source: CoinMarketCapHttpAdapter, number: int, *, kept: Mapping[str, int], clock: Callable[[], datetime]
) -> Listed:
    """The largest coins, one for each ticker: that which the ticker already means, else the larger one.

    Args:
        kept: ticker to the id that it means, for good: no other coin takes it, not even if that one leaves the list.
    """
    data = await source.listings(number)
    if not isinstance(data, list) or not data:
        raise ContractError("CoinMarketCap's listings are not a list of coins", next_step="the API has changed")
    tickers: dict[str, list[int]] = {}
    for row in data:
        fields = row if isinstance(row, dict) else {}
        ticker, cmc_id = fields.get("symbol"), whole(fields.get("id"))
        if isinstance(ticker, str) and 0 < len(ticker) <= LONGEST_TEXT and cmc_id and 1 <= cmc_id <= HIGHEST_ID:
            tickers.setdefault(ticker.upper(), []).append(cmc_id)
    meant = {ticker: kept.get(ticker, ids[0]) for ticker, ids in tickers.items()}
    coins = [Coin(ticker, meant[ticker]) for ticker, ids in tickers.items() if meant[ticker] in ids]
    twins = {ticker: [one for one in ids if one != meant[ticker]] for ticker, ids in tickers.items()}
    others = {one for ids in twins.values() for one in ids}
    rows = [row for row in data if not isinstance(row, dict) or whole(row.get("id")) not in others]
    answer = parse_quotes(rows, coins, "listings", observed_at=clock())
    return Listed(coins, {ticker: ids for ticker, ids in twins.items() if ids}, answer)


class PastPart(NamedTuple):
    """A call or half of one, with what was answered."""

    call: HistoricalCall
    answer: Parsed
    short: frozenset[int]  # ids for which CoinMarketCap may have more: see `transformers.coverage.is_whole`


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
        data = await self.source.historical(call.ids, time_start=call.asked_from, time_end=call.end, count=call.limit)
        return self._judged(call, parse_quotes(data, _with_ids(self.coins, call.ids), "historical"))

    def _judged(self, call: HistoricalCall, answer: Parsed) -> PastPart:
        points: dict[int, list[datetime]] = {cmc_id: [] for cmc_id in call.ids}
        for quote in answer.quotes:
            points[quote.cmc_id].append(quote.observed_at)
        whole = {
            cmc_id: is_whole(call.hours, at, begins=self.begins.get(cmc_id), settled=self.settled)
            for cmc_id, at in points.items()
        }
        return PastPart(call, answer, frozenset(cmc_id for cmc_id in whole if not whole[cmc_id]))


def extract_historical(
    source: CoinMarketCapHttpAdapter,
    calls: Sequence[HistoricalCall],
    coins: Sequence[Coin],
    *,
    settled: datetime,
    spare: float = math.inf,
    failed: list[tuple[HistoricalCall, EtlError]],
    refusals: list[tuple[HistoricalCall, SourceRejected]] | None = None,
) -> AsyncGenerator[PastPart, None]:
    """The parts of each call: see `concurrently`.

    Coins whose answer lacks hours without showing that CoinMarketCap lacks them are asked for once more, in halves;
    hours before a coin's history began, by the map, do not count.

    Args:
        settled: hours after this moment may still come.
        spare: the credits that may be spent beside those of `calls`.
        failed: as of `concurrently`.
        refusals: collects refused calls, which then fail nothing unless all are; None: the first refusal is an error.
    """

    def tolerate(call: HistoricalCall, error: EtlError) -> bool:
        # A 200 may hide the refusal in its code.
        if refusals is None or not isinstance(error, SourceRejected) or _BAD_REQUEST not in (error.status, error.code):
            return False
        refusals.append((call, error))
        return len(refusals) < len(calls)

    return concurrently(calls, _PastCalls(source, coins, settled, spare).ask, tolerate=tolerate, failed=failed)
