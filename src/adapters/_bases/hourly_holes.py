"""The repository of an hourly table whose source has a past: it also remembers the hours that the source lacks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, quoted_identifier
from adapters._bases.columns import columns_of, definitions, types_of
from adapters._bases.hourly_repository import IN_SPAN, HourlyRepository
from adapters._bases.hourly_table import HourlyTable
from adapters._bases.retry import RetryPolicy
from adapters._bases.topology import AS_FOUND, Replication


class HourlyHole(Protocol):
    """An hour for which the source had nothing, a NamedTuple of these fields and those of the pipeline."""

    @property
    def symbol(self) -> str:
        """As in the table of prices."""

    @property
    def datetime(self) -> str:
        """The key of the hour."""

    def __iter__(self) -> Iterator[Any]: ...


HoleT = TypeVar("HoleT", bound=HourlyHole)


class HoledRepository(HourlyRepository, Generic[HoleT]):
    """One row for each (symbol, Tehran hour), and the holes: hours that the source itself had nothing for.

    A hole is of what its symbol meant when the source was asked, such as a coin's id; once the symbol means another
    thing, it no longer counts. Args and errors are those of `HourlyRepository`.

    Attributes:
        hole: the NamedTuple that declares the columns of a hole.
        holes_name: of the table of holes, plain.
        meant: the field of a hole, and the column of the prices, that says what the symbol meant.
    """

    hole: ClassVar[Callable[..., Any]]
    holes_name: ClassVar[str]
    meant: ClassVar[str]

    def __init__(
        self,
        *,
        table: HourlyTable,
        clickhouse: ClickHouseAdapter,
        database: str,
        retry: RetryPolicy,
        clock: Callable[[], datetime],
        replication: Replication = AS_FOUND,
    ) -> None:
        self._holes = f"{quoted_identifier(database)}.{quoted_identifier(self.holes_name)}"
        super().__init__(
            table=table,
            clickhouse=clickhouse,
            database=database,
            retry=retry,
            clock=clock,
            replication=replication,
            beside={self.holes_name: create_holes_statement(self._holes, self.hole)},  # dashboards join it
        )

    def note_holes(self, holes: Sequence[HoleT]) -> None:
        """Remember holes, and make their table where it is missing. Idempotent."""
        if holes:
            self._retry.call(lambda: self._note_holes(holes))

    def holes(self, symbols: Sequence[str], *, first: str, last: str) -> list[HoleT]:
        """The noted holes of these symbols in a span, by symbol and hour."""
        names = ", ".join(map(quoted_identifier, types_of(self.hole)))
        statement = (
            f"SELECT {names} FROM {self._holes} FINAL "  # noqa: S608 - quoted
            f"WHERE {IN_SPAN} AND symbol IN {{symbols:Array(String)}} ORDER BY symbol, datetime"
        )
        found = self._read(statement, symbols=list(symbols), first=first, last=last)
        return [self.hole(*row) for row in found]

    def holes_by_symbol(
        self, symbols: Sequence[str], *, first: str, last: str, meant: Mapping[str, object] | None = None
    ) -> dict[str, set[str]]:
        """Symbol to its holes in a span, without those of what the symbol no longer means.

        Args:
            meant: what each symbol means; None for what is stored last under it.
        """
        noted = self.holes(symbols, first=first, last=last)
        means = self._last_meant({hole.symbol for hole in noted}) if meant is None else meant
        found: dict[str, set[str]] = {}
        for hole in noted:
            if getattr(hole, self.meant) == means.get(hole.symbol):
                found.setdefault(hole.symbol, set()).add(hole.datetime)
        return found

    def _last_meant(self, symbols: Collection[str]) -> dict[str, object]:
        """What was meant last by each of these symbols, of those that were ever stored."""
        statement = (
            f"SELECT symbol, argMax({quoted_identifier(self.meant)}, (datetime, version)) "  # noqa: S608 - quoted
            f"FROM {self._schema.table} WHERE symbol IN {{symbols:Array(String)}} GROUP BY symbol"
        )
        found = self._read(statement, symbols=sorted(symbols)) if symbols else []
        return {str(symbol): meant for symbol, meant in found}

    def _note_holes(self, holes: Sequence[HoleT]) -> None:
        self._schema.ensure_beside()
        self._clickhouse.insert(self._holes, types_of(self.hole), [tuple(hole) for hole in holes])


def create_holes_statement(table: str, hole: Callable[..., object]) -> str:
    """The CREATE TABLE IF NOT EXISTS of holes.

    Args:
        table: quoted, with its database.
        hole: the NamedTuple that declares the columns.
    """
    return (
        f"CREATE TABLE IF NOT EXISTS {table}\n(\n    {definitions(columns_of(hole))}\n)\n"
        "ENGINE = ReplacingMergeTree\nORDER BY (symbol, datetime)\n"
        "COMMENT 'Hours for which the source itself had no quote'"
    )
