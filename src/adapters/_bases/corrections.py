"""The ledger of corrections: what a table said before an update replaced the price of an hour that was over.

It is written before the update. If a run is killed between the two, the next one finds the same change to make, and
that the ledger has it already. Texts of time are Tehran wall time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from adapters._bases.clickhouse_adapter import ClickHouseAdapter, quoted_name
from adapters._bases.schema import LEDGER, definition


class Correction(NamedTuple):
    """A row of the ledger, without its version."""

    table_name: str
    symbol: str
    datetime: str  # the hour's key
    old_price: float
    new_price: float
    currency: str
    corrected_at: str
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
    """The corrections of a table since some time."""

    total: int = 0
    largest: Sequence[Correction] = ()  # in percent, largest first


def note_corrections(clickhouse: ClickHouseAdapter, database: str, corrections: Sequence[Correction]) -> None:
    """Add corrections of one table, at least one, to its ledger. Idempotent until the next correction of a key."""
    ledger = quoted_name(database, LEDGER)
    ((noted,),) = clickhouse.query(
        # One row, which no break can cut short unnoticed.
        "SELECT groupArray((symbol, datetime, last.1, last.2, last.3)) FROM (SELECT symbol, datetime, "  # noqa: S608 - quoted
        f"argMax((old_price, new_price, run_id), version) AS last FROM {ledger} "
        "WHERE table_name = {table:String} AND symbol IN {symbols:Array(String)} "
        "AND datetime BETWEEN {first:String} AND {last:String} GROUP BY symbol, datetime)",
        {
            "table": corrections[0].table_name,
            "symbols": sorted({one.symbol for one in corrections}),
            "first": min(one.datetime for one in corrections),
            "last": max(one.datetime for one in corrections),
        },
    )
    known = set(map(tuple, noted))
    if new := [one for one in corrections if (*one[1:5], one.run_id) not in known]:
        columns = {name: kind for name, kind in definition(LEDGER).types.items() if name in Correction._fields}
        clickhouse.insert(ledger, columns, new)
