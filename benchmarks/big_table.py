"""A table of prices of any size, made inside the database, and rows to upsert into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.embedded_engine import EmbeddedEngine
from adapters._bases.retry import RetryPolicy
from adapters._bases.tehran_time import tehran_text
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from adapters.clickhouse.coin_market_cap_table import PriceRow

LAST_HOUR = datetime(2026, 11, 23, 8, 30, tzinfo=timezone.utc)
"""The newest hour of every table: 12:00 in Tehran. Aware."""
_QUERY_SECONDS = 3600.0
_HOUR = timedelta(hours=1)
_HOURS_A_STATEMENT = 720


class RecordingAdapter(ClickHouseAdapter):
    """Keeps the last ALTER that went through it, so that it can be sent again in other forms."""

    last_alter = ""

    def command(self, sql: str, settings: Mapping[str, object] | None = None) -> None:
        """As in the base class."""
        if sql.startswith("ALTER"):
            self.last_alter = sql
        super().command(sql, settings)


class BigTable(NamedTuple):
    """A table that holds `symbols` coins, each at the `hours` hours up to `LAST_HOUR`.

    Attributes:
        repository: of the table.
        clickhouse: where it is.
        database: the database it is in.
        symbols: coins, named ``S0000`` and so on.
        hours: hours of each.
    """

    repository: CoinMarketCapClickHouseAdapter
    clickhouse: RecordingAdapter
    database: str
    symbols: int
    hours: int

    @property
    def table(self) -> str:
        """The table's name as in SQL."""
        return f"`{self.database}`.`crypto_prices`"

    @property
    def view(self) -> str:
        """The view's name as in SQL."""
        return f"`{self.database}`.`crypto_prices_hourly`"

    def rows(self, *, symbols: int, hours: int, price: float, ahead: int = 0) -> list[PriceRow]:
        """Rows of the first `symbols` coins at the last `hours` hours.

        Args:
            symbols: how many coins.
            hours: how many hours.
            price: of the first coin; the others' are near it.
            ahead: how many hours after the newest one of the table the last of them is; above 0 the keys are new.
        """
        moments = [tehran_text(LAST_HOUR + _HOUR * (ahead - back)) for back in range(hours)]
        return [_row(number, moment, price) for number in range(symbols) for moment in moments]


@contextmanager
def engine(folder: Path) -> Iterator[RecordingAdapter]:
    """The embedded engine on a folder; a process can have but one open at a time."""
    adapter = RecordingAdapter(
        address=EmbeddedEngine(folder),
        connect_timeout_seconds=_QUERY_SECONDS,
        query_timeout_seconds=_QUERY_SECONDS,
    )
    with adapter:
        yield adapter


def make_table(clickhouse: RecordingAdapter, *, database: str, symbols: int, hours: int) -> BigTable:
    """A fresh table of ``symbols * hours`` rows; what a database of that name held before is gone."""
    clickhouse.command(f"DROP DATABASE IF EXISTS `{database}` SYNC")
    table = open_table(clickhouse, database=database, symbols=symbols, hours=hours)
    table.repository.ensure_ready()
    # Month by month, as the hours come in: a part holds at most a month.
    for start in range(0, hours, _HOURS_A_STATEMENT):
        count = min(_HOURS_A_STATEMENT, hours - start)
        clickhouse.command(_filling(table, first=LAST_HOUR - _HOUR * (hours - 1 - start), hours=count))
    return table


def open_table(
    clickhouse: RecordingAdapter,
    *,
    database: str,
    symbols: int,
    hours: int,
    clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
) -> BigTable:
    """A table that `make_table` made before."""
    repository = CoinMarketCapClickHouseAdapter(
        clickhouse=clickhouse, database=database, retry=RetryPolicy(attempts=1), clock=clock
    )
    return BigTable(repository, clickhouse, database, symbols, hours)


def _filling(table: BigTable, *, first: datetime, hours: int) -> str:
    """INSERT of one hour after another for every coin, from the hour `first` on."""
    start = f"toDateTime('{tehran_text(first)}', 'UTC')"  # the text is Tehran wall time; UTC only counts it on
    return (
        f"INSERT INTO {table.table} (symbol, cmc_id, name, price, volume_24h, market_cap, percent_change_1h, "
        "percent_change_24h, percent_change_7d, cmc_rank, currency, endpoint, run_id, source_updated_at, fetched_at, "
        "updated_at) SELECT coin, 1 + place, concat('Coin ', coin), amount, amount * 1e6, amount * 2e7, amount % 7, "
        "amount % 11, amount % 13, NULL, 'USD', 'historical', 'made', moment, moment, moment FROM ("
        f"SELECT intDiv(number, {hours}) AS place, concat('S', leftPad(toString(place), 4, '0')) AS coin, "
        "1 + sipHash64(number) % 1000000 / 1000 AS amount, "
        f"formatDateTime({start} + 3600 * (number % {hours}), '%Y-%m-%d %H:%i:%S', 'UTC') AS moment "
        f"FROM numbers({table.symbols * hours}))"
    )


def _row(number: int, moment: str, price: float) -> PriceRow:
    own = price + number / 1000
    return PriceRow(
        symbol=f"S{number:04d}",
        cmc_id=1 + number,
        name=f"Coin S{number:04d}",
        price=own,
        volume_24h=own * 1e6,
        market_cap=own * 2e7,
        percent_change_1h=own % 7,
        percent_change_24h=own % 11,
        percent_change_7d=own % 13,
        cmc_rank=None,
        currency="USD",
        endpoint="historical",
        run_id="bench",
        source_updated_at=moment,
        fetched_at=moment,
    )
