"""The simulated Binance: pairs over the simulated CoinMarketCap's market, their candles, and what a call weighs.

Times are milliseconds since 1970 UTC, as the source's own are.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from sandbox.market import ListedCoin, Market

KLINES_PATH = "/api/v3/klines"
EXCHANGE_INFO_PATH = "/api/v3/exchangeInfo"
_WEIGHTS = {KLINES_PATH: 2, EXCHANGE_INFO_PATH: 20}
_MINUTES = {"1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "6h": 360, "8h": 480}
INTERVALS = {name: minutes * 60_000 for name, minutes in _MINUTES.items()}
"""The lengths of a candle that are simulated."""
MAX_LIMIT = 1000
_USUAL_LIMIT = 500
_SAMPLES = 3
"""At so many moments inside of a candle, beside its first, the price is looked at."""
_SHARE = 0.1
"""Of all trading in a coin, what one pair has."""
_BANNED_AFTER = 3
"""So many calls in spite of a 429 are answered with a 418."""
_BAN_SECONDS = 120

_FIRST_PAIRS = datetime(2017, 8, 17, 4, tzinfo=timezone.utc)
_LISTED_AT = {
    "BTC": _FIRST_PAIRS,
    "ETH": _FIRST_PAIRS,
    "SOL": datetime(2020, 8, 11, 6, tzinfo=timezone.utc),
}
_OTHERS_LISTED_AT = datetime(2018, 5, 4, 8, tzinfo=timezone.utc)
BROKEN_OFF = {"XMR": datetime(2024, 2, 20, 3, tzinfo=timezone.utc)}
"""Coins whose pairs are in BREAK, and since when."""
_QUOTES = ("USDT", "USDC", "BTC")

Down = Callable[[datetime], bool]
"""Whether the exchange is down in the candle that opens at an aware instant."""


class Refusal(Exception):  # noqa: N818 - an answer of the source, not a failure
    """A refusal with the source's own code and text."""

    def __init__(self, status: int, code: int, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after


class Pair(NamedTuple):
    """A pair: what one ``base`` costs in ``quote``."""

    base: ListedCoin
    quote: ListedCoin

    @property
    def name(self) -> str:
        """As it is asked for."""
        return f"{self.base.symbol}{self.quote.symbol}"


class Scales:
    """Weighs the calls of each minute, from any thread, and shuts out who does not stop at the limit."""

    def __init__(self, *, weight_a_minute: int) -> None:
        self.weight_a_minute = weight_a_minute
        self._lock = threading.Lock()
        self._minute = 0
        self._used = 0
        self._refused = 0
        self._banned_until = 0.0

    def weigh(self, weight: int, now: datetime) -> int:
        """Count a call, and return the weight of the minute so far.

        Raises:
            Refusal: 429 beyond the limit, 418 for who calls on.
        """
        seconds = now.timestamp()
        with self._lock:
            if seconds < self._banned_until:
                raise self._ban(seconds)
            if (minute := int(seconds // 60)) != self._minute:
                self._minute, self._used, self._refused = minute, 0, 0
            if self._used + weight <= self.weight_a_minute:
                self._used += weight
                return self._used
            self._refused += 1
            if self._refused > _BANNED_AFTER:
                self._banned_until = seconds + _BAN_SECONDS
                raise self._ban(seconds)
            raise Refusal(
                429,
                -1003,
                f"Too much request weight used; current limit is {self.weight_a_minute} request weight per 1 MINUTE. "
                "Please use WebSocket Streams for live updates to avoid polling the API.",
                retry_after=60 - int(seconds % 60),
            )

    @property
    def used(self) -> int:
        """The weight of the minute of the last call."""
        return self._used

    def _ban(self, seconds: float) -> Refusal:
        until = int(self._banned_until * 1000)
        message = f"Way too much request weight used; IP banned until {until}. Please use WebSocket Streams."
        return Refusal(418, -1003, message, retry_after=max(1, int(self._banned_until - seconds)))


class Exchange:
    """The endpoints.

    Args:
        market: of the simulated CoinMarketCap.
        weight_a_minute: the limit.
        is_down: when there are no candles, whatever the pair.
        end_is_inclusive: whether a candle that opens at ``endTime`` comes too; the documentation does not say.
    """

    def __init__(
        self,
        market: Market,
        *,
        weight_a_minute: int = 6000,
        is_down: Down = lambda _instant: False,
        end_is_inclusive: bool = True,
    ) -> None:
        self.scales = Scales(weight_a_minute=weight_a_minute)
        self._market = market
        self._is_down = is_down
        self._end_is_inclusive = end_is_inclusive
        self._pairs = {pair.name: pair for pair in _pairs_of(market)}
        self._by_path: dict[str, Callable[[Mapping[str, str], int], Any]] = {
            KLINES_PATH: self._klines,
            EXCHANGE_INFO_PATH: self._exchange_info,
        }

    def knows(self, path: str) -> bool:
        """Whether the path is that of an endpoint."""
        return path in self._by_path

    def call(self, path: str, query: str, now: datetime) -> Any:
        """The body of the answer to a call of a known endpoint.

        Raises:
            Refusal: a limit, or a parameter that is wrong.
        """
        self.scales.weigh(_WEIGHTS[path], now)
        return self._by_path[path](dict(parse_qsl(query, keep_blank_values=True)), _milliseconds(now))

    def candle(self, name: str, opens: int, *, interval: str = "30m", now: datetime) -> list[Any] | None:
        """The row of the candle that opens at a time, None where there is none; one not over yet holds what it has."""
        pair, length, until = self._pairs[name], INTERVALS[interval], _milliseconds(now)
        since, end = _since(pair), BROKEN_OFF.get(pair.base.symbol)
        if opens + length <= since or opens > until or (end is not None and opens >= _milliseconds(end)):
            return None
        if self._is_down(datetime.fromtimestamp(opens / 1000, timezone.utc)):
            return None
        last = min(opens + length - 60_000, until)
        step = (last - opens) / _SAMPLES
        prices = [self._price(pair, opens + step * number) for number in range(_SAMPLES + 1)]
        share = (min(opens + length, until) - opens) / 86_400_000 * _SHARE
        volume = self._market.volume_24h_at(pair.base, opens / 1000) / (pair.base.base_price or 1) * share
        quoted = volume * prices[0]
        amounts = [prices[0], max(prices), min(prices), prices[-1], volume]
        return [
            opens,
            *map(_decimal, amounts),
            opens + length - 1,
            _decimal(quoted),
            int(quoted // 900),
            _decimal(volume * 0.48),
            _decimal(quoted * 0.48),
            "0",
        ]

    def _price(self, pair: Pair, at: float) -> float:
        base, quote = (self._market.price_at(coin, at / 1000) for coin in pair)
        return (base or 0.0) / (quote or 1.0)

    def _klines(self, asked: Mapping[str, str], now: int) -> list[list[Any]]:
        pair, interval = self._asked_pair(asked), asked.get("interval")
        if interval is None:
            raise _missing("interval")
        if interval not in INTERVALS:
            raise Refusal(400, -1120, "Invalid interval.")
        _refuse_others(asked, {"symbol", "interval", "startTime", "endTime", "limit"})
        limit = _whole(asked, "limit", _USUAL_LIMIT)
        if not 1 <= limit <= MAX_LIMIT:
            raise Refusal(400, -1130, "Data sent for parameter 'limit' is not valid.")
        start, end = _whole(asked, "startTime", None), _whole(asked, "endTime", None)
        return self._rows(pair, interval, (start, end), limit=limit, now=now)

    def _rows(
        self, pair: Pair, interval: str, span: tuple[int | None, int | None], *, limit: int, now: int
    ) -> list[list[Any]]:
        """The oldest from the span's start on, or the newest up to its end; always in the order of time."""
        start, end = span
        length = INTERVALS[interval]
        last = now // length * length
        if end is not None:
            last = min(last, (end if self._end_is_inclusive else end - 1) // length * length)
        first = -(-max(start or 0, _since(pair) // length * length) // length) * length
        forward = start is not None
        moment = datetime.fromtimestamp(now / 1000, timezone.utc)
        rows: list[list[Any]] = []
        opens = first if forward else last
        while first <= opens <= last and len(rows) < limit:
            if (row := self.candle(pair.name, opens, interval=interval, now=moment)) is not None:
                rows.append(row)
            opens += length if forward else -length
        return rows if forward else rows[::-1]

    def _exchange_info(self, asked: Mapping[str, str], now: int) -> dict[str, Any]:
        _refuse_others(asked, {"symbol"})
        pairs = [self._asked_pair(asked)] if "symbol" in asked else list(self._pairs.values())
        limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}
        return {
            "timezone": "UTC",
            "serverTime": now,
            "rateLimits": [{**limit, "limit": self.scales.weight_a_minute}],
            "exchangeFilters": [],
            "symbols": [
                {
                    "symbol": pair.name,
                    "status": "BREAK" if pair.base.symbol in BROKEN_OFF else "TRADING",
                    "baseAsset": pair.base.symbol,
                    "baseAssetPrecision": 8,
                    "quoteAsset": pair.quote.symbol,
                    "quotePrecision": 8,
                    "quoteAssetPrecision": 8,
                }
                for pair in pairs
            ],
        }

    def _asked_pair(self, asked: Mapping[str, str]) -> Pair:
        if not (name := asked.get("symbol")):
            raise _missing("symbol")
        if not re.fullmatch(r"[A-Z0-9\-_.]{1,20}", name):
            legal = "legal range is '^[A-Z0-9-_.]{1,20}$'."
            raise Refusal(400, -1100, f"Illegal characters found in parameter 'symbol'; {legal}")
        if name not in self._pairs:
            raise Refusal(400, -1121, "Invalid symbol.")
        return self._pairs[name]


def _pairs_of(market: Market) -> list[Pair]:
    """Every coin that has a price against a few others; of coins that share a symbol the one of the best rank."""
    best: dict[str, ListedCoin] = {}
    for coin in sorted(market.coins, key=lambda coin: coin.rank or 10**9):
        if coin.base_price is not None:
            best.setdefault(coin.symbol, coin)
    quotes = [best[symbol] for symbol in _QUOTES]
    return [Pair(base, quote) for base in best.values() for quote in quotes if base != quote]


def _since(pair: Pair) -> int:
    """When the pair was listed."""
    return _milliseconds(max(_LISTED_AT.get(pair.base.symbol, _OTHERS_LISTED_AT), pair.base.listed_at))


def _milliseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)


def _decimal(number: float) -> str:
    return f"{number:.8f}"


def _missing(name: str) -> Refusal:
    return Refusal(400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def _whole(asked: Mapping[str, str], name: str, usual: Any) -> Any:
    if (value := asked.get(name)) is None:
        return usual
    if not value:
        raise Refusal(400, -1105, f"Parameter '{name}' was empty.")
    if not re.fullmatch(r"[0-9]{1,20}", value):
        raise Refusal(400, -1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
    return int(value)


def _refuse_others(asked: Mapping[str, str], known: set[str]) -> None:
    if others := asked.keys() - known:
        read = len(asked) - len(others)
        message = f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{len(asked)}'."
        raise Refusal(400, -1104, message)
