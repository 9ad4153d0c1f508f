"""The simulated Binance: half-hourly candles of pairs, with the prices of the simulated market."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from sandbox.market import DAY_SECONDS, ListedCoin, Market
from sandbox.server import Answer, Serving

BROKEN_OFF = {"XMR": datetime(2024, 2, 20, 3, tzinfo=timezone.utc)}
"""Coins whose pairs are no longer traded, and since when."""
_FIRST_PAIRS = datetime(2017, 8, 17, 4, tzinfo=timezone.utc)
_LISTED_AT = {"SOL": datetime(2020, 8, 11, 6, tzinfo=timezone.utc)}
_CANDLE = 1_800_000
_MOST_CANDLES = 1000
_SAMPLES = 3  # prices looked at inside of a candle, besides its first
_PAIR_SHARE = 0.1  # of all trading in a coin


class Pair(NamedTuple):
    """A pair: what one ``base`` costs in ``quote``."""

    base: ListedCoin
    quote: ListedCoin


class ExchangeStandIn(Serving):
    """A local Binance.

    Args:
        market: the one of the simulated CoinMarketCap.
        clock: gives an aware instant; everything served follows it.
        is_down: whether the exchange has no candle that opens at an aware instant.
    """

    def __init__(
        self,
        market: Market,
        *,
        clock: Callable[[], datetime],
        is_down: Callable[[datetime], bool] = lambda _instant: False,
    ) -> None:
        self._market = market
        self._is_down = is_down
        best: dict[str, ListedCoin] = {}
        for coin in sorted(market.coins, key=lambda coin: coin.rank):
            best.setdefault(coin.symbol, coin)
        quotes = [best[symbol] for symbol in ("USDT", "USDC", "BTC")]
        self._pairs = {
            f"{base.symbol}{quote.symbol}": Pair(base, quote)
            for base in best.values()
            for quote in quotes
            if base != quote
        }
        super().__init__(respond=lambda target, _headers: self.answer(target, self.now()), clock=clock)

    def answer(self, target: str, now: datetime) -> Answer:
        """The answer to a GET of path and query at `now`, in UTC."""
        url = urlsplit(target)
        asked = dict(parse_qsl(url.query))
        if asked.get("symbol") not in self._pairs:
            return Answer(400, {"code": -1121, "msg": "Invalid symbol."})
        body = self._klines(asked, now) if url.path == "/api/v3/klines" else self._exchange_info(asked["symbol"], now)
        return Answer(200, body)

    def _klines(self, asked: Mapping[str, str], now: datetime) -> list[list[Any]]:
        first = -(-int(asked["startTime"]) // _CANDLE) * _CANDLE
        first = max(first, _milliseconds(_FIRST_PAIRS))
        last = min(int(asked.get("endTime", 2**60)), _milliseconds(now))
        found: list[list[Any]] = []
        for opens in range(first, last + 1, _CANDLE):
            if (candle := self.candle(asked["symbol"], opens, now=now)) is not None:
                found.append(candle)
            if len(found) == int(asked.get("limit", _MOST_CANDLES)):
                break
        return found

    def candle(self, name: str, opens: int, *, now: datetime) -> list[Any] | None:
        """The candle of a pair that opens at milliseconds since 1970 UTC; None if there is none.

        An open candle has what was traded up to `now`.
        """
        pair, until = self._pairs[name], _milliseconds(now)
        opened = datetime.fromtimestamp(opens / 1000, timezone.utc)
        end = BROKEN_OFF.get(pair.base.symbol, now)
        if not _LISTED_AT.get(pair.base.symbol, _FIRST_PAIRS) <= opened <= end or self._is_down(opened):
            return None
        step = (min(opens + _CANDLE - 60_000, until) - opens) / _SAMPLES
        prices = [self._price(pair, opens + step * number) for number in range(_SAMPLES + 1)]
        share = (min(opens + _CANDLE, until) - opens) / 1000 / DAY_SECONDS * _PAIR_SHARE
        volume = self._market.volume_24h_at(pair.base, opens / 1000) / pair.base.base_price * share
        quoted = volume * prices[0]
        amounts = [prices[0], max(prices), min(prices), prices[-1], volume]
        return [
            opens,
            *map(_decimal, amounts),
            opens + _CANDLE - 1,
            _decimal(quoted),
            int(quoted // 900),
            _decimal(volume * 0.48),
            _decimal(quoted * 0.48),
            "0",
        ]

    def _price(self, pair: Pair, milliseconds: float) -> float:
        base, quote = (self._market.price_at(coin, milliseconds / 1000) for coin in pair)
        return base / quote

    def _exchange_info(self, name: str, now: datetime) -> dict[str, Any]:
        pair = self._pairs[name]
        status = "BREAK" if pair.base.symbol in BROKEN_OFF else "TRADING"
        symbol = {"symbol": name, "status": status, "baseAsset": pair.base.symbol, "quoteAsset": pair.quote.symbol}
        return {"timezone": "UTC", "serverTime": _milliseconds(now), "symbols": [symbol]}


def _milliseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)


def _decimal(number: float) -> str:
    return f"{number:.8f}"
