"""What the table of prices really holds, every row of it, beside what the source has served."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from adapters._bases.tehran_time import TEHRAN
from sandbox.coin_market_cap import StandIn
from tests.support.price_table import Sql
from tests.support.process import run_program

Key = tuple[str, str]
_COLUMNS = "symbol, datetime, cmc_id, price, source_updated_at"
_FOREIGN_PROCESS = """
import chdb, sys
connection = chdb.connect(sys.argv[1])
print(connection.query(sys.argv[2], "JSONCompact"))
"""


class StoredPrice(NamedTuple):
    symbol: str
    hour: str
    cmc_id: int
    price: float
    source_updated_at: str

    @property
    def key(self) -> Key:
        return self.symbol, self.hour


class PriceAudit:
    """The rows, read past the view, so that a doubled one shows; `source` served their prices."""

    def __init__(self, *, sql: Sql, source: StandIn) -> None:
        self._sql = sql
        self._source = source

    def rows(self) -> list[StoredPrice]:
        """All of them, by hour and symbol; none when there is no table."""
        if int(str(self._sql("EXISTS TABLE crypto.crypto_prices")[0][0])) == 0:
            return []
        found = self._sql(f"SELECT {_COLUMNS} FROM crypto.crypto_prices ORDER BY datetime, symbol")
        return [StoredPrice(str(s), str(h), int(str(i)), float(str(p)), str(u)) for s, h, i, p, u in found]

    def keys(self) -> set[Key]:
        return {row.key for row in self.rows()}

    def assert_right(self, number: int | None = None, *, at_least: Iterable[Key] = ()) -> None:
        """Each key stands exactly once, at the very price that the source served, and these keys are there.

        Its corrections lead to that price one by one, each once. There are so many rows, if a number is given.
        """
        rows = self.rows()
        assert number in (None, len(rows)), rows
        stands = {row.key: row.price for row in rows}
        ledger = "SELECT symbol, datetime, old_price, new_price FROM crypto.price_corrections ORDER BY version"
        chains: dict[Key, list[tuple[object, object]]] = {}
        for symbol, hour, old, new in self._sql(ledger):
            chains.setdefault((str(symbol), str(hour)), []).append((old, new))
        for key, chain in chains.items():
            assert [old for old, _ in chain[1:]] + [stands[key]] == [new for _, new in chain], key
        assert [key for key, times in Counter(row.key for row in rows).items() if times > 1] == []
        for row in rows:
            updated = datetime.fromisoformat(row.source_updated_at).replace(tzinfo=TEHRAN)
            assert row.price == self._source.market.price(row.cmc_id, updated), row
        assert set(at_least) - stands.keys() == set()


def by_process(folder: Path) -> Sql:
    """Read an embedded engine's folder by a process of its own: a process can have but one such folder open."""

    def read(statement: str) -> list[tuple[object, ...]]:
        done = run_program(sys.executable, "-c", _FOREIGN_PROCESS, folder, statement)
        return [tuple(row) for row in json.loads(done.stdout)["data"]]

    return read
