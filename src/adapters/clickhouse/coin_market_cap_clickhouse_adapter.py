"""The repository of prices from CoinMarketCap. Texts of time are Tehran wall time, ``YYYY-MM-DD HH:MM:SS``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple, cast

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.hourly_repository import IN_SPAN, HourlyRepository
from adapters._bases.hourly_table import HourlyTable
from adapters._bases.retry import RetryPolicy
from adapters._bases.topology import AS_FOUND, Replication


class PriceRow(NamedTuple):
    """One price to store.

    The key (symbol, datetime) is not among the fields: the table makes it from `fetched_at`, which an update leaves as
    it is. `updated_at` and `version` are set when the row is written.
    """

    symbol: str
    cmc_id: int
    name: str
    price: float
    volume_24h: float | None
    market_cap: float | None
    percent_change_1h: float | None
    percent_change_24h: float | None
    percent_change_7d: float | None
    cmc_rank: int | None
    currency: str
    endpoint: str
    run_id: str
    source_updated_at: str | None
    fetched_at: str

    @property
    def hour_key(self) -> str:
        """The row's hour, ``YYYY-MM-DD HH:00:00``. The table computes the same key by its own formula."""
        return f"{self.fetched_at[:13]}:00:00"


CRYPTO_PRICES = HourlyTable(
    name="crypto_prices",
    holes="crypto_price_holes",
    row=PriceRow,
    value="price",
    meaning="cmc_id",
    label="name",
    # Historical quotes have no rank: a backfill of stored hours must not remove theirs.
    keeps_known=frozenset({"cmc_rank"}),
)


class StoredQuote(NamedTuple):
    """One stored hour of one symbol: columns of `PriceRow`, and the hour key as `datetime`.

    Attributes:
        price: whatever double is stored, NaN and infinities too.
        taken_at: when the source updated the quote, or else when it was fetched, Tehran wall time.
    """

    symbol: str
    datetime: str
    price: float
    currency: str
    taken_at: str


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


class CoinMarketCapClickHouseAdapter(HourlyRepository):
    """One row for each (symbol, Tehran hour), in `crypto_prices` with the view `crypto_prices_hourly`.

    Its holes, in `crypto_price_holes`, are of the coin that was asked for. Args and errors are those of
    `HourlyRepository`, which has `upsert_prices` and all that is read of any hourly table.
    """

    def __init__(
        self,
        *,
        clickhouse: ClickHouseAdapter,
        database: str,
        retry: RetryPolicy,
        clock: Callable[[], datetime],
        table: HourlyTable = CRYPTO_PRICES,
        replication: Replication = AS_FOUND,
    ) -> None:
        super().__init__(
            table=table, clickhouse=clickhouse, database=database, retry=retry, clock=clock, replication=replication
        )

    def quotes(self, symbols: Sequence[str], *, first: str, last: str) -> list[StoredQuote]:
        """What the view shows of these symbols in a span, by symbol and hour, empty without a view."""
        statement = (
            "SELECT symbol, datetime, price, currency, ifNull(source_updated_at, fetched_at) "  # noqa: S608 - quoted
            f"FROM {self._view} WHERE {IN_SPAN} AND symbol IN {{symbols:Array(String)}} "
            "ORDER BY symbol, datetime"
        )
        found = self._read(statement, symbols=list(symbols), first=first, last=last)
        return [StoredQuote(*cast("tuple[str, str, float, str, str]", row)) for row in found]

    def coins(self, symbols: Sequence[str] = (), *, retry: RetryPolicy | None = None) -> list[StoredCoin]:
        """The coins whose prices are stored under these symbols, or under any, by symbol and first hour.

        Rows without an id, which another program wrote, are left out; empty where there is no table yet.

        Args:
            symbols: upper case; empty for all.
            retry: for a caller who cannot wait as long as the repository's policy; None for that.
        """
        wanted = "AND has({symbols:Array(String)}, symbol) " if symbols else ""
        statement = (
            "SELECT symbol, cmc_id, argMax(name, datetime), min(datetime) AS first, max(datetime), "  # noqa: S608 - quoted
            f"uniqExact(datetime) FROM {self._table} FINAL WHERE cmc_id != 0 {wanted}"
            "GROUP BY symbol, cmc_id ORDER BY symbol, first, cmc_id"
        )
        parameters = {"symbols": list(symbols)} if symbols else {}
        rows = (retry or self._retry).call(lambda: self._clickhouse.query_if_there(statement, parameters))
        return [
            StoredCoin(str(symbol), int(str(cmc_id)), str(name), str(first), str(last), int(str(hours)))
            for symbol, cmc_id, name, first, last, hours in rows
        ]


def latest_of_each(coins: Sequence[StoredCoin]) -> dict[str, StoredCoin]:
    """Symbol to the coin of its latest row."""
    return {coin.symbol: coin for coin in sorted(coins, key=lambda coin: (coin.last, coin.first))}
