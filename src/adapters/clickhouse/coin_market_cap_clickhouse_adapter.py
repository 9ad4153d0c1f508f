"""The repository of CoinMarketCap prices."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, cast

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, quoted_identifier
from adapters._bases.columns import types_of
from adapters._bases.hourly_repository import IN_SPAN, HourlyRepository
from adapters._bases.hourly_table import HourlyTable
from adapters._bases.retry import RetryPolicy
from adapters._bases.topology import AS_FOUND, Replication
from adapters.clickhouse.coin_market_cap_table import CRYPTO_PRICES, HOLES, Hole, create_holes_statement

# An INSERT sets updated_at just before the server makes the version, so a later one means another write. The clocks of
# this host and of the server may differ by this much.
_CLOCK_DIFFERENCE_SECONDS = 2
_IS_UPDATED = (
    "ifNull(toUnixTimestamp(toDateTimeOrNull(updated_at, 'Asia/Tehran')) > "
    f"intDiv(version, 1000000000) + {_CLOCK_DIFFERENCE_SECONDS}, 0)"
)


class StoredPrice(NamedTuple):
    """One stored hour of one symbol: columns of `PriceRow`, and the hour key as `datetime`.

    Attributes:
        price: whatever double is stored, NaN and infinities too.
        is_updated: whether the row was written again after its insert.
    """

    symbol: str
    datetime: str
    name: str
    price: float
    market_cap: float | None
    currency: str
    is_updated: bool


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

    It also remembers holes: hours that the source itself had no quote for, in `crypto_price_holes`. Args and errors are
    those of `HourlyRepository`, which has `upsert_prices` and all that is read of any hourly table.
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
        self._holes = f"{quoted_identifier(database)}.{quoted_identifier(HOLES)}"
        super().__init__(
            table=table,
            clickhouse=clickhouse,
            database=database,
            retry=retry,
            clock=clock,
            replication=replication,
            beside={HOLES: create_holes_statement(self._holes)},  # dashboards join it
        )

    def note_holes(self, holes: Sequence[Hole]) -> None:
        """Remember holes, and make their table where it is missing. Idempotent."""
        if holes:
            self._retry.call(lambda: self._note_holes(holes))

    def holes(self, symbols: Sequence[str], *, first: str, last: str) -> list[Hole]:
        """The noted holes of these symbols in a span, by symbol and hour."""
        statement = (
            f"SELECT {', '.join(Hole._fields)} FROM {self._holes} FINAL "  # noqa: S608 - quoted
            f"WHERE {IN_SPAN} AND symbol IN {{symbols:Array(String)}} ORDER BY symbol, datetime"
        )
        found = self._read(statement, symbols=list(symbols), first=first, last=last)
        return [Hole(*row) for row in found]  # type: ignore[arg-type]  # the columns are those of the hole

    def holes_by_symbol(
        self, symbols: Sequence[str], *, first: str, last: str, coins: Mapping[str, int] | None = None
    ) -> dict[str, set[str]]:
        """Symbol to its holes in a span, without those of a coin that the symbol no longer means.

        Args:
            coins: the coin that each symbol means; None for the one stored last under it.
        """
        noted = self.holes(symbols, first=first, last=last)
        meant = self._last_coins({hole.symbol for hole in noted}) if coins is None else coins
        found: dict[str, set[str]] = {}
        for hole in noted:
            if hole.cmc_id == meant.get(hole.symbol):
                found.setdefault(hole.symbol, set()).add(hole.datetime)
        return found

    def prices(self, *, first: str, last: str) -> list[StoredPrice]:
        """What the view shows of a span, by symbol and hour, empty without a view."""
        statement = (
            f"SELECT symbol, datetime, name, price, market_cap, currency, {_IS_UPDATED} "  # noqa: S608 - quoted
            f"FROM {self._schema.view} WHERE {IN_SPAN} ORDER BY symbol, datetime"
        )
        rows = self._read(statement, first=first, last=last)
        return [
            StoredPrice(*cast("tuple[str, str, str, float, float | None, str]", row[:6]), bool(row[6])) for row in rows
        ]

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
            f"uniqExact(datetime) FROM {self._schema.table} FINAL WHERE cmc_id != 0 {wanted}"
            "GROUP BY symbol, cmc_id ORDER BY symbol, first, cmc_id"
        )
        parameters = {"symbols": list(symbols)} if symbols else {}
        rows = (retry or self._retry).call(lambda: self._clickhouse.query_if_there(statement, parameters))
        return [
            StoredCoin(str(symbol), int(str(cmc_id)), str(name), str(first), str(last), int(str(hours)))
            for symbol, cmc_id, name, first, last, hours in rows
        ]

    def _last_coins(self, symbols: Collection[str]) -> dict[str, int]:
        """The coin stored last under each of these symbols, of those that were ever stored."""
        statement = (
            f"SELECT symbol, argMax(cmc_id, (datetime, version)) FROM {self._schema.table} "  # noqa: S608 - quoted
            "WHERE symbol IN {symbols:Array(String)} GROUP BY symbol"
        )
        found = self._read(statement, symbols=sorted(symbols)) if symbols else []
        return {str(symbol): int(str(coin)) for symbol, coin in found}

    def _note_holes(self, holes: Sequence[Hole]) -> None:
        self._schema.ensure_beside()
        self._clickhouse.insert(self._holes, types_of(Hole), list(holes))


def latest_of_each(coins: Sequence[StoredCoin]) -> dict[str, StoredCoin]:
    """Symbol to the coin of its latest row."""
    return {coin.symbol: coin for coin in sorted(coins, key=lambda coin: (coin.last, coin.first))}
