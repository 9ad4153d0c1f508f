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
from sandbox.coins import ListedCoin
from sandbox.market import Market, iso
from sandbox.quote_times import HoleRule, Step, is_intraday, plan_steps, stamp_in

LATEST_PATH = "/v3/cryptocurrency/quotes/latest"
HISTORICAL_PATH = "/v3/cryptocurrency/quotes/historical"
MAP_PATH = "/v1/cryptocurrency/map"
KEY_INFO_PATH = "/v1/key/info"
KEYLESS_PREFIX = "/public-api"
KEYLESS_PATHS = frozenset((LATEST_PATH, MAP_PATH))

COINS_PER_CREDIT = 250
POINTS_PER_CREDIT = 100
_MONTHS_OF_DAILY_HISTORY = 12

Parameters = Mapping[str, str]


class Result(NamedTuple):
    """The data of an answer, and its cost.

    Attributes:
        data: a list or an object, by endpoint.
        credits: what the call costs.
        code: the error code that says "no error": the text ``"0"`` at quotes/latest, a number elsewhere.
        message: the error message that goes with it.
    """

    data: Any
    credits: int = 0
    code: int | str = 0
    message: str | None = None


class Endpoints:
    """The endpoints, over one market and one account.

    Args:
        market: what the coins are worth.
        account: the plan, for its reach and what key/info says.
        is_hole: which historical quotes are missing.
    """

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
        """Whether there is an endpoint at the path (without the keyless prefix)."""
        return path in self._by_path

    def call(self, path: str, query: str, now: datetime) -> Result:
        """The result of one call at an aware instant; nothing is counted or charged here.

        Raises:
            ApiError: 400, a parameter is wrong or reaches beyond the plan.
            KeyError: no such endpoint.
        """
        return self._by_path[path](parameters.parse_query(query), now)

    def _latest(self, asked: Parameters, now: datetime) -> Result:
        parameters.check(asked, parameters.LATEST)
        parameters.check_one_of(asked, ("id", "symbol", "slug"))
        parameters.check_one_of(asked, ("convert", "convert_id"), needed=False)
        coins = self._asked_coins(asked)
        seconds = now.timestamp()
        total_cap = self._market.total_market_cap_at(seconds)
        aux = _aux(asked, parameters.LATEST_AUX)
        data = [bodies.latest_coin(self._market, coin, seconds, total_cap=total_cap, aux=aux) for coin in coins]
        return Result(data, _credits(len(data), COINS_PER_CREDIT), code="0", message="")

    def _historical(self, asked: Parameters, now: datetime) -> Result:
        parameters.check(asked, parameters.HISTORICAL)
        parameters.check_one_of(asked, ("id", "symbol"))
        parameters.check_one_of(asked, ("convert", "convert_id"), needed=False)
        steps = self._asked_steps(asked, now)
        aux = _aux(asked, parameters.HISTORICAL_AUX)
        data = {
            str(coin.id): bodies.historical_coin(coin, self._quotes(coin, steps, now, aux), aux=aux)
            for coin in self._asked_coins(asked)
        }
        points = sum(len(coin["quotes"]) for coin in data.values())
        return Result(data, _credits(points, POINTS_PER_CREDIT))

    def _map(self, asked: Parameters, now: datetime) -> Result:
        parameters.check(asked, parameters.MAP)
        seconds = now.timestamp()
        if "symbol" in asked:  # every other option is ignored then
            active = [coin for coin in self._asked_coins({**asked, "skip_invalid": "false"}) if not coin.died_at]
            return Result([bodies.map_row(coin, seconds) for coin in active])
        statuses = asked.get("listing_status", "active").split(",")
        coins = [coin for coin in self._market.coins if ("inactive" if coin.died_at else "active") in statuses]
        coins.sort(key=_by_rank if asked.get("sort") == "cmc_rank" else _by_id)
        first = parameters.parse_number(asked.get("start", "1")) - 1
        limit = parameters.parse_number(asked["limit"]) if "limit" in asked else parameters.MAP_LIMIT
        page = coins[first : first + limit]
        aux = _aux(asked, parameters.MAP_AUX)
        return Result([bodies.map_row(coin, seconds, aux=aux) for coin in page])

    def _key_info(self, asked: Parameters, now: datetime) -> Result:
        parameters.check(asked, parameters.KEY_INFO)
        return Result(bodies.key_info(self._account, now))

    def _asked_coins(self, asked: Parameters) -> list[ListedCoin]:
        """Coins in the order asked for; those of one symbol in the order of the listing."""
        field = next(name for name in ("id", "symbol", "slug") if name in asked)
        found: dict[str, list[ListedCoin]] = {value: [] for value in asked[field].split(",")}
        for coin in self._market.coins:
            value = str(getattr(coin, field))
            if value in found:
                found[value].append(coin)
        unknown = [value for value, coins in found.items() if not coins]
        if unknown and asked.get("skip_invalid", "true") == "false":
            values = "values" if len(unknown) > 1 else "value"
            raise bad_request(f'Invalid {values} for "{field}": "{",".join(unknown)}"')
        return [coin for coins in found.values() for coin in coins]

    def _asked_steps(self, asked: Parameters, now: datetime) -> list[Step]:
        interval = asked.get("interval", "5m")
        start = parameters.parse_instant(asked["time_start"]) if "time_start" in asked else None
        end = parameters.parse_instant(asked["time_end"]) if "time_end" in asked else now.timestamp()
        if start is not None and start > end:
            raise bad_request('"time_start" must be older than "time_end"')
        count = parameters.parse_number(asked["count"]) if "count" in asked else None
        steps = plan_steps(interval, start=start, end=min(end, now.timestamp()), count=count)
        oldest = steps[0].start if start is None and steps else start
        if oldest is not None:
            self._check_reach(interval, oldest, now)
        return steps

    def _check_reach(self, interval: str, oldest: float, now: datetime) -> None:
        months = self._account.months_of_history
        if not is_intraday(interval):
            months = max(months, _MONTHS_OF_DAILY_HISTORY)
        limit = months_before(now.astimezone(timezone.utc), months).timestamp()
        if oldest < limit:
            named = f"{months} month{'s' if months > 1 else ''}"
            raise bad_request(
                f"Your plan allows {named} of historical access, choose a startDate that is newer than {iso(limit)}"
            )

    def _quotes(self, coin: ListedCoin, steps: list[Step], now: datetime, aux: frozenset[str]) -> list[JsonObject]:
        """The coin's quotes, oldest first: none for a coin without a price, nor from before it was listed."""
        if coin.base_price is None:
            return []
        listed_at, until = coin.listed_at.timestamp(), now.timestamp()
        quotes = []
        for step in steps:
            stamp = stamp_in(step, coin.id, is_hole=self._is_hole, now=until)
            if stamp is not None and stamp.quote >= listed_at:
                quotes.append(bodies.historical_quote(self._market, coin, stamp, step.start, aux=aux))
        return quotes


def refusal(error: ApiError, now: datetime) -> JsonObject:
    """The body of a refusal: a status and nothing else."""
    return {"status": bodies.status(now, code=error.code, message=error.message)}


def envelope(result: Result, now: datetime) -> JsonObject:
    """The body of an answer: status, then data."""
    shown = bodies.status(now, code=result.code, message=result.message, cost=result.credits)
    return {"status": shown, "data": result.data}


def _credits(returned: int, per_credit: int) -> int:
    """One credit a started batch, one at least."""
    return max(1, math.ceil(returned / per_credit))


def _aux(asked: Parameters, default: frozenset[str]) -> frozenset[str]:
    return frozenset(asked["aux"].split(",")) if "aux" in asked else default


def _by_rank(coin: ListedCoin) -> tuple[float, int]:
    return (math.inf if coin.rank is None else coin.rank, coin.id)


def _by_id(coin: ListedCoin) -> tuple[float, int]:
    return (coin.id, coin.id)
