"""The list of the largest coins, which has their prices too; and which of two coins with one ticker is meant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from adapters._bases.errors import ContractError
from adapters._bases.json_values import whole
from adapters.http.coin_market_cap_http_adapter import CoinMarketCapHttpAdapter
from extractors.coin_market_cap_parser import HIGHEST_ID, Coin, Parsed, parse_latest

_LONGEST_TICKER = 200


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

    Raises:
        EtlError: the call failed.
        ContractError: the answer is not a list of coins.
    """
    data = await source.listings(number)
    if not isinstance(data, list) or not data:
        raise ContractError("CoinMarketCap's listings are not a list of coins", next_step="the API has changed")
    tickers: dict[str, list[int]] = {}
    for row in data:
        fields = row if isinstance(row, dict) else {}
        ticker, cmc_id = fields.get("symbol"), whole(fields.get("id"))
        if isinstance(ticker, str) and 0 < len(ticker) <= _LONGEST_TICKER and cmc_id and 1 <= cmc_id <= HIGHEST_ID:
            tickers.setdefault(ticker.upper(), []).append(cmc_id)
    meant = {ticker: kept.get(ticker, ids[0]) for ticker, ids in tickers.items()}
    coins = [Coin(ticker, meant[ticker]) for ticker, ids in tickers.items() if meant[ticker] in ids]
    twins = {ticker: [one for one in ids if one != meant[ticker]] for ticker, ids in tickers.items()}
    others = {one for ids in twins.values() for one in ids}
    rows = [row for row in data if not isinstance(row, dict) or whole(row.get("id")) not in others]
    answer = parse_latest(rows, coins, clock(), endpoint="listings")
    return Listed(coins, {ticker: ids for ticker, ids in twins.items() if ids}, answer)
