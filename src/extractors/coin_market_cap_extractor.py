"""CoinMarketCap's prices, now and past, as quotes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from adapters._bases.errors import ContractError, EtlError
from adapters.http.coin_market_cap_http_adapter import CoinMarketCapHttpAdapter
from extractors.coin_market_cap_parser import LONGEST_TEXT, Coin, Parsed, id_of, parse_quotes
from extractors.coin_market_cap_plan import MAX_IDS, HistoricalCall
from extractors.concurrently import all_at_once


async def extract_latest(
    source: CoinMarketCapHttpAdapter, coins: Sequence[Coin], *, clock: Callable[[], datetime]
) -> tuple[Parsed, list[Coin], list[EtlError]]:
    """The latest quote of each coin, those that the answers left out, and the failures of calls.

    In concurrent calls of at most 250 coins; raises as `all_at_once` does. A quote is observed when its answer came,
    which may be in a later hour than the run's start.
    """

    async def ask(batch: Sequence[int]) -> tuple[list[Coin], Parsed]:
        asked = _with_ids(coins, batch)
        data = await source.latest(batch)
        return asked, parse_quotes(data, asked, "latest", observed_at=clock())

    ids = list(dict.fromkeys(coin.cmc_id for coin in coins))
    answers, failures = await all_at_once([ids[at : at + MAX_IDS] for at in range(0, len(ids), MAX_IDS)], ask)
    quotes = [quote for _, answer in answers for quote in answer.quotes]
    rejects = [reject for _, answer in answers for reject in answer.rejects]
    named = {quote.symbol for quote in quotes} | {reject.symbol for reject in rejects}
    missing = [coin for asked, _ in answers for coin in asked if coin.symbol not in named]
    return Parsed(quotes, rejects), missing, failures


async def extract_listed(
    source: CoinMarketCapHttpAdapter, number: int, *, kept: Mapping[str, int], clock: Callable[[], datetime]
) -> tuple[list[Coin], dict[str, list[int]], Parsed]:
    """The largest coins, one for each ticker: that which the ticker already means, else the larger one.

    Args:
        kept: ticker to the id that it means, for good: no other coin takes it, not even if that one leaves the list.

    Returns:
        The coins, the largest first; ticker to the ids of other coins with it, which are not stored; the quotes.
    """
    data = await source.listings(number)
    if not isinstance(data, list) or not data:
        raise ContractError("CoinMarketCap's listings are not a list of coins", next_step="the API has changed")
    tickers: dict[str, list[int]] = {}
    for row in data:
        fields = row if isinstance(row, dict) else {}
        ticker, cmc_id = fields.get("symbol"), id_of(fields)
        if isinstance(ticker, str) and 0 < len(ticker) <= LONGEST_TEXT and cmc_id is not None:
            tickers.setdefault(ticker.upper(), []).append(cmc_id)
    meant = {ticker: kept.get(ticker, ids[0]) for ticker, ids in tickers.items()}
    coins = [Coin(ticker, meant[ticker]) for ticker, ids in tickers.items() if meant[ticker] in ids]
    twins = {ticker: [one for one in ids if one != meant[ticker]] for ticker, ids in tickers.items()}
    others = {one for ids in twins.values() for one in ids}
    rows = [row for row in data if not isinstance(row, dict) or id_of(row) not in others]
    answer = parse_quotes(rows, coins, "listings", observed_at=clock())
    return coins, {ticker: ids for ticker, ids in twins.items() if ids}, answer


async def extract_historical(source: CoinMarketCapHttpAdapter, call: HistoricalCall, coins: Sequence[Coin]) -> Parsed:
    """The quotes of a call."""
    data = await source.historical(call.ids, time_start=call.asked_from, time_end=call.end, count=call.limit)
    return parse_quotes(data, _with_ids(coins, call.ids), "historical")


def _with_ids(coins: Sequence[Coin], ids: Collection[int]) -> list[Coin]:
    wanted = set(ids)
    return [coin for coin in coins if coin.cmc_id in wanted]
