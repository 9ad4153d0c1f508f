"""The JSON of the simulated source: status, coins, quotes, map and key info, as in the v3 samples.

Times are seconds since 1970 UTC, money is in USD.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sandbox.account import Account, next_month
from sandbox.api_error import KEYLESS_LIMIT
from sandbox.market import DAY_SECONDS, HOUR_SECONDS, ListedCoin, Market, iso
from sandbox.quote_times import Stamp

JsonObject = dict[str, Any]

USD_ID = 2781
_ELAPSED_MILLISECONDS = 11
_ETHEREUM = {"id": 1027, "name": "Ethereum", "symbol": "ETH", "slug": "ethereum"}


def status(now: datetime, *, code: int | str = 0, message: str | None = None, cost: int = 0) -> JsonObject:
    """The status object of an answer, or of a refusal where `code` is not zero. `cost` is in credits."""
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


def latest_coin(market: Market, coin: ListedCoin, seconds: float, *, total_cap: float) -> JsonObject:
    """A coin of v3 quotes/latest at the time of a call, its one quote in a list."""
    updated = market.updated_at(coin, seconds)
    return {
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


def historical_coin(coin: ListedCoin, quotes: list[JsonObject]) -> JsonObject:
    """A coin of v3 quotes/historical with its quotes."""
    return {
        "id": coin.id,
        "name": coin.name,
        "symbol": coin.symbol,
        "is_active": int(coin.died_at is None),
        "is_fiat": 0,
        "quotes": quotes,
    }


def historical_quote(market: Market, coin: ListedCoin, stamp: Stamp) -> JsonObject:
    """One historical quote, its USD part an object, unlike that of quotes/latest."""
    usd: JsonObject = {
        **_percent_changes(market, coin, stamp.quote, days=(1, 7, 30)),
        "price": market.price_at(coin, stamp.quote),
        "volume_24h": market.volume_24h_at(coin, stamp.quote),
        "market_cap": market.market_cap_at(coin, stamp.quote),
        "circulating_supply": coin.circulating_supply,
        "total_supply": coin.circulating_supply,
        "timestamp": iso(stamp.currency),
    }
    return {"timestamp": iso(stamp.quote), "quote": {"USD": usd}}


def map_row(coin: ListedCoin, now: float) -> JsonObject:
    """A row of the map."""
    last = coin.died_at.timestamp() if coin.died_at else now // 300 * 300
    return {
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
    return {
        "id": USD_ID,
        "symbol": "USD",
        "price": price,
        "volume_24h": volume,
        "volume_change_24h": (volume / volume_before - 1.0) * 100.0 if volume_before else 0,
        **_percent_changes(market, coin, updated, days=(1, 7, 30, 60, 90)),
        "market_cap": cap,
        "market_cap_dominance": 0 if cap is None else cap / total_cap * 100.0,
        "fully_diluted_market_cap": None if price is None else price * (coin.max_supply or coin.circulating_supply),
        "tvl": None,
        "last_updated": iso(updated),
    }


def _percent_changes(market: Market, coin: ListedCoin, seconds: float, *, days: tuple[int, ...]) -> JsonObject:
    """The changes over an hour and over so many days before, of which the source calls one ``24h``."""
    spans = {"1h": HOUR_SECONDS} | {"24h" if count == 1 else f"{count}d": count * DAY_SECONDS for count in days}
    return {
        f"percent_change_{name}": market.percent_change_at(coin, seconds, over_seconds=span)
        for name, span in spans.items()
    }


def _platform(coin: ListedCoin) -> JsonObject | None:
    return {**_ETHEREUM, "token_address": f"0x{coin.id:040x}"} if coin.is_token else None
