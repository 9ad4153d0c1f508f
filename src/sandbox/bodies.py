"""The JSON of the simulated source: status, coins, quotes, map rows, key info, in the shapes of the v3 samples.

Times are seconds since 1970 UTC; money is in USD; nothing here decides what to answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sandbox.account import Account, next_month
from sandbox.api_error import KEYLESS_LIMIT
from sandbox.coins import ListedCoin
from sandbox.market import DAY_SECONDS, HOUR_SECONDS, Market, iso
from sandbox.parameters import HISTORICAL_AUX, LATEST_AUX, MAP_AUX
from sandbox.quote_times import Stamp

JsonObject = dict[str, Any]

USD_ID = 2781
_ELAPSED_MILLISECONDS = 11
_ETHEREUM = {"id": 1027, "name": "Ethereum", "symbol": "ETH", "slug": "ethereum"}
# A part of a historical quote that `aux` may leave out, and its key there.
_QUOTE_KEYS = {
    "price": "price",
    "volume": "volume_24h",
    "market_cap": "market_cap",
    "circulating_supply": "circulating_supply",
    "total_supply": "total_supply",
    "quote_timestamp": "timestamp",
}


def status(now: datetime, *, code: int | str = 0, message: str | None = None, cost: int = 0) -> JsonObject:
    """The status object of an answer; of a refusal where `code` is not zero; `cost` is in credits."""
    body: JsonObject = {
        "timestamp": iso(now.timestamp()),
        "error_code": code,
        "error_message": message,
        "elapsed": _ELAPSED_MILLISECONDS,
        "credit_count": cost,
    }
    if int(code) == 0:
        body["notice"] = None
    if code == KEYLESS_LIMIT:
        del body["elapsed"]  # as recorded
    return body


def latest_coin(
    market: Market, coin: ListedCoin, seconds: float, *, total_cap: float, aux: Iterable[str] = LATEST_AUX
) -> JsonObject:
    """A coin of v3 quotes/latest with its one quote (a list).

    Args:
        market: what the coin is worth.
        coin: the coin.
        seconds: the time of the call.
        total_cap: the market caps of all coins together.
        aux: the optional parts that are asked for.
    """
    updated = market.updated_at(coin, seconds)
    body: JsonObject = {
        "id": coin.id,
        "name": coin.name,
        "symbol": coin.symbol,
        "slug": coin.slug,
        "num_market_pairs": 0 if coin.died_at else max(1, 12_000 // (coin.rank or 12_000)),
        "date_added": iso(coin.listed_at.timestamp()),
        "tags": [] if coin.is_token else [{"slug": "simulated", "name": "Simulated", "category": "CATEGORY"}],
        "max_supply": coin.max_supply,
        "circulating_supply": coin.circulating_supply,
        "total_supply": None if coin.died_at else coin.circulating_supply,
        "is_active": int(coin.died_at is None),
        "infinite_supply": coin.max_supply is None and coin.died_at is None,
        "platform": _platform(coin),
        "cmc_rank": coin.rank,
        "is_fiat": 0,
        "self_reported_circulating_supply": None,
        "self_reported_market_cap": None,
        "tvl_ratio": None,
        "last_updated": iso(updated),
        "quote": [_latest_quote(market, coin, updated, total_cap)],
    }
    return _without(body, LATEST_AUX - set(aux))


def historical_coin(coin: ListedCoin, quotes: list[JsonObject], *, aux: Iterable[str] = HISTORICAL_AUX) -> JsonObject:
    """A coin of v3 quotes/historical with its quotes."""
    body: JsonObject = {
        "id": coin.id,
        "name": coin.name,
        "symbol": coin.symbol,
        "is_active": int(coin.died_at is None),
        "is_fiat": 0,
        "quotes": quotes,
    }
    return _without(body, {"is_active", "is_fiat"} - set(aux))


def historical_quote(
    market: Market, coin: ListedCoin, stamp: Stamp, step: float, *, aux: Iterable[str] = HISTORICAL_AUX
) -> JsonObject:
    """One historical quote: its USD part is a dict, unlike that of quotes/latest."""
    asked = set(aux)
    price = market.price_at(coin, stamp.quote)
    usd: JsonObject = {
        "percent_change_1h": market.percent_change_at(coin, stamp.quote, over_seconds=HOUR_SECONDS),
        "percent_change_24h": market.percent_change_at(coin, stamp.quote, over_seconds=DAY_SECONDS),
        "percent_change_7d": market.percent_change_at(coin, stamp.quote, over_seconds=7 * DAY_SECONDS),
        "percent_change_30d": market.percent_change_at(coin, stamp.quote, over_seconds=30 * DAY_SECONDS),
        "price": price,
        "volume_24h": market.volume_24h_at(coin, stamp.quote),
        "market_cap": None if price is None else price * coin.circulating_supply,
        "circulating_supply": coin.circulating_supply,
        "total_supply": coin.circulating_supply,
        "timestamp": iso(stamp.currency),
    }
    usd = _without(usd, {key for part, key in _QUOTE_KEYS.items() if part not in asked})
    body: JsonObject = {"timestamp": iso(stamp.quote), "quote": {"USD": usd}}
    if "search_interval" in asked:
        body["search_interval"] = iso(step)
    return body


def map_row(coin: ListedCoin, now: float, *, aux: Iterable[str] = MAP_AUX) -> JsonObject:
    """A row of the map; it names the rank ``rank``."""
    asked = set(aux)
    last = coin.died_at.timestamp() if coin.died_at else now // 300 * 300
    body: JsonObject = {
        "id": coin.id,
        "rank": coin.rank,
        "name": coin.name,
        "symbol": coin.symbol,
        "slug": coin.slug,
        "is_active": int(coin.died_at is None),
        "first_historical_data": iso(coin.listed_at.timestamp()),
        "last_historical_data": iso(last),
        "platform": _platform(coin),
    }
    if "status" in asked:
        body["status"] = "inactive" if coin.died_at else "active"
    return _without(body, MAP_AUX - asked)


def key_info(account: Account, now: datetime) -> JsonObject:
    """The plan and what is used of it."""
    reset = next_month(now)
    minutes = int((reset - now).total_seconds()) // 60
    made = account.requests_in_minute(now)
    return {
        "plan": {
            "credit_limit_monthly": account.credits_monthly,
            "credit_limit_monthly_reset": f"In {minutes // 1440} days, {minutes // 60 % 24} hours, "
            f"{minutes % 60} minutes",
            "credit_limit_monthly_reset_timestamp": iso(reset.timestamp()),
            "rate_limit_minute": account.requests_per_minute,
        },
        "usage": {
            "current_minute": {"requests_made": made, "requests_left": account.requests_per_minute - made},
            "current_day": {"credits_used": account.credits_today(now)},
            "current_month": {
                "credits_used": account.credits_this_month(now),
                "credits_left": account.credits_left(now),
            },
        },
    }


def _latest_quote(market: Market, coin: ListedCoin, updated: float, total_cap: float) -> JsonObject:
    cap = market.market_cap_at(coin, updated)
    price = market.price_at(coin, updated)
    volume = market.volume_24h_at(coin, updated)
    volume_before = market.volume_24h_at(coin, updated - DAY_SECONDS)
    changes = {
        f"percent_change_{name}": market.percent_change_at(coin, updated, over_seconds=seconds)
        for name, seconds in {"1h": HOUR_SECONDS, "24h": DAY_SECONDS}.items()
    }
    changes |= {
        f"percent_change_{days}d": market.percent_change_at(coin, updated, over_seconds=days * DAY_SECONDS)
        for days in (7, 30, 60, 90)
    }
    return {
        "id": USD_ID,
        "symbol": "USD",
        "price": price,
        "volume_24h": volume,
        "volume_change_24h": (volume / volume_before - 1.0) * 100.0 if volume_before else 0,
        **changes,
        "market_cap": cap,
        "market_cap_dominance": 0 if cap is None else cap / total_cap * 100.0,
        "fully_diluted_market_cap": None if price is None else price * (coin.max_supply or coin.circulating_supply),
        "tvl": None,
        "last_updated": iso(updated),
    }


def _platform(coin: ListedCoin) -> JsonObject | None:
    return {**_ETHEREUM, "token_address": f"0x{coin.id:040x}"} if coin.is_token else None


def _without(body: JsonObject, keys: Iterable[str]) -> JsonObject:
    left_out = set(keys)
    return {key: value for key, value in body.items() if key not in left_out}
