"""The simulated Binance: half-hourly candles of pairs, with the prices of the simulated market."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sandbox.market import DAY_SECONDS, Market
from sandbox.server import Answer, Serving

BROKEN_OFF = {"XMR": datetime(2024, 2, 20, 3, tzinfo=timezone.utc)}
"""Coins whose pairs are no longer traded, and since when."""
_FIRST_PAIRS = datetime(2017, 8, 17, 4, tzinfo=timezone.utc)
_LISTED_AT = {"SOL": datetime(2020, 8, 11, 6, tzinfo=timezone.utc)}
_CANDLE = 1_800_000
_SAMPLES = 3  # prices looked at inside of a candle, besides its first
_PAIR_SHARE = 0.1  # of all trading in a coin


class ExchangeStandIn(Serving):
    """A local Binance at the time of `clock`."""

    def __init__(self, market: Market, *, clock: Callable[[], datetime]) -> None:
        super().__init__(clock)
        self._market = market
        # Of the coins that share a symbol, the largest is traded.
        best = {coin.symbol: coin for coin in sorted(market.coins, key=lambda coin: -coin.rank)}
        quotes = [best[symbol] for symbol in ("USDT", "USDC", "BTC")]
        pairs = [(base, quote) for base in best.values() for quote in quotes if base is not quote]
        self._pairs = {f"{base.symbol}{quote.symbol}": (base, quote) for base, quote in pairs}

    def answer(self, target: str, _headers: Mapping[str, str]) -> Answer:
        url, now = urlsplit(target), self.now()
        asked = dict(parse_qsl(url.query))
        if asked["symbol"] not in self._pairs:
            return Answer(400, {"code": -1121, "msg": "Invalid symbol."})
        if url.path == "/api/v3/klines":
            first = max(-(-int(asked["startTime"]) // _CANDLE) * _CANDLE, _milliseconds(_FIRST_PAIRS))
            last = min(int(asked.get("endTime", 2**60)), _milliseconds(now))
            candles = (self.candle(asked["symbol"], opens, now=now) for opens in range(first, last + 1, _CANDLE))
            return Answer(200, list(islice(filter(None, candles), int(asked["limit"]))))
        base, quote = self._pairs[asked["symbol"]]
        status = "BREAK" if base.symbol in BROKEN_OFF else "TRADING"
        info = {"symbol": asked["symbol"], "status": status, "baseAsset": base.symbol, "quoteAsset": quote.symbol}
        return Answer(200, {"symbols": [info]})

    def candle(self, name: str, opens: int, *, now: datetime) -> list[Any] | None:
        """The candle of a pair that opens at milliseconds since 1970 UTC, up to `now`; None if there is none."""
        (base, quote), until = self._pairs[name], _milliseconds(now)
        opened = datetime.fromtimestamp(opens / 1000, timezone.utc)
        end = BROKEN_OFF.get(base.symbol, now)
        if not _LISTED_AT.get(base.symbol, _FIRST_PAIRS) <= opened <= end:
            return None
        step = (min(opens + _CANDLE - 60_000, until) - opens) / _SAMPLES / 1000
        times = [opens / 1000 + step * number for number in range(_SAMPLES + 1)]
        prices = [self._market.price_at(base, at) / self._market.price_at(quote, at) for at in times]
        share = (min(opens + _CANDLE, until) - opens) / 1000 / DAY_SECONDS * _PAIR_SHARE
        volume = self._market.volume_24h_at(base, opens / 1000) / base.base_price * share
        quoted = volume * prices[0]
        amounts = [f"{number:.8f}" for number in (prices[0], max(prices), min(prices), prices[-1], volume, quoted)]
        taken = [f"{amount * 0.48:.8f}" for amount in (volume, quoted)]
        return [opens, *amounts[:5], opens + _CANDLE - 1, amounts[5], int(quoted // 900), *taken, "0"]


def _milliseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
