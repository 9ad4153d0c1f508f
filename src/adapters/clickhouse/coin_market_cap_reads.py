"""What is stored of a span of hours: prices, hours without a quote, runs. Reads only, and only that span."""

from __future__ import annotations

from typing import NamedTuple, cast

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.retry import RetryPolicy
from adapters.clickhouse import coin_market_cap_holes_adapter as holes_adapter
from adapters.clickhouse import etl_run
from adapters.clickhouse.coin_market_cap_table import TABLE, VIEW
from adapters.clickhouse.etl_run import RunRecord
from adapters.clickhouse.sql_text import quoted_identifier

# An INSERT sets updated_at just before the server makes the version; a later one means another write. The clocks of
# this host and of the server may differ by this much.
_CLOCK_DIFFERENCE_SECONDS = 2

_SELECT_PRICES = (
    "SELECT symbol, datetime, name, price, market_cap, currency, "  # noqa: S608 - the source is quoted
    "ifNull(toUnixTimestamp(toDateTimeOrNull(updated_at, 'Asia/Tehran')) > "
    f"intDiv(version, 1000000000) + {_CLOCK_DIFFERENCE_SECONDS}, 0) "
    "FROM {source} WHERE datetime BETWEEN {{first:String}} AND {{last:String}} ORDER BY symbol, datetime"
)
_SELECT_HOLES = (
    "SELECT DISTINCT symbol, datetime FROM {source} WHERE datetime BETWEEN {{first:String}} AND {{last:String}}"
)
_SELECT_TABLES = "SELECT name FROM system.tables WHERE database = {database:String} AND name IN {names:Array(String)}"


class StoredPrice(NamedTuple):
    """One stored hour of one symbol.

    Attributes:
        symbol: as followed, such as ``BTC``.
        datetime: the hour key, Tehran text.
        name: of the coin.
        price: in `currency`; whatever double is stored, NaN and infinities too.
        market_cap: in `currency`; None when unknown.
        currency: such as ``USD``.
        is_updated: whether the row was written again after its insert.
    """

    symbol: str
    datetime: str
    name: str
    price: float
    market_cap: float | None
    currency: str
    is_updated: bool


class CoinMarketCapReads:
    """Reads of the view `crypto_prices_hourly` and of the tables beside it.

    Every method may raise `StorageUnavailable`, after the retries of `retry`, and `StorageRejected`.

    Args:
        clickhouse: where they are; it stays the caller's to close.
        database: plain name.
        retry: how a failed read is tried again.

    Raises:
        ConfigurationError: the database's name is no identifier.
    """

    def __init__(self, *, clickhouse: ClickHouseAdapter, database: str, retry: RetryPolicy) -> None:
        self._clickhouse = clickhouse
        self._database = database
        self._quoted_database = quoted_identifier(database)
        self._retry = retry

    @property
    def name(self) -> str:
        """The view's name with its database's, for people."""
        return f"{self._database}.{VIEW}"

    def is_ready(self) -> bool:
        """Whether both the table and the view are there."""
        found = self._select(_SELECT_TABLES, {"database": self._database, "names": [TABLE, VIEW]})
        return {TABLE, VIEW} <= {name for (name,) in found}

    def count_rows(self) -> int:
        """How many hours of symbols are stored in all, whatever the span."""
        return int(str(self._select(f"SELECT uniqExact(symbol, datetime) FROM {self._source(TABLE)}", {})[0][0]))  # noqa: S608 - quoted

    def symbols(self, first: str, last: str) -> set[str]:
        """The symbols with anything stored from one hour key to another, both inside."""
        statement = (
            f"SELECT DISTINCT symbol FROM {self._source(TABLE)} "  # noqa: S608 - quoted
            "WHERE datetime BETWEEN {first:String} AND {last:String}"
        )
        return {str(symbol) for (symbol,) in self._select(statement, {"first": first, "last": last})}

    def prices(self, first: str, last: str) -> list[StoredPrice]:
        """What is stored from one hour key to another, both inside, by symbol and hour."""
        rows = self._select(_SELECT_PRICES.format(source=self._source(VIEW)), {"first": first, "last": last})
        return [
            StoredPrice(*cast("tuple[str, str, str, float, float | None, str]", row[:6]), bool(row[6])) for row in rows
        ]

    def holes(self, first: str, last: str) -> frozenset[tuple[str, str]]:
        """(symbol, hour key) of the hours in that span that the source had no quote for; empty if none was noted."""
        statement = _SELECT_HOLES.format(source=self._source(holes_adapter.TABLE))
        rows = self._select_if_there(statement, {"first": first, "last": last})
        return frozenset((str(symbol), str(hour)) for symbol, hour in rows)

    def runs(self, since: str) -> list[RunRecord]:
        """The runs of every job that began at or after a Tehran time, the latest first; empty if none was recorded."""
        names = ", ".join(quoted_identifier(name) for name in RunRecord._fields)
        statement = (
            f"SELECT {names} FROM {self._source(etl_run.TABLE)} "  # noqa: S608 - quoted
            "WHERE started_at >= {since:String} ORDER BY started_at DESC, run_id DESC"
        )
        rows = self._select_if_there(statement, {"since": since})
        return [RunRecord(*row) for row in rows]  # type: ignore[arg-type]  # the columns are those of the record

    def _source(self, name: str) -> str:
        return f"{self._quoted_database}.{quoted_identifier(name)}"

    def _select(self, statement: str, parameters: dict[str, object]) -> list[tuple[object, ...]]:
        return self._retry.call(lambda: self._clickhouse.query(statement, parameters))

    def _select_if_there(self, statement: str, parameters: dict[str, object]) -> list[tuple[object, ...]]:
        return self._retry.call(lambda: self._clickhouse.query_if_there(statement, parameters))
