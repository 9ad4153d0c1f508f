"""The same work by dlt: CoinMarketCap's API into duckdb, upserted by (symbol, hour).

Arguments: a folder for its data, the source's address, its key, ids joined by commas, the file format that dlt loads
from (``insert_values``, its default, or ``parquet``), and for a backfill the number of hours.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import dlt
from dlt.sources.helpers.rest_client import RESTClient

TEHRAN = timedelta(hours=3, minutes=30)
HOUR, HALF = timedelta(hours=1), timedelta(minutes=30)
MAX_POINTS, MAX_IDS = 10_000, 250
UPSERT = {"disposition": "merge", "strategy": "upsert"}
Row = dict[str, object]
Json = dict[str, Any]


def main(folder: str, source: str, key: str, ids: str, file_format: str, *hours: str) -> None:
    """Run the pipeline once."""
    client = RESTClient(base_url=source, headers={"X-CMC_PRO_API_KEY": key})
    coins = ids.split(",")

    @dlt.resource(name="prices", primary_key=("symbol", "hour"), write_disposition=UPSERT)
    def prices() -> Iterator[Row]:
        yield from _past(client, coins, int(hours[0])) if hours else _latest(client, coins)

    pipeline = dlt.pipeline(
        pipeline_name="prices",
        pipelines_dir=f"{folder}/pipelines",
        destination=dlt.destinations.duckdb(f"{folder}/prices.duckdb"),
        dataset_name="crypto",
    )
    pipeline.run(prices(), loader_file_format=file_format)


def _latest(client: RESTClient, coins: list[str]) -> Iterator[Row]:
    now = datetime.now(timezone.utc)
    for start in range(0, len(coins), MAX_IDS):
        params = {"id": ",".join(coins[start : start + MAX_IDS]), "convert": "USD", "skip_invalid": "true"}
        for coin in _listed(client, "/v3/cryptocurrency/quotes/latest", params):
            yield _row(coin, coin, now, "latest")


def _past(client: RESTClient, coins: list[str], hours: int) -> Iterator[Row]:
    end = (datetime.now(timezone.utc) + TEHRAN).replace(minute=0, second=0, microsecond=0) - TEHRAN
    start = end - HOUR * hours
    at_once = max(1, MAX_POINTS // (2 * hours + 1))
    for first in range(0, len(coins), at_once):
        batch = coins[first : first + at_once]
        params = {
            "id": ",".join(batch),
            "time_start": (start - HALF).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "time_end": (end - HALF).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "interval": "30m",
            "count": str(len(batch) * (2 * hours + 1)),
            "convert": "USD",
            "skip_invalid": "true",
        }
        for coin in _listed(client, "/v3/cryptocurrency/quotes/historical", params):
            yield from _hourly(coin)


def _hourly(coin: Json) -> Iterator[Row]:
    """The first point of each hour."""
    taken = set()
    for point in coin["quotes"]:
        moment = datetime.fromisoformat(_quote(point)["timestamp"].replace("Z", "+00:00"))
        row = _row(coin, point, moment, "historical")
        if row["hour"] not in taken:
            taken.add(row["hour"])
            yield row


def _row(coin: Json, holder: Json, moment: datetime, endpoint: str) -> Row:
    quote, local = _quote(holder), moment + TEHRAN
    numbers = ("price", "volume_24h", "market_cap", "percent_change_1h", "percent_change_24h", "percent_change_7d")
    return {
        "symbol": coin["symbol"],
        "hour": local.strftime("%Y-%m-%d %H:00:00"),
        "fetched_at": local.strftime("%Y-%m-%d %H:%M:%S"),
        "cmc_id": coin["id"],
        "name": coin["name"],
        **{name: quote[name] for name in numbers},
        "cmc_rank": coin.get("cmc_rank"),
        "currency": "USD",
        "endpoint": endpoint,
    }


def _listed(client: RESTClient, path: str, params: dict[str, str]) -> list[Json]:
    data = client.get(path, params=params).json()["data"]
    return list(data.values()) if isinstance(data, dict) else data


def _quote(holder: Json) -> Json:
    quote = holder["quote"]
    return quote[0] if isinstance(quote, list) else quote["USD"]


if __name__ == "__main__":
    main(*sys.argv[1:])
