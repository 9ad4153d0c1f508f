"""What is stored of each symbol lately, and what is wrong with what is stored. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from adapters._bases.tehran_time import from_text
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import (
    CRYPTO_PRICES,
    CoinMarketCapClickHouseAdapter,
    StoredCoin,
)
from configurations.config import Settings
from crons.inspection import counted, faults_of, finding, of_shape, series_of
from crons.job import Finding, Series
from crons.jobs.cmc_parts import choices_of
from crons.resources import Resources
from transformers.coverage import reach

_JOB = "cmc_hourly_prices"
"""Whose rows these are, for the commands that mend them."""


def followed(settings: Settings) -> list[str]:
    """The symbols of the settings, in their order."""
    return [symbol for symbol, _ in settings.symbols]


def read_series(parts: Resources, now: datetime) -> list[Series]:
    """What is stored of each symbol of the settings, in their order; of the last 30 days and no further back.

    Raises:
        StorageUnavailable: the database does not answer.
        StorageRejected: it refuses.
    """
    return series_of(_table(parts), followed(parts.settings), now)


def verify(parts: Resources, now: datetime) -> list[Finding]:
    """What is wrong with the stored prices, a finding for each thing looked at; the whole table is read.

    Raises:
        StorageUnavailable: the database does not answer.
        StorageRejected: it refuses, and not because the table has another shape, which is a finding.
    """
    table, followed = _table(parts), [symbol for symbol, _ in parts.settings.symbols]

    def look() -> list[Finding]:
        coins = _coins(table.coins(), choices_of(parts.settings).load(), now)
        return faults_of(table, _JOB, followed, now, more=[coins])

    return of_shape(table, look)


def _table(parts: Resources) -> CoinMarketCapClickHouseAdapter:
    return parts.repository(CoinMarketCapClickHouseAdapter, CRYPTO_PRICES)


def _coins(stored: Sequence[StoredCoin], chosen: Mapping[str, int], now: datetime) -> Finding:
    """Symbols with prices of more than one coin: wrong, unless the later coin took the earlier one's place for good.

    Args:
        stored: by symbol and first hour.
        chosen: symbol to the id that it means now; a change of it was confirmed by a person.
        now: aware.
    """
    of_symbol: dict[str, list[StoredCoin]] = {}
    for coin in stored:
        of_symbol.setdefault(coin.symbol, []).append(coin)
    mixed = {symbol: coins for symbol, coins in of_symbol.items() if len(coins) > 1}
    wrong = {
        symbol: coins
        for symbol, coins in mixed.items()
        if chosen.get(symbol) != coins[-1].cmc_id or any(b.first <= a.last for a, b in pairwise(coins))
    }
    lines = [f"{coin.symbol}: {_span_of(coin)}" for coins in (wrong or mixed).values() for coin in coins]
    if mixed and not wrong:
        return Finding("coins", "ok", "\n".join(["none mixed; changed, as was confirmed:", *lines]))
    others = [coin.first for symbol, coins in wrong.items() for coin in coins if coin.cmc_id != chosen.get(symbol, -1)]
    back = reach([from_text(hour) for hour in others], now)
    return finding(
        "coins",
        lines,
        f"./run.sh coins says which id a symbol means; ./run.sh cron_backfill {_JOB} {back} then takes its prices",
        found=f"{counted(wrong, 'symbol', cut=False)} with prices of two coins",
    )


def _span_of(coin: StoredCoin) -> str:
    return f"id {coin.cmc_id} ({coin.name}), {coin.hours:,} h from {coin.first[:16]} to {coin.last[:16]}"
