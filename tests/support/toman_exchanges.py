"""The simulated Nobitex and Wallex: candles of USDT in Toman, in columns, on one address."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sandbox.market import DAY_SECONDS, HOUR_SECONDS
from sandbox.server import Answer, Serving

PATHS = {"/market/udf/history": "USDTIRT", "/v1/udf/history": "USDTTMN"}
_RESOLUTIONS = {"USDTIRT": ("30", "60"), "USDTTMN": ("1", "60")}
_LONGEST = {"1": 25 * DAY_SECONDS, "30": math.inf, "60": 3 * 365 * DAY_SECONDS}  # of Wallex
_PAGE_CANDLES = 500
_MINUTE_SECONDS = 60


class RateStandIn(Serving):
    """A local Nobitex and Wallex.

    Args:
        clock: gives an aware instant; everything served follows it.

    Attributes:
        refused: the pairs whose exchange answers 403.
        off_grid: the pairs whose candles of an hour begin with the hours of UTC.
        lacking: (pair, hour in seconds since 1970 UTC) without a candle.
        asked: the targets so far.
    """

    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self.refused: set[str] = set()
        self.off_grid: set[str] = set()
        self.lacking: set[tuple[str, int]] = set()
        self.asked: list[str] = []
        super().__init__(clock)

    def answer(self, target: str, _headers: Mapping[str, str]) -> Answer:
        self.asked.append(target)
        url = urlsplit(target)
        asked, pair = dict(parse_qsl(url.query)), PATHS[url.path]
        if pair in self.refused:
            return Answer(403, {"status": "failed", "code": "Forbidden"})
        first, last, resolution = int(asked["from"]), int(asked["to"]), asked["resolution"]
        if asked["symbol"] != pair or resolution not in _RESOLUTIONS[pair]:
            return Answer(200, {"s": "error", "errmsg": "Invalid resolution!"})
        is_paged = pair == "USDTIRT"
        if not is_paged and last - first > _LONGEST[resolution]:
            return Answer(500, {"message": "Server Error"})
        step = int(resolution) * _MINUTE_SECONDS
        shift = HOUR_SECONDS // 2 % step if pair not in self.off_grid else 0
        begin = first + (shift - first) % step
        every = range(begin, min(last, int(self.now().timestamp())) + 1, step)
        times = [at for at in every if (pair, at - (at - HOUR_SECONDS // 2) % HOUR_SECONDS) not in self.lacking]
        if is_paged:  # the first page is the newest
            page = int(asked.get("page", 1))
            times = times[max(0, len(times) - page * _PAGE_CANDLES) : len(times) - (page - 1) * _PAGE_CANDLES]
        return Answer(200, self._columns(pair, times, step) if times else {"s": "no_data"})

    def _columns(self, pair: str, times: list[int], step: int) -> Mapping[str, Any]:
        """Numbers from Nobitex, texts from Wallex."""
        rows = [candle(pair, at, step) for at in times]
        columns = [list(column) for column in zip(*rows, strict=True)]
        if pair == "USDTTMN":
            columns = [[f"{number:.2f}" for number in column] for column in columns]
        return {"s": "ok", "t": times, **dict(zip("ohlcv", columns, strict=True))}


def candle(pair: str, opens: int, step: int) -> tuple[float, float, float, float, float]:
    """Open, high, low, close in Toman and volume in USDT of a candle that opens at seconds since 1970 UTC."""
    first, last = (rate_at(pair, at) for at in (opens, opens + step))
    return first, max(first, last) + 10, min(first, last) - 10, last, round(step / 7, 2)


def rate_at(pair: str, seconds: int) -> float:
    """The price of one USDT in Toman; Wallex's is a little higher."""
    wave = math.sin(seconds / DAY_SECONDS) * 0.02 + math.sin(seconds / HOUR_SECONDS) * 0.002
    return round(110_000 * (1 + wave) * (1.003 if pair == "USDTTMN" else 1), 2)
