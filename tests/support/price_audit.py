"""What the table of prices really holds, every row of it, beside what the source has served."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.tehran_time import TEHRAN
from sandbox.coin_market_cap import StandIn
from tests.support.eventually import PATIENCE_SECONDS

Key = tuple[str, str]
Read = Callable[[str], list[list[object]]]
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

    def __init__(self, *, read: Read, database: str, source: StandIn) -> None:
        self._read = read
        self._database = database
        self._source = source

    def rows(self) -> list[StoredPrice]:
        """All of them, by hour and symbol; none when there is no table."""
        there = f"SELECT count() FROM system.tables WHERE database = '{self._database}' AND name = 'crypto_prices'"
        if not int(str(self._read(there)[0][0])):
            return []
        found = self._read(f"SELECT {_COLUMNS} FROM {self._database}.crypto_prices ORDER BY datetime, symbol")
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
        ledger = (
            f"SELECT symbol, datetime, old_price, new_price FROM {self._database}.price_corrections ORDER BY version"
        )
        chains: dict[Key, list[tuple[object, object]]] = {}
        for symbol, hour, old, new in self._read(ledger):
            chains.setdefault((str(symbol), str(hour)), []).append((old, new))
        for key, chain in chains.items():
            assert [old for old, _ in chain[1:]] + [stands[key]] == [new for _, new in chain], key
        assert [key for key, times in Counter(row.key for row in rows).items() if times > 1] == []
        for row in rows:
            updated = datetime.fromisoformat(row.source_updated_at).replace(tzinfo=TEHRAN)
            assert row.price == self._source.market.price(row.cmc_id, updated), row
        assert set(at_least) - stands.keys() == set()


def by_adapter(adapter: ClickHouseAdapter) -> Read:
    return lambda statement: [list(row) for row in adapter.query(statement)]


def by_process(folder: Path) -> Read:
    """Read an embedded engine's folder by a process of its own: a process can have but one such folder open."""

    def read(statement: str) -> list[list[object]]:
        arguments = [sys.executable, "-c", _FOREIGN_PROCESS, str(folder), statement]
        done = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS)
        rows: list[list[object]] = json.loads(done.stdout)["data"]
        return rows

    return read
