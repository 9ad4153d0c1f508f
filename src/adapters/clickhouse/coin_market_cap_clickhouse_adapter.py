"""The repository of CoinMarketCap prices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple, cast

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, quoted_identifier
from adapters._bases.hourly_repository import HourlyRepository
from adapters._bases.hourly_table import HourlyTable
from adapters._bases.hourly_upsert import UpsertReport
from adapters._bases.retry import RetryPolicy
from adapters.clickhouse.coin_market_cap_table import CRYPTO_PRICES, TABLE, VIEW, PriceRow
from adapters.clickhouse.etl_runs_clickhouse_adapter import TABLE as RUNS
from adapters.clickhouse.etl_runs_clickhouse_adapter import RunRecord

HOLES = "crypto_price_holes"

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
        self._table = f"{self._quoted_database}.{quoted_identifier(HOLES)}"

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
        if self._clickhouse.query(_SELECT_TABLE, {"database": self._database, "name": HOLES}):
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
        statement = _SELECT_HOLES.format(source=self._source(HOLES))
        rows = self._select_if_there(statement, {"first": first, "last": last})
        return frozenset((str(symbol), str(hour)) for symbol, hour in rows)

    def runs(self, since: str) -> list[RunRecord]:
        """The runs of every job that began at or after a Tehran time, the latest first; empty if none was recorded."""
        names = ", ".join(quoted_identifier(name) for name in RunRecord._fields)
        statement = (
            f"SELECT {names} FROM {self._source(RUNS)} "  # noqa: S608 - quoted
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


ABSURD_FACTOR = 100
"""How many times a price may be above or below what its neighbours say."""
NEIGHBOURS = 2
"""How many stored hours on either side a price is compared with, by the median of all, itself among them."""
MOST_FOUND = 10_000
"""How many wrong things of a kind are looked for; where as many are found, there may be more."""
_FORM = "'%Y-%m-%d %H:%i:%s'"
_ALONG_HOURS = "PARTITION BY symbol ORDER BY datetime ROWS BETWEEN"


class Wrong(NamedTuple):
    """A key at which something is wrong.

    Attributes:
        symbol: of the key.
        hour: of the key, Tehran wall time.
        detail: what is wrong there, in some words.
    """

    symbol: str
    hour: str
    detail: str


class CoinMarketCapChecksAdapter:
    """Finds wrong rows, at most `MOST_FOUND` of a kind.

    Every method may raise `StorageUnavailable` and `StorageRejected`.

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

    def duplicate_keys(self) -> list[Wrong]:
        """Keys with more than one row, whether or not a merge or the view would hide it."""
        return self._wrong(
            f"SELECT symbol, datetime, concat(toString(count()), ' rows') FROM {self._table} "  # noqa: S608 - quoted
            "GROUP BY symbol, datetime HAVING count() > 1 ORDER BY symbol, datetime "
            f"LIMIT {MOST_FOUND} SETTINGS optimize_aggregation_in_order = 1"
        )

    def wrong_keys(self) -> list[Wrong]:
        """Rows whose key is not the hour of their ``fetched_at``, or whose ``fetched_at`` is no time."""
        return self._wrong(
            f"SELECT symbol, datetime, concat('fetched_at is ', fetched_at) FROM {self._table} "  # noqa: S608 - quoted
            "WHERE datetime != concat(substring(fetched_at, 1, 13), ':00:00') "
            f"OR isNull(parseDateTimeOrNull(fetched_at, {_FORM}, 'UTC')) "
            f"ORDER BY symbol, datetime LIMIT {MOST_FOUND}"
        )

    def absurd_prices(self) -> list[Wrong]:
        """Prices that are NULL, zero, negative, not finite, or `ABSURD_FACTOR` times off their neighbours' median.

        A NULL can stand in a column of another type only, which `HourlySchema.differences` tells as well.
        """
        neighbours = f"OVER ({_ALONG_HOURS} {NEIGHBOURS} PRECEDING AND {NEIGHBOURS} FOLLOWING)"
        return self._wrong(
            "SELECT symbol, datetime, concat('price ', ifNull(toString(price), 'NULL'), "  # noqa: S608 - quoted
            "if(isFinite(price) AND price > 0, concat(', its neighbours say about ', toString(around)), '')) "
            f"FROM (SELECT symbol, datetime, price, medianExact(price) {neighbours} AS around FROM {self._table}) "
            "WHERE isNull(price) OR NOT isFinite(price) OR price <= 0 "
            f"OR (around > 0 AND (price > {ABSURD_FACTOR} * around OR price * {ABSURD_FACTOR} < around)) "
            f"ORDER BY symbol, datetime LIMIT {MOST_FOUND}"
        )

    def future_rows(self, *, present: str) -> list[Wrong]:
        """Rows of hours after the one whose key is ``present``."""
        return self._wrong(
            f"SELECT symbol, datetime, concat('fetched_at is ', fetched_at) FROM {self._table} "  # noqa: S608 - quoted
            f"WHERE datetime > {{present:String}} ORDER BY symbol, datetime LIMIT {MOST_FOUND}",
            present=present,
        )

    def breaks(self, *, last: str) -> list[tuple[str, str, str]]:
        """Where a symbol's hours break off: symbol, the last hour before, the first hour after; by wall clock.

        Args:
            last: hour key; rows after it are left out, as are those whose key is no time: other checks name them.
        """
        previous = f"OVER ({_ALONG_HOURS} 1 PRECEDING AND CURRENT ROW)"
        statement = (
            "SELECT symbol, before, datetime FROM "  # noqa: S608 - quoted
            f"(SELECT symbol, datetime, lagInFrame(datetime, 1, '') {previous} AS before FROM {self._table} "
            f"WHERE datetime <= {{last:String}} AND isNotNull(parseDateTimeOrNull(datetime, {_FORM}, 'UTC'))) "
            f"WHERE before != '' AND dateDiff('hour', parseDateTime(before, {_FORM}, 'UTC'), "
            f"parseDateTime(datetime, {_FORM}, 'UTC')) > 1 "
            f"ORDER BY symbol, datetime LIMIT {MOST_FOUND}"
        )
        found = self._retry.call(lambda: self._clickhouse.query(statement, {"last": last}))
        return [(str(symbol), str(before), str(after)) for symbol, before, after in found]

    def _wrong(self, statement: str, **parameters: str) -> list[Wrong]:
        found = self._retry.call(lambda: self._clickhouse.query(statement, parameters))
        return [Wrong(str(symbol), str(hour), str(detail)) for symbol, hour, detail in found]


class CoinMarketCapClickHouseAdapter(HourlyRepository):
    """One row for each (symbol, Tehran hour), in `crypto_prices`; read it through the view `crypto_prices_hourly`.

    Args and errors are those of `HourlyRepository`.
    """

    def __init__(
        self,
        *,
        clickhouse: ClickHouseAdapter,
        database: str,
        retry: RetryPolicy,
        clock: Callable[[], datetime],
        table: HourlyTable = CRYPTO_PRICES,
    ) -> None:
        super().__init__(table=table, clickhouse=clickhouse, database=database, retry=retry, clock=clock)
        self._holes = CoinMarketCapHolesAdapter(clickhouse=clickhouse, database=database, retry=retry)

    def ensure_ready(self) -> None:
        """Make the table and its view where they are missing, and the table of holes, which dashboards join them with.

        As `HourlyRepository.ensure_ready`, which says what is raised.
        """
        super().ensure_ready()
        self._holes.ensure_ready()

    def upsert_prices(self, rows: Iterable[PriceRow], target_hour: datetime | None = None) -> UpsertReport:
        """Store prices by their keys (symbol, hour): `HourlyRepository.upsert`."""
        return self.upsert(rows, target_hour)
