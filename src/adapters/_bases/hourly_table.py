"""A table with one row for each (symbol, Tehran hour), and what is read from it.

Of rows that were inserted beside each other, such as by hand, the one with the highest version counts, which the
server's clock makes. On a single server a later write rewrites all rows of its key in place, so it wins even after a
clock stepped back. On replicas it is inserted beside the stored row, with a version above that one's: a mutation can be
refused, hang or skip rows there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol, TypeVar

from adapters._bases.sql_files import PRICE_VIEWS, SQL_FOLDER, definition

SORTING_KEY = ("symbol", "datetime", "fetched_at")
NEW_VERSION = "toUInt64(toUnixTimestamp64Nano(now64(9)))"
"""The version of a row that is inserted now, in SQL."""
# An INSERT sets updated_at just before the server makes the version, so a later one means another write. The clocks of
# this host and of the server may differ by two seconds.
IS_UPDATED = (
    "toBool(ifNull(toUnixTimestamp(toDateTimeOrNull(updated_at, 'Asia/Tehran')) > intDiv(version, 1000000000) + 2, 0))"
)

Key = tuple[str, str]
"""(symbol, hour)"""
_Row = TypeVar("_Row", bound="HourlyRow")


class HourlyRow(Protocol):
    """A row to store: a NamedTuple of these fields and the pipeline's own, in the order of the table's columns."""

    @property
    def symbol(self) -> str: ...
    @property
    def fetched_at(self) -> str: ...  # when it was observed, Tehran wall time, ``YYYY-MM-DD HH:MM:SS``
    def __iter__(self) -> Iterator[Any]: ...
    def _asdict(self) -> dict[str, Any]: ...
    def _replace(self: _Row, *args: Any, **kwargs: Any) -> _Row: ...


def key_of(row: HourlyRow) -> Key:
    """The key of a row: the hour is that of `fetched_at`. The table computes it by its own formula."""
    return row.symbol, f"{row.fetched_at[:13]}:00:00"


class Hole(NamedTuple):
    """An hour for which the source had nothing. Only a note: a price stored later counts."""

    symbol: str
    datetime: str  # the hour's key
    meaning: object  # what the symbol meant when the source was asked, such as a coin's id
    noted_at: str  # Tehran wall time of the first finding; once it is certain, " and " that of the second
    run_id: str

    @property
    def is_certain(self) -> bool:
        """Whether a second run, at least a day after the first, found the same; until then the hour is missing."""
        return " and " in self.noted_at


class StoredHours(NamedTuple):
    hours: frozenset[str]  # the keys that have a row
    last_hour: str
    last_value: float | None  # None if it is not finite, as in `values`
    values: dict[str, float | None]  # hour key to value, of the hours requested with their values


class StoredPrice(NamedTuple):
    symbol: str
    datetime: str  # the hour key
    name: str  # what the symbol stands for, as users know it, such as a pair
    price: float  # the table's value, NaN and infinities included
    # What the table does not have is None or empty.
    market_cap: float | None = None
    currency: str = ""
    low: float | None = None  # of the hour's trades
    high: float | None = None
    taken_at: str = ""  # when the source updated it, or else when it was fetched, Tehran wall time
    is_updated: bool = False  # whether the row was written again after its insert


class StoredMeaning(NamedTuple):
    """A coin or pair whose prices are stored under a symbol."""

    symbol: str
    meaning: object  # its id or name at the source
    label: str  # the name that users know it by, in the latest of its rows
    first: str  # hour key of its first row
    last: str  # of its last one
    hours: int


class Correction(NamedTuple):
    """A row of the ledger of corrections, without its version: what an update replaced once the hour was over.

    It is written before the update. If a run is killed between the two, the next one finds the same change to make, and
    that the ledger has it already.
    """

    table_name: str
    symbol: str
    datetime: str  # the hour's key
    old_price: float
    new_price: float
    currency: str
    corrected_at: str  # Tehran wall time
    run_id: str  # of the run that made the change
    old_endpoint: str
    new_endpoint: str

    @property
    def percent(self) -> float:
        """How far the new price is above the old one; infinite if that was zero."""
        return (self.new_price / self.old_price - 1) * 100 if self.old_price else float("inf")

    def __str__(self) -> str:
        change = f"{self.old_price:.8g} to {self.new_price:.8g} {self.currency} ({self.percent:+.2f} %)"
        return f"{self.symbol} {self.datetime[:16]}: {change}, at {self.corrected_at[:16]} by run {self.run_id}"


class Corrections(NamedTuple):
    total: int
    largest: Sequence[Correction]  # in percent, largest first


class Wrong(NamedTuple):
    symbol: str
    hour: str
    detail: str

    def __str__(self) -> str:
        return f"{self.symbol} {self.hour}: {self.detail}"


class Defects(NamedTuple):
    """At most `MOST_FOUND` wrong rows, and the statement with which an operator removes them."""

    rows: list[Wrong]
    repair: str


@dataclass(frozen=True)
class HourlyTable:
    """What a pipeline stores: its columns are those of the file NAME.sql, its views of NAME_hourly.sql and so on."""

    name: str
    holes: str  # name of the table of holes
    row: Callable[..., HourlyRow]  # makes a row of the columns that `given` names; a NamedTuple
    value: str  # the column that the table is for, such as ``price``: what `status` shows and `verify` checks
    meaning: str  # the column that says what a symbol means at the source, such as ``cmc_id``; holes have it too
    label: str  # the column with the name that users know it by
    has_price_views: bool = False  # whether its views are those of sql/prices too; it has the columns they name
    renames: str = ""  # name of the table of symbols whose meaning got another one; empty if there is none
    lists: str = ""  # the table whose rows say which coins a list of the largest held, hour by hour; empty for none
    more_views: tuple[str, ...] = ()  # names of further views
    completed_by: str = ""  # a column that is NULL until the hour is over; empty if a row is complete at once
    # Columns in which NULL keeps the stored value, because not every call returns them.
    keeps_known: frozenset[str] = frozenset()

    @cached_property
    def given(self) -> tuple[str, ...]:
        return tuple(name for name in definition(self.name).stored if name not in ("updated_at", "version"))

    @cached_property
    def compared(self) -> tuple[str, ...]:
        """The columns that make a row differ: all outside the sorting key but the run and the time of writing."""
        return tuple(name for name in self.given if name not in (*SORTING_KEY, "run_id"))

    @property
    def is_traded(self) -> str:
        """Whether the hour of a row had trades, in SQL, as far as that is known."""
        return "ifNull(trades, 1) > 0" if "trades" in self.given else "1"

    @property
    def beside(self) -> tuple[str, ...]:
        """The names of the tables that are made together with it."""
        return tuple(filter(None, (self.holes, self.renames)))

    @cached_property
    def views(self) -> tuple[str, ...]:
        """The names of the views that are defined; each reads only those before it."""
        shared = PRICE_VIEWS if self.has_price_views else ()
        names = {kind: f"{self.name}_{kind}" for kind in ("hourly", "absences", *PRICE_VIEWS)}
        own = [name for kind, name in names.items() if kind in shared or (SQL_FOLDER / f"{name}.sql").is_file()]
        return (*own, *self.more_views)
