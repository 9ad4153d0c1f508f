"""The simulated CoinMarketCap: latest and historical quotes by id, the map by symbol, and the key's plan.

Bodies have the keys and types of the real ones. Parameters are trusted, and no limit is enforced.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sandbox.market import DAY_SECONDS, HOUR_SECONDS, ListedCoin, Market, iso, listed_coins
from sandbox.server import Answer, Serving

KEY_HEADER = "X-CMC_PRO_API_KEY"
KEYLESS_PREFIX = "/public-api"
LATEST_PATH = "/v3/cryptocurrency/quotes/latest"
HISTORICAL_PATH = "/v3/cryptocurrency/quotes/historical"
MAP_PATH = "/v1/cryptocurrency/map"
KEY_INFO_PATH = "/v1/key/info"
COINS_PER_CREDIT = 250
POINTS_PER_CREDIT = 100
_MOST_POINTS = 10_000
_GRID_SECONDS = 300
_MINUTES = {"m": 1, "h": 60}
_LISTED_AT = datetime(2015, 1, 1, tzinfo=timezone.utc).timestamp()

JsonObject = dict[str, Any]
Parameters = Mapping[str, str]
HoleRule = Callable[[int, datetime], bool]
"""Whether a coin (by id) has no quote at an aware instant in UTC."""


class StandIn(Serving):
    """A local CoinMarketCap.

    Args:
        clock: gives an aware instant; everything served follows it.
        update_every_seconds: how often prices change.
        extra_coins: how many generated coins to list, from the symbol ``C0001`` and the id `market.FIRST_EXTRA_ID` on.
        is_hole: which historical quotes are missing.

    Attributes:
        credits_used: credits charged so far.
    """

    key = "00000000-5a5a-4b4b-8c8c-5ad5ad5ad5ad"
    requests_per_minute = 50
    credits_monthly = 15_000

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        update_every_seconds: float = 60,
        extra_coins: int = 0,
        is_hole: HoleRule = lambda _coin_id, _instant: False,
    ) -> None:
        self.market = Market(listed_coins(extra_coins=extra_coins), update_every_seconds=update_every_seconds)
        self.credits_used = 0
        self._is_hole = is_hole
        self._lock = threading.Lock()
        self._endpoints: dict[str, Callable[[Parameters, datetime], Answer]] = {
            LATEST_PATH: self._latest,
            HISTORICAL_PATH: self._historical,
            MAP_PATH: self._map,
            KEY_INFO_PATH: lambda _, now: _answer(self._plan(now), now),
        }
        super().__init__(respond=self._respond, clock=clock)

    def answer(self, target: str, headers: Mapping[str, str], now: datetime) -> Answer:  # noqa: ARG002 - for subclasses
        """The answer to a GET of path and query at `now`, in UTC; header names are in lower case."""
        url = urlsplit(target)
        endpoint = self._endpoints.get(url.path.removeprefix(KEYLESS_PREFIX))
        if endpoint is None:
            return Answer(404, {"statusCode": 404, "error": "Not Found", "message": "Not Found"})
        return endpoint(dict(parse_qsl(url.query)), now)

    def _respond(self, target: str, headers: dict[str, str]) -> Answer:
        answer = self.answer(target, headers, self.now())
        with self._lock:
            self.credits_used += answer.credits
        return answer

    def _latest(self, asked: Parameters, now: datetime) -> Answer:
        seconds = now.timestamp()
        total_cap = math.fsum(
            self.market.price_at(coin, seconds) * coin.circulating_supply for coin in self.market.coins
        )
        data = [self._latest_coin(coin, seconds, total_cap) for coin in self._asked_coins(asked)]
        return _answer(data, now, _credits(len(data), COINS_PER_CREDIT), code="0", message="")

    def _latest_coin(self, coin: ListedCoin, seconds: float, total_cap: float) -> JsonObject:
        updated = self.market.updated_at(seconds)
        price, volume = self.market.price_at(coin, updated), self.market.volume_24h_at(coin, updated)
        volume_before = self.market.volume_24h_at(coin, updated - DAY_SECONDS)
        quote = {
            "id": 2781,
            "symbol": "USD",
            "price": price,
            "volume_24h": volume,
            "volume_change_24h": (volume / volume_before - 1.0) * 100.0,
            **self._changes(coin, updated, days=(1, 7, 30, 60, 90)),
            "market_cap": price * coin.circulating_supply,
            "market_cap_dominance": price * coin.circulating_supply / total_cap * 100.0,
            "fully_diluted_market_cap": price * (coin.max_supply or coin.circulating_supply),
            "tvl": None,
            "last_updated": iso(updated),
        }
        return {
            **_identity(coin),
            "slug": coin.slug,
            "num_market_pairs": max(1, 12_000 // coin.rank),
            "date_added": iso(_LISTED_AT),
            "tags": [{"slug": "simulated", "name": "Simulated", "category": "CATEGORY"}],
            "max_supply": coin.max_supply,
            "circulating_supply": coin.circulating_supply,
            "total_supply": coin.circulating_supply,
            "infinite_supply": coin.max_supply is None,
            "cmc_rank": coin.rank,
            **dict.fromkeys(("platform", "self_reported_circulating_supply", "self_reported_market_cap", "tvl_ratio")),
            "last_updated": iso(updated),
            "quote": [quote],
        }

    def _historical(self, asked: Parameters, now: datetime) -> Answer:
        length = int(asked["interval"][:-1]) * _MINUTES[asked["interval"][-1]] * 60
        start = seconds_of(asked["time_start"])
        end = min(seconds_of(asked["time_end"]) if "time_end" in asked else now.timestamp(), now.timestamp())
        # The start is exclusive, the end inclusive, and intervals are counted from the start.
        steps = [start + length * number for number in range(1, int((end - start) // length) + 1)]
        steps = steps[: int(float(asked.get("count", _MOST_POINTS)))]
        data = {
            str(coin.id): {**_identity(coin), "quotes": self._past_quotes(coin, steps, now)}
            for coin in self._asked_coins(asked)
        }
        points = sum(len(coin["quotes"]) for coin in data.values())
        return _answer(data, now, _credits(points, POINTS_PER_CREDIT))

    def _past_quotes(self, coin: ListedCoin, steps: list[float], now: datetime) -> list[JsonObject]:
        quotes = []
        for step in steps:
            grid = -(-step // _GRID_SECONDS) * _GRID_SECONDS
            # One point in eleven is stamped some seconds late, as at the real source.
            at = grid + (3 + coin.id % 7 if (grid // _GRID_SECONDS + coin.id) % 11 == 0 else 0)
            if at <= now.timestamp() and not self._is_hole(coin.id, datetime.fromtimestamp(grid, timezone.utc)):
                price = self.market.price_at(coin, at)
                usd = {
                    **self._changes(coin, at, days=(1, 7, 30)),
                    "price": price,
                    "volume_24h": self.market.volume_24h_at(coin, at),
                    "market_cap": price * coin.circulating_supply,
                    "circulating_supply": coin.circulating_supply,
                    "total_supply": coin.circulating_supply,
                    "timestamp": iso(at),
                }
                quotes.append({"timestamp": iso(at), "quote": {"USD": usd}})
        return quotes

    def _map(self, asked: Parameters, now: datetime) -> Answer:
        symbols = asked["symbol"].split(",")
        listed = {coin.symbol for coin in self.market.coins}
        if unknown := [symbol for symbol in symbols if symbol not in listed]:
            values = "values" if len(unknown) > 1 else "value"
            return refusal(400, 400, f'Invalid {values} for "symbol": "{",".join(unknown)}"', now)
        rows = [
            {
                "id": coin.id,
                "rank": coin.rank,
                "name": coin.name,
                "symbol": coin.symbol,
                "slug": coin.slug,
                "is_active": 1,
                "first_historical_data": iso(_LISTED_AT),
                "last_historical_data": iso(now.timestamp() // _GRID_SECONDS * _GRID_SECONDS),
                "platform": None,
            }
            for symbol in symbols
            for coin in self.market.coins
            if coin.symbol == symbol
        ]
        return _answer(rows, now)

    def _plan(self, now: datetime) -> JsonObject:
        reset = (now.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)).replace(day=1)
        left = reset - now
        return {
            "plan": {
                "credit_limit_monthly": self.credits_monthly,
                "credit_limit_monthly_reset": f"In {left.days} days, {left.seconds // HOUR_SECONDS} hours",
                "credit_limit_monthly_reset_timestamp": iso(reset.timestamp()),
                "rate_limit_minute": self.requests_per_minute,
            },
            "usage": {
                "current_minute": {"requests_made": 1, "requests_left": self.requests_per_minute - 1},
                "current_day": {"credits_used": self.credits_used},
                "current_month": {
                    "credits_used": self.credits_used,
                    "credits_left": self.credits_monthly - self.credits_used,
                },
            },
        }

    def _asked_coins(self, asked: Parameters) -> list[ListedCoin]:
        ids = [int(coin_id) for coin_id in asked["id"].split(",")]
        return [self.market.by_id[coin_id] for coin_id in ids if coin_id in self.market.by_id]

    def _changes(self, coin: ListedCoin, seconds: float, *, days: tuple[int, ...]) -> JsonObject:
        spans = {"1h": HOUR_SECONDS} | {"24h" if count == 1 else f"{count}d": count * DAY_SECONDS for count in days}
        return {
            f"percent_change_{name}": self.market.percent_change_at(coin, seconds, over_seconds=span)
            for name, span in spans.items()
        }


def refusal(status: int, code: int | str, message: str, now: datetime) -> Answer:
    """A refusal: a status object without data, free of charge."""
    return Answer(status, {"status": _status(now, code, message)})


def seconds_of(text: str) -> float:
    """ISO 8601, UTC unless it names a zone, as seconds since 1970 UTC."""
    instant = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (instant if instant.tzinfo else instant.replace(tzinfo=timezone.utc)).timestamp()


def _answer(data: Any, now: datetime, cost: int = 0, *, code: int | str = 0, message: str | None = None) -> Answer:
    status = {**_status(now, code, message), "credit_count": cost, "notice": None}
    return Answer(200, {"status": status, "data": data}, cost)


def _status(now: datetime, code: int | str, message: str | None) -> JsonObject:
    return {
        "timestamp": iso(now.timestamp()),
        "error_code": code,
        "error_message": message,
        "elapsed": 11,
        "credit_count": 0,
    }


def _identity(coin: ListedCoin) -> JsonObject:
    return {"id": coin.id, "name": coin.name, "symbol": coin.symbol, "is_active": 1, "is_fiat": 0}


def _credits(returned: int, per_credit: int) -> int:
    return max(1, math.ceil(returned / per_credit))
