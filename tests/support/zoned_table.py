"""A program: a table in an embedded engine of its own, which takes times and tells the keys the table makes of them.

Arguments: the folder. Started with the variable TZ, which is where the engine takes its zone from. Standard input is a
JSON array of `fetched_at`; standard output the server's zone and pairs of `datetime` and `date`, in their order.
"""

from __future__ import annotations

import json
import sys
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import clickhouse_connect

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.embedded_engine import EmbeddedEngine
from adapters._bases.retry import RetryPolicy
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from tests.support.price_table import rows_in, typed


def main(folder: Path) -> None:
    door = ClickHouseAdapter(address=EmbeddedEngine(folder), connect_timeout_seconds=5, query_timeout_seconds=60)
    # Before the adapter, which starts an engine in UTC: this one's zone is the variable's, as a server has its own.
    with clickhouse_connect.get_client(interface="chdb", path=str(folder)), closing(door):
        repository = CoinMarketCapClickHouseAdapter(
            clickhouse=door, database="zoned", retry=RetryPolicy(), clock=lambda: datetime.now(timezone.utc)
        )
        repository.ensure_ready()
        rows = [(f"S{number:06}", time, 1.0) for number, time in enumerate(json.load(sys.stdin))]
        door.insert("zoned.crypto_prices", typed("symbol", "fetched_at", "price"), rows)
        keys = rows_in(door, "zoned.crypto_prices", "datetime, date")
        json.dump([door.query("SELECT serverTimeZone()")[0][0], keys], sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
