"""The programs measured next to ours, each run in its own process: ``python programs.py NAME ARGUMENTS``.

Every import is inside a function, because each program runs where only its own libraries are installed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

TEHRAN = timedelta(hours=3, minutes=30)
HOUR, HALF = timedelta(hours=1), timedelta(minutes=30)
MAX_POINTS, MAX_IDS = 10_000, 250
Json = dict[str, Any]


def floor(folder: str, source: str, key: str, ids: str) -> None:
    """The least that any such job needs: import the two libraries, open the engine, make one GET."""
    import clickhouse_connect  # noqa: PLC0415
    import httpx  # noqa: PLC0415

    client = clickhouse_connect.get_client(interface="chdb", path=folder)
    with httpx.Client(headers={"X-CMC_PRO_API_KEY": key}) as http:
        params = {"id": ",".join(ids.split(",")[:MAX_IDS])}
        http.get(f"{source}/v3/cryptocurrency/quotes/latest", params=params).raise_for_status().json()
    client.close()


def dlt(folder: str, source: str, key: str, ids: str, hours: str = "0") -> None:
    """The same rows by dlt: CoinMarketCap's API into duckdb, upserted by (symbol, hour); with hours a backfill."""
    import dlt as library  # noqa: PLC0415
    from dlt.sources.helpers.rest_client import RESTClient  # noqa: PLC0415

    client = RESTClient(base_url=source, headers={"X-CMC_PRO_API_KEY": key})
    rows = _past(client, ids.split(","), int(hours)) if int(hours) else _latest(client, ids.split(","))
    upsert = {"disposition": "merge", "strategy": "upsert"}
    prices = library.resource(rows, name="prices", primary_key=("symbol", "hour"), write_disposition=upsert)
    pipeline = library.pipeline(
        pipeline_name="prices",
        pipelines_dir=f"{folder}/pipelines",
        destination=library.destinations.duckdb(f"{folder}/prices.duckdb"),
        dataset_name="crypto",
    )
    pipeline.run(prices)


def serve(coins: str, update_every: str) -> None:
    """A simulated CoinMarketCap without limits; prints its address, then serves until SIGTERM."""
    import signal  # noqa: PLC0415

    from crons.resources import system_clock  # noqa: PLC0415
    from sandbox.coin_market_cap import StandIn  # noqa: PLC0415
    from sandbox.market import COINS, Market, generated_coins  # noqa: PLC0415

    # Blocked before the server's threads start, so that they inherit it and only `sigwait` sees the signal.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    market = Market([*COINS, *generated_coins(int(coins))], update_every_seconds=float(update_every))
    with StandIn(market, clock=system_clock) as source:
        source.requests_per_minute = source.credits_monthly = 10**9
        sys.stdout.write(f"{source.base_url}\n")
        sys.stdout.flush()
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


def _latest(client: Any, coins: list[str]) -> Iterator[Json]:
    now = datetime.now(timezone.utc)
    for start in range(0, len(coins), MAX_IDS):
        params = {"id": ",".join(coins[start : start + MAX_IDS]), "convert": "USD", "skip_invalid": "true"}
        for coin in client.get("/v3/cryptocurrency/quotes/latest", params=params).json()["data"]:
            yield _row(coin, coin["quote"][0], now, "latest")


def _past(client: Any, coins: list[str], hours: int) -> Iterator[Json]:
    end = (datetime.now(timezone.utc) + TEHRAN).replace(minute=0, second=0, microsecond=0) - TEHRAN
    at_once = max(1, MAX_POINTS // (2 * hours + 1))
    for first in range(0, len(coins), at_once):
        batch = coins[first : first + at_once]
        params = {
            "id": ",".join(batch),
            "time_start": (end - HOUR * hours - HALF).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "time_end": (end - HALF).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "interval": "30m",
            "count": str(len(batch) * (2 * hours + 1)),
            "convert": "USD",
            "skip_invalid": "true",
        }
        for coin in client.get("/v3/cryptocurrency/quotes/historical", params=params).json()["data"].values():
            hourly: dict[str, Json] = {}
            for point in coin["quotes"]:
                moment = datetime.fromisoformat(point["timestamp"].replace("Z", "+00:00"))
                row = _row(coin, point["quote"]["USD"], moment, "historical")
                hourly.setdefault(row["hour"], row)
            yield from hourly.values()


def _row(coin: Json, quote: Json, moment: datetime, endpoint: str) -> Json:
    local = moment + TEHRAN
    numbers = ("price", "volume_24h", "market_cap", "percent_change_1h", "percent_change_24h", "percent_change_7d")
    return {
        "hour": local.strftime("%Y-%m-%d %H:00:00"),
        "fetched_at": local.strftime("%Y-%m-%d %H:%M:%S"),
        **{name: coin.get(name) for name in ("symbol", "id", "name", "cmc_rank")},
        **{name: quote[name] for name in numbers},
        "currency": "USD",
        "endpoint": endpoint,
    }


if __name__ == "__main__":
    {"floor": floor, "dlt": dlt, "serve": serve}[sys.argv[1]](*sys.argv[2:])
