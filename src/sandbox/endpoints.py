"""What the simulated source answers to checked requests: which coins, which quotes, at which cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple

from sandbox import bodies, parameters
from sandbox.account import Account, months_before
from sandbox.api_error import ApiError, bad_request
from sandbox.bodies import JsonObject
from sandbox.market import ListedCoin, Market, iso
from sandbox.quote_times import INTERVALS, MAX_COUNT, HoleRule, Step, plan_steps, stamp_in

LATEST_PATH = "/v3/cryptocurrency/quotes/latest"
HISTORICAL_PATH = "/v3/cryptocurrency/quotes/historical"
MAP_PATH = "/v1/cryptocurrency/map"
KEY_INFO_PATH = "/v1/key/info"
KEYLESS_PREFIX = "/public-api"
KEYLESS_PATHS = frozenset((LATEST_PATH, MAP_PATH))

COINS_PER_CREDIT = 250
POINTS_PER_CREDIT = 100

Parameters = Mapping[str, str]


class Result(NamedTuple):
    """The data of an answer and its cost. `code` says "no error", by a text at quotes/latest."""

    data: Any
    credits: int = 0
    code: int | str = 0
    message: str | None = None


class Endpoints:
    """The endpoints, over one market and one account."""

    def __init__(self, *, market: Market, account: Account, is_hole: HoleRule) -> None:
        self._market = market
        self._account = account
        self._is_hole = is_hole
        self._by_path: dict[str, Callable[[Parameters, datetime], Result]] = {
            LATEST_PATH: self._latest,
            HISTORICAL_PATH: self._historical,
            MAP_PATH: self._map,
            KEY_INFO_PATH: self._key_info,
        }

    def knows(self, path: str) -> bool:
        """Whether the path, without the keyless prefix, is that of an endpoint."""
        return path in self._by_path

    def call(self, path: str, query: str, now: datetime) -> Result:
        """The result of one call to a known endpoint, neither counted nor charged here.

        Raises:
            ApiError: 400, a parameter is wrong or reaches beyond the plan.
        """
        return self._by_path[path](parameters.parse_query(query), now)

    def _latest(self, asked: Parameters, now: datetime) -> Result:
        parameters.check(asked, parameters.LATEST, needed=("id",))
        seconds = now.timestamp()
        total_cap = self._market.total_market_cap_at(seconds)
        coins = self._asked_coins(asked, "id")
        data = [bodies.latest_coin(self._market, coin, seconds, total_cap=total_cap) for coin in coins]
        return Result(data, _credits(len(data), COINS_PER_CREDIT), code="0", message="")

    def _historical(self, asked: Parameters, now: datetime) -> Result:
        parameters.check(asked, parameters.HISTORICAL, needed=("id", "time_start"))
        steps = self._asked_steps(asked, now)
        data = {
            str(coin.id): bodies.historical_coin(coin, self._quotes(coin, steps, now))
            for coin in self._asked_coins(asked, "id")
        }
        points = sum(len(coin["quotes"]) for coin in data.values())
        return Result(data, _credits(points, POINTS_PER_CREDIT))

    def _map(self, asked: Parameters, now: datetime) -> Result:
        parameters.check(asked, parameters.MAP, needed=("symbol",))
        coins = self._asked_coins({**asked, "skip_invalid": "false"}, "symbol")
        return Result([bodies.map_row(coin, now.timestamp()) for coin in coins if not coin.died_at])

    def _key_info(self, asked: Parameters, now: datetime) -> Result:
        parameters.check(asked, parameters.KEY_INFO)
        return Result(bodies.key_info(self._account, now))

    def _asked_coins(self, asked: Parameters, field: str) -> list[ListedCoin]:
        """The coins in the order asked for, those of one symbol in the order of the listing."""
        found: dict[str, list[ListedCoin]] = {value: [] for value in asked[field].split(",")}
        for coin in self._market.coins:
            value = str(getattr(coin, field))
            if value in found:
                found[value].append(coin)
        unknown = [value for value, coins in found.items() if not coins]
        if unknown and asked.get("skip_invalid") == "false":
            values = "values" if len(unknown) > 1 else "value"
            raise bad_request(f'Invalid {values} for "{field}": "{",".join(unknown)}"')
        return [coin for coins in found.values() for coin in coins]

    def _asked_steps(self, asked: Parameters, now: datetime) -> list[Step]:
        start = parameters.parse_instant(asked["time_start"])
        end = parameters.parse_instant(asked["time_end"]) if "time_end" in asked else now.timestamp()
        if start > end:
            raise bad_request('"time_start" must be older than "time_end"')
        self._check_reach(start, now)
        count = parameters.parse_number(asked["count"]) if "count" in asked else MAX_COUNT
        length = INTERVALS[asked.get("interval", "5m")]
        return plan_steps(length, start=start, end=min(end, now.timestamp()), count=count)

    def _check_reach(self, start: float, now: datetime) -> None:
        months = self._account.months_of_history
        limit = months_before(now.astimezone(timezone.utc), months).timestamp()
        if start < limit:
            named = f"{months} month{'s' if months > 1 else ''}"
            raise bad_request(
                f"Your plan allows {named} of historical access, choose a startDate that is newer than {iso(limit)}"
            )

    def _quotes(self, coin: ListedCoin, steps: list[Step], now: datetime) -> list[JsonObject]:
        """The coin's quotes since it was listed, oldest first, none for a coin without a price."""
        if coin.base_price is None:
            return []
        listed_at, until = coin.listed_at.timestamp(), now.timestamp()
        quotes = []
        for step in steps:
            stamp = stamp_in(step, coin.id, is_hole=self._is_hole, now=until)
            if stamp is not None and stamp.quote >= listed_at:
                quotes.append(bodies.historical_quote(self._market, coin, stamp))
        return quotes


def refusal(error: ApiError, now: datetime) -> JsonObject:
    """The body of a refusal, which is a status alone."""
    return {"status": bodies.status(now, code=error.code, message=error.message)}


def envelope(result: Result, now: datetime) -> JsonObject:
    """The body of an answer: status, then data."""
    shown = bodies.status(now, code=result.code, message=result.message, cost=result.credits)
    return {"status": shown, "data": result.data}


def _credits(returned: int, per_credit: int) -> int:
    """One credit for each batch begun, at least one."""
    return max(1, math.ceil(returned / per_credit))
