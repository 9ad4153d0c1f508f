"""Which coins stand behind the symbols of the stored prices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, quoted_identifier
from adapters._bases.retry import RetryPolicy
from adapters.clickhouse.coin_market_cap_table import TABLE


class StoredCoin(NamedTuple):
    """A coin whose prices are stored under a symbol.

    Attributes:
        symbol: of the rows.
        cmc_id: CoinMarketCap's id.
        name: the coin's, in the latest of its rows.
        first: hour key of its first row.
        last: hour key of its last row.
        hours: how many rows it has.
    """

    symbol: str
    cmc_id: int
    name: str
    first: str
    last: str
    hours: int


class CoinMarketCapCoinsAdapter:
    """Reads which coins are stored; writes nothing.

    Args:
        clickhouse: where the table is; it stays the caller's to close.
        database: plain name.
        retry: how a failed read is tried again.

    Raises:
        ConfigurationError: the database's name is not an identifier.
    """

    def __init__(self, *, clickhouse: ClickHouseAdapter, database: str, retry: RetryPolicy) -> None:
        self._clickhouse = clickhouse
        self._retry = retry
        self._table = f"{quoted_identifier(database)}.{quoted_identifier(TABLE)}"

    def stored(self, symbols: Sequence[str] = ()) -> list[StoredCoin]:
        """The coins of these symbols, or of all, by symbol and first hour; empty where there is no table yet.

        Rows without an id, which another program wrote, are left out.

        Raises:
            StorageUnavailable: the database does not answer.
            StorageRejected: it refuses.
        """
        wanted = "AND has({symbols:Array(String)}, symbol) " if symbols else ""
        statement = (
            "SELECT symbol, cmc_id, argMax(name, datetime), min(datetime) AS first, max(datetime), "  # noqa: S608 - quoted
            f"uniqExact(datetime) FROM {self._table} WHERE cmc_id != 0 {wanted}"
            "GROUP BY symbol, cmc_id ORDER BY symbol, first, cmc_id"
        )
        parameters = {"symbols": list(symbols)} if symbols else {}
        rows = self._retry.call(lambda: self._clickhouse.query_if_there(statement, parameters))
        return [
            StoredCoin(str(symbol), int(str(cmc_id)), str(name), str(first), str(last), int(str(hours)))
            for symbol, cmc_id, name, first, last, hours in rows
        ]


def latest_of_each(coins: Sequence[StoredCoin]) -> dict[str, StoredCoin]:
    """Symbol to the coin of its latest row."""
    return {coin.symbol: coin for coin in sorted(coins, key=lambda coin: (coin.last, coin.first))}
