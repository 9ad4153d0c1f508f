"""The simulated CoinMarketCap: latest and historical quotes by id, the map by symbol, and the key's plan.

Bodies have the fields that the program reads. Parameters are trusted, and no limit is enforced.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sandbox.market import DAY_SECONDS, HOUR_SECONDS, ListedCoin, Market, iso
from sandbox.server import Answer, Serving

KEY_HEADER = "X-CMC_PRO_API_KEY"
KEYLESS_PREFIX = "/public-api"
COINS_PER_CREDIT = 250
POINTS_PER_CREDIT = 100
_GRID_SECONDS = 300
_SPANS = {"1h": HOUR_SECONDS, "24h": DAY_SECONDS, "7d": 7 * DAY_SECONDS}

JsonObject = dict[str, Any]
Parameters = Mapping[str, str]


class StandIn(Serving):
    """A local CoinMarketCap at the time of `clock`."""

    key = "00000000-5a5a-4b4b-8c8c-5ad5ad5ad5ad"
    requests_per_minute = 50
    credits_left = 15_000

    def __init__(self, market: Market, *, clock: Callable[[], datetime]) -> None:
        super().__init__(clock)
        self.market = market
        self.endpoints: dict[str, Callable[[Parameters, datetime], Answer]] = {
            "/v3/cryptocurrency/quotes/latest": lambda asked, now: self.priced(self._asked_coins(asked), now),
            "/v3/cryptocurrency/quotes/historical": self._historical,
            "/v1/cryptocurrency/map": self._map,
            "/v1/key/info": self._plan,
        }

    def answer(self, target: str, _headers: Mapping[str, str]) -> Answer:
        url = urlsplit(target)
        return self.endpoints[url.path.removeprefix(KEYLESS_PREFIX)](dict(parse_qsl(url.query)), self.now())

    def priced(self, coins: Iterable[ListedCoin], now: datetime) -> Answer:
        updated = self.market.updated_at(now.timestamp())
        data = [
            {
                **_identity(coin),
                "cmc_rank": coin.rank,
                "last_updated": iso(updated),
                "quote": [{"symbol": "USD", "last_updated": iso(updated), **self._numbers(coin, updated)}],
            }
            for coin in coins
        ]
        return _answer(data, now, max(1, math.ceil(len(data) / COINS_PER_CREDIT)), code="0")

    def _historical(self, asked: Parameters, now: datetime) -> Answer:
        length = {"m": 60, "h": HOUR_SECONDS}[asked["interval"][-1]] * int(asked["interval"][:-1])
        start = seconds_of(asked["time_start"])
        end = min(seconds_of(asked.get("time_end", now.isoformat())), now.timestamp())
        # The start is exclusive, the end inclusive, and intervals are counted from the start.
        number = min(int((end - start) // length), int(asked["count"]))
        steps = [start + length * step for step in range(1, number + 1)]
        data = {
            str(coin.id): {**_identity(coin), "quotes": self.past_quotes(coin, steps, now)}
            for coin in self._asked_coins(asked)
        }
        points = sum(len(coin["quotes"]) for coin in data.values())
        return _answer(data, now, max(1, math.ceil(points / POINTS_PER_CREDIT)))

    def past_quotes(self, coin: ListedCoin, steps: list[float], now: datetime) -> list[JsonObject]:
        quotes = []
        for step in steps:
            grid = -(-step // _GRID_SECONDS) * _GRID_SECONDS
            # One point in eleven is stamped some seconds late, as at the real source.
            at = grid + (3 + coin.id % 7 if (grid // _GRID_SECONDS + coin.id) % 11 == 0 else 0)
            if at <= now.timestamp():
                usd = {"timestamp": iso(at), **self._numbers(coin, at)}
                quotes.append({"timestamp": iso(at), "quote": {"USD": usd}})
        return quotes

    def _numbers(self, coin: ListedCoin, at: float) -> JsonObject:
        price = self.market.price_at(coin, at)
        before = {name: self.market.price_at(coin, at - span) for name, span in _SPANS.items()}
        return {
            "price": price,
            "volume_24h": self.market.volume_24h_at(coin, at),
            "market_cap": price * coin.supply,
            **{f"percent_change_{name}": (price / earlier - 1) * 100 for name, earlier in before.items()},
        }

    def _map(self, asked: Parameters, now: datetime) -> Answer:
        symbols = asked["symbol"].split(",")
        listed = {coin.symbol for coin in self.market.coins}
        if unknown := [symbol for symbol in symbols if symbol not in listed]:
            values = "values" if len(unknown) > 1 else "value"
            return refusal(400, 400, f'Invalid {values} for "symbol": "{",".join(unknown)}"', now)
        coins = [coin for symbol in symbols for coin in self.market.coins if coin.symbol == symbol]
        return _answer([{**_identity(coin), "rank": coin.rank, "is_active": 1} for coin in coins], now)

    def _plan(self, _asked: Parameters, now: datetime) -> Answer:
        reset = (now.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)).replace(day=1)
        left = reset - now
        plan = {
            "credit_limit_monthly": 15_000,
            "credit_limit_monthly_reset": f"In {left.days} days, {left.seconds // HOUR_SECONDS} hours",
            "rate_limit_minute": self.requests_per_minute,
        }
        return _answer({"plan": plan, "usage": {"current_month": {"credits_left": self.credits_left}}}, now)

    def _asked_coins(self, asked: Parameters) -> list[ListedCoin]:
        ids = [int(coin_id) for coin_id in asked["id"].split(",")]
        return [self.market.by_id[coin_id] for coin_id in ids if coin_id in self.market.by_id]


def refusal(status: int, code: int | str, message: str, now: datetime) -> Answer:
    """A refusal: a status object without data, free of charge."""
    return Answer(status, {"status": _status(now, code, message)})


def seconds_of(text: str) -> float:
    """ISO 8601, UTC unless it names a zone, as seconds since 1970 UTC."""
    instant = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (instant if instant.tzinfo else instant.replace(tzinfo=timezone.utc)).timestamp()


def _answer(data: Any, now: datetime, cost: int = 0, *, code: int | str = 0) -> Answer:
    return Answer(200, {"status": {**_status(now, code, None), "credit_count": cost}, "data": data})


def _status(now: datetime, code: int | str, message: str | None) -> JsonObject:
    stamp = iso(now.timestamp())
    return {"timestamp": stamp, "error_code": code, "error_message": message, "elapsed": 11, "credit_count": 0}


def _identity(coin: ListedCoin) -> JsonObject:
    return {"id": coin.id, "name": coin.name, "symbol": coin.symbol}
