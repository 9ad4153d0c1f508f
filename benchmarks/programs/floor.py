"""The least that any such job can be: import the two libraries, open the engine, make one GET.

Arguments: the engine's folder, the source's address, its key, ids joined by commas.
"""

from __future__ import annotations

import sys

import clickhouse_connect
import httpx


def main(folder: str, source: str, key: str, ids: str) -> None:
    """One GET of the latest quotes beside an open engine."""
    client = clickhouse_connect.get_client(interface="chdb", path=folder)
    with httpx.Client(headers={"X-CMC_PRO_API_KEY": key}) as http:
        http.get(f"{source}/v3/cryptocurrency/quotes/latest", params={"id": ids}).raise_for_status().json()
    client.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
