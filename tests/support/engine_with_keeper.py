"""Run by a process of its own: a front over an engine with a Keeper inside, and macros and a cluster of two replicas.

    python -m tests.support.engine_with_keeper FOLDER    prints its port, and listens until its stdin is closed

Its Replicated tables are real ones, but take no rows: https://github.com/chdb-io/chdb has no server between replicas.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.support.clickhouse_front import ClickHouseFront

_CONFIGURATION = """<clickhouse>
  <macros><shard>1</shard><replica>one</replica></macros>
  <remote_servers><pair><shard><internal_replication>true</internal_replication>
    <replica><host>127.0.0.1</host><port>9000</port></replica>
    <replica><host>127.0.0.2</host><port>9000</port></replica>
  </shard></pair></remote_servers>
  <zookeeper><implementation>testkeeper</implementation></zookeeper>
</clickhouse>
"""

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    file = folder / "engine.xml"
    file.write_text(_CONFIGURATION)
    with ClickHouseFront(Path(f"{folder}/db?config-file={file}&log-level=fatal")) as front:
        sys.stdout.write(f"{front.port}\n")
        sys.stdout.flush()
        sys.stdin.read()
        os._exit(0)  # this engine ends with an error when it is closed
