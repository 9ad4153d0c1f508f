"""Which hours of which symbols the table of prices holds; reads a window of it, never the whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.retry import RetryPolicy
from adapters.clickhouse.coin_market_cap_table import TABLE
from adapters.clickhouse.sql_text import quoted_identifier


class StoredHours(NamedTuple):
    """What is stored of a symbol within a window; hours are keys, ``YYYY-MM-DD HH:00:00`` in Tehran.

    Attributes:
        hours: those that have a price, each once, in no order.
        last_hour: the latest of them.
        last_price: its price, whatever double stands there; None only in a table of another shape.
        prices: hour to price, of the hours that were asked for with their prices; likewise.
    """

    hours: frozenset[str]
    last_hour: str
    last_price: float | None
    prices: dict[str, float | None]


class CoinMarketCapHoursAdapter:
    """Reads hours. Every method may raise `StorageUnavailable`, after the retries, and `StorageRejected`.

    Args:
        clickhouse: where the table is; it stays the caller's to close.
        database: plain name.
        retry: how a failed read is tried again.

    Raises:
        ConfigurationError: the database's name is no identifier.
    """

    def __init__(self, *, clickhouse: ClickHouseAdapter, database: str, retry: RetryPolicy) -> None:
        self._clickhouse = clickhouse
        self._retry = retry
        self._table = f"{quoted_identifier(database)}.{quoted_identifier(TABLE)}"

    def stored(self, symbols: Sequence[str], *, first: str, last: str, priced_from: str) -> dict[str, StoredHours]:
        """What is stored from one hour to another, both inside; a symbol without a row then is left out.

        Empty without a table.

        Args:
            symbols: upper case.
            first: hour key; months before it are not read.
            last: hour key.
            priced_from: hour key; from here on the prices come along.
        """
        statement = (
            "SELECT symbol, groupUniqArray(datetime), max(datetime), argMax(price, (datetime, version)), "  # noqa: S608 - the name is quoted
            "groupArrayIf((datetime, price), datetime >= {priced_from:String}) "
            f"FROM {self._table} WHERE datetime BETWEEN {{first:String}} AND {{last:String}} "
            "AND symbol IN {symbols:Array(String)} GROUP BY symbol"
        )
        found = self._read(statement, symbols, first=first, last=last, priced_from=priced_from)
        return {
            str(symbol): StoredHours(frozenset(hours), str(last), price, dict(priced))  # type: ignore[call-overload,arg-type]  # as the statement says
            for symbol, hours, last, price, priced in found
        }

    def stored_before(self, symbols: Sequence[str], *, first: str) -> set[str]:
        """Those of the symbols that have a row before the hour ``first``. Ask for few: it looks at every month."""
        statement = (
            f"SELECT DISTINCT symbol FROM {self._table} "  # noqa: S608 - the name is quoted
            "WHERE datetime < {first:String} AND symbol IN {symbols:Array(String)}"
        )
        return {str(symbol) for (symbol,) in self._read(statement, symbols, first=first)} if symbols else set()

    def first_hours(self, symbols: Sequence[str]) -> dict[str, str]:
        """The key of the earliest hour with a price; a symbol that was never stored is left out."""
        statement = (
            f"SELECT symbol, min(datetime) FROM {self._table} "  # noqa: S608 - the name is quoted
            "WHERE symbol IN {symbols:Array(String)} GROUP BY symbol"
        )
        return {str(symbol): str(hour) for symbol, hour in self._read(statement, symbols)}

    def _read(self, statement: str, symbols: Sequence[str], **bounds: str) -> list[tuple[object, ...]]:
        parameters = {"symbols": list(symbols), **bounds}
        return self._retry.call(lambda: self._clickhouse.query_if_there(statement, parameters))
