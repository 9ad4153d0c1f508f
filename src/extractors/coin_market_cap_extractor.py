"""CoinMarketCap's prices, now and past, as quotes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from adapters._bases.errors import EtlError, SourceRejected
from adapters.http.coin_market_cap_http_adapter import CoinMarketCapHttpAdapter
from extractors.coin_market_cap_parser import Coin, Parsed, Problem, Quote, parse_historical, parse_latest
from extractors.coin_market_cap_plan import MAX_IDS, STEP, HistoricalCall
from extractors.concurrently import all_at_once, concurrently

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
    """The latest quote of each coin, in concurrent calls of at most 250.

    Args:
        coins: an id under two symbols is requested once and returned for both.
        clock: a quote is observed when its answer came, which may be in a later hour than the run's start.

    Raises:
        EtlError: every call failed; the first one's error.
    """

    async def answer_for(batch: Sequence[int]) -> Parsed:
        data = await source.latest(batch)
        return parse_latest(data, [coin for coin in coins if coin.cmc_id in set(batch)], clock())

    ids = list(dict.fromkeys(coin.cmc_id for coin in coins))
    batches = [ids[start : start + MAX_IDS] for start in range(0, len(ids), MAX_IDS)]
    answers, failures = await all_at_once(batches, answer_for)
    result, lacking = LatestExtraction([], [], [], failures), {cmc_id for batch, _ in answers for cmc_id in batch}
    for _, answer in answers:
        result.quotes.extend(answer.quotes)
        result.problems.extend(answer.problems)
        lacking -= {quote.cmc_id for quote in answer.quotes} | {problem.cmc_id for problem in answer.problems}
    result.missing.extend(coin for coin in coins if coin.cmc_id in lacking)
    return result


def extract_historical(
    source: CoinMarketCapHttpAdapter,
    calls: Sequence[HistoricalCall],
    coins: Sequence[Coin],
    *,
    refusals: list[Refusal] | None = None,
) -> AsyncGenerator[tuple[HistoricalCall, Parsed], None]:
    """Each call with its answer, in the order of the answers: see `concurrently`.

    Args:
        coins: what the calls' ids mean.
        refusals: collects refused calls, which then fail nothing unless all of them are refused; None: the first
            refusal is an error.

    Raises:
        EtlError: a call failed, or every call was refused.
    """

    async def ask(call: HistoricalCall) -> Parsed:
        ids, start, end = set(call.ids), call.start - STEP, call.end - STEP
        data = await source.historical(call.ids, time_start=start, time_end=end, count=call.limit)
        return parse_historical(data, [coin for coin in coins if coin.cmc_id in ids])

    def tolerate(call: HistoricalCall, error: EtlError) -> bool:
        # A 200 may hide the refusal in its code.
        if refusals is None or not isinstance(error, SourceRejected) or _BAD_REQUEST not in (error.status, error.code):
            return False
        refusals.append(Refusal(call, error))
        return len(refusals) < len(calls)

    return concurrently(calls, ask, tolerate=tolerate)
