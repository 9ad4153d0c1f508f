"""The repository of holes: hours for which CoinMarketCap itself had no quote of a coin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.retry import RetryPolicy
from adapters.clickhouse.sql_text import quoted_identifier

TABLE = "crypto_price_holes"

_SELECT_TABLE = "SELECT name FROM system.tables WHERE database = {database:String} AND name = {name:String}"


class Hole(NamedTuple):
    """An hour without a quote; its fields are the table's columns. Texts of time are Tehran wall time.

    Attributes:
        symbol: upper case.
        datetime: the hour's key.
        cmc_id: the coin that was asked for under the symbol.
        noted_at: when this was found.
        run_id: the run that found it.
    """

    symbol: str
    datetime: str
    cmc_id: int
    noted_at: str
    run_id: str


class CoinMarketCapHolesAdapter:
    """Remembers holes. Every method may raise `StorageUnavailable`, after the retries, and `StorageRejected`.

    A hole is a note, not a verdict: a price stored later for its hour is a price like any other.

    Args:
        clickhouse: where the table is; it stays the caller's to close.
        database: plain name.
        retry: how a failed step is tried again.

    Raises:
        ConfigurationError: the database's name is no identifier.
    """

    def __init__(self, *, clickhouse: ClickHouseAdapter, database: str, retry: RetryPolicy) -> None:
        self._clickhouse = clickhouse
        self._retry = retry
        self._database = database
        self._quoted_database = quoted_identifier(database)
        self._table = f"{self._quoted_database}.{quoted_identifier(TABLE)}"

    def ensure_ready(self) -> None:
        """Make the table where it is missing; harmless to repeat, and one SELECT where it is there."""
        self._retry.call(self._ensure_ready)

    def note(self, holes: Sequence[Hole]) -> None:
        """Remember holes, the table made where it is missing. Harmless to repeat."""
        if holes:
            self._retry.call(lambda: self._note(holes))

    def known(self, symbols: Sequence[str], *, first: str, last: str) -> list[Hole]:
        """The holes from the hour ``first`` to the hour ``last``, both inside, by symbol and hour.

        Args:
            symbols: those asked about; empty for all.
            first: hour key.
            last: hour key.
        """
        return self._retry.call(lambda: self._known(symbols, first, last))

    def _ensure_ready(self) -> None:
        # Looked at first: to make what is there already takes a right that a user who only writes rows may not have.
        if self._clickhouse.query(_SELECT_TABLE, {"database": self._database, "name": TABLE}):
            return
        self._clickhouse.command(f"CREATE DATABASE IF NOT EXISTS {self._quoted_database}")
        self._clickhouse.command(
            f"CREATE TABLE IF NOT EXISTS {self._table}\n(\n"
            "    symbol String COMMENT 'Ticker, as in crypto_prices',\n"
            "    datetime String COMMENT 'Start of the hour without a quote, Tehran wall time',\n"
            "    cmc_id UInt64 COMMENT 'Coin that was asked for under the ticker',\n"
            "    noted_at String COMMENT 'When it was found, Tehran wall time',\n"
            "    run_id String COMMENT 'Run that found it'\n)\n"
            "ENGINE = ReplacingMergeTree\nORDER BY (symbol, datetime)\n"
            "COMMENT 'Hours for which the source itself had no quote'"
        )

    def _note(self, holes: Sequence[Hole]) -> None:
        self._ensure_ready()
        self._clickhouse.insert(self._table, Hole._fields, holes)

    def _known(self, symbols: Sequence[str], first: str, last: str) -> list[Hole]:
        statement = (
            f"SELECT {', '.join(Hole._fields)} FROM {self._table} FINAL "  # noqa: S608 - the name is quoted
            "WHERE (empty({symbols:Array(String)}) OR has({symbols:Array(String)}, symbol)) "
            "AND datetime BETWEEN {first:String} AND {last:String} "
            "ORDER BY symbol, datetime"
        )
        parameters = {"symbols": list(symbols), "first": first, "last": last}
        found = self._clickhouse.query_if_there(statement, parameters)
        return [Hole(*row) for row in found]  # type: ignore[arg-type]  # the columns are those of the hole
