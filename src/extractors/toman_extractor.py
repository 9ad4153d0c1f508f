"""The price of one USDT in Toman: candles of Nobitex and Wallex, which need no key, in TradingView's UDF form.

The candles of both are in Toman, although Nobitex names the pair after the Rial.
"""

from __future__ import annotations

from datetime import datetime, timezone
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec

from adapters._bases.errors import ContractError
from adapters._bases.http_adapter import Answer, HttpAdapter, failure, json_answer
from adapters._bases.tehran_time import HOUR, TEHRAN
from adapters._bases.wording import one_line
from extractors.candles import Answered, Candle

CALLS_A_MINUTE = 60
"""The limit of Nobitex; Wallex allows more."""
_HOUR_MINUTES = 60
_LONGEST_WAIT_SECONDS = 10**9  # a longer one may be more than a double holds


class RateSource(NamedTuple):
    """An exchange that trades USDT for Toman."""

    name: str
    symbol: str
    pair: str
    path: str
    finer_minutes: int  # the candles to take if those of an hour do not begin with Tehran's hours
    page_candles: int | None  # the most that an answer holds; None if it has no pages
    first: datetime  # the first hour that it may have

    @property
    def setting(self) -> str:
        """The variable with its address."""
        return f"{self.name.upper()}_BASE_URL"

    @property
    def correct(self) -> str:
        """What to do about an answer that is not as documented."""
        return f"check {self.setting}; if it is right, the API has changed"


SOURCES = (
    # From the beginning of 1401 on.
    RateSource(
        "Nobitex", "USDT@nobitex", "USDTIRT", "/market/udf/history", 30, 500, datetime(2022, 3, 21, tzinfo=TEHRAN)
    ),
    RateSource("Wallex", "USDT@wallex", "USDTTMN", "/v1/udf/history", 1, None, datetime(2018, 11, 27, tzinfo=TEHRAN)),
)


async def extract_candles(http: HttpAdapter, source: RateSource, start: datetime, end: datetime) -> Answered:
    """The candles that open between two aware moments, both inclusive, in Toman; raises `EtlError`.

    Candles of an hour if they begin with Tehran's hours, else shorter ones.
    """
    first, last = int(start.timestamp()), int(end.timestamp())
    for minutes in (_HOUR_MINUTES, source.finer_minutes):
        step = minutes * 60
        params = {"symbol": source.pair, "resolution": str(minutes), "from": str(first), "to": str(last)}
        pages = (last - first) // step // source.page_candles + 1 if source.page_candles else 1
        found: dict[int, Candle] = {}
        certain = []
        for page in range(1, pages + 1):
            paged = {**params, "page": str(page)} if page > 1 else params
            answer = await http.get(source.path, paged, partial(_read, http, source))
            found |= {int(candle.opens.timestamp()): candle for candle in answer.candles}
            certain.append(answer.as_of)
        if all(opens % step == HOUR.seconds // 2 % step for opens in found):
            return Answered([candle for opens, candle in found.items() if first <= opens <= last], min(certain))
    message = f"{source.name}'s candles do not begin with Tehran's hours, unlike documented"
    raise ContractError(message, next_step=source.correct)


def _read(http: HttpAdapter, source: RateSource, answer: Answer) -> Answered:
    body = json_answer(answer)
    fields: dict[str, Any] = body if isinstance(body, dict) else {}
    text = one_line(str(fields.get("errmsg") or fields.get("message") or fields.get("s") or ""))
    if answer.status != HTTPStatus.OK or fields.get("s") not in ("ok", "no_data"):
        way_out = f"set HTTPS_PROXY or ALL_PROXY to another way, or {source.setting}= to leave it out"
        refused = way_out if answer.status == HTTPStatus.FORBIDDEN else source.correct
        wait = fields.get("backOff")
        wait = float(min(wait, _LONGEST_WAIT_SECONDS)) if isinstance(wait, int | float) else None
        raise failure(source.name, answer.status, text, refused=refused, wait=wait)
    try:
        times, *columns = msgspec.convert([fields.get(name, []) for name in "tohlcv"], list[list[Any]])
        opens = [datetime.fromtimestamp(int(at), timezone.utc) for at in times]
        candles = [Candle(*row) for row in zip(opens, *(map(str, column) for column in columns), strict=True)]
    except (TypeError, ValueError, OverflowError, OSError) as error:
        message = f"{source.name}'s candles have another form: {one_line(str(error))}"
        raise ContractError(message, next_step=source.correct) from error
    return Answered(candles, http.as_of(answer))
