"""Looks through the whole stored table for what may never stand there. Reads only."""

from __future__ import annotations

from typing import NamedTuple

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.retry import RetryPolicy
from adapters.clickhouse.coin_market_cap_table import TABLE
from adapters.clickhouse.sql_text import quoted_identifier

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
