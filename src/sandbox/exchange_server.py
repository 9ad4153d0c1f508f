"""The simulated Binance on a loopback port, over real HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from urllib.parse import urlsplit

from sandbox.exchange import Down, Exchange, Refusal
from sandbox.http_front import Answer, Serving
from sandbox.market import Market

WEIGHT_HEADER = "X-MBX-USED-WEIGHT-1M"


class ExchangeStandIn(Serving):
    """A local Binance with what the program uses: candles of a pair, and what the exchange says of pairs.

    As a context manager it serves from entry to exit.

    Args:
        market: whose prices its pairs follow: that of the CoinMarketCap stand-in.
        clock: gives an aware instant; everything served follows it.
        weight_a_minute: the limit of all calls together.
        is_down: when there are no candles.
        end_is_inclusive: see `Exchange`.
        port: of 127.0.0.1; 0 for a free one.
    """

    def __init__(
        self,
        market: Market,
        *,
        clock: Callable[[], datetime],
        weight_a_minute: int = 6000,
        is_down: Down = lambda _instant: False,
        end_is_inclusive: bool = True,
        port: int = 0,
    ) -> None:
        self.exchange = Exchange(
            market, weight_a_minute=weight_a_minute, is_down=is_down, end_is_inclusive=end_is_inclusive
        )
        super().__init__(port=port, answer=self._serve, clock=clock)

    def answer(self, target: str, now: datetime) -> Answer:
        """The answer to a GET of path and query, which weighs in the minute of ``now``, in UTC."""
        url = urlsplit(target)
        if not self.exchange.knows(url.path):
            return Answer(404, {"code": -1, "msg": "Path not found."})
        headers: dict[str, str] = {}
        try:
            status, body = 200, self.exchange.call(url.path, url.query, now)
        except Refusal as refusal:
            status, body = refusal.status, {"code": refusal.code, "msg": refusal.message}
            if refusal.retry_after is not None:
                headers["Retry-After"] = str(refusal.retry_after)
        return Answer(status, body, headers={WEIGHT_HEADER: str(self.exchange.scales.used), **headers})

    def _serve(self, target: str, _headers: dict[str, str]) -> Answer:
        return self.answer(target, self.now().astimezone(timezone.utc))
