"""The price of one USDT in Toman: candles of Nobitex and Wallex, which need no key, in TradingView's UDF form.

The candles of both are in Toman, although Nobitex names the pair after the Rial.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timezone
from typing import Any, NamedTuple

import msgspec

from adapters._bases.errors import ContractError, SourceRejected, SourceUnavailable
from adapters._bases.http_adapter import Answer, HttpAdapter, json_answer, may_pass
from adapters._bases.json_values import one_line, shown
from adapters._bases.tehran_time import HOUR, TEHRAN
from extractors.candles import Answered, Candle

CALLS_A_MINUTE = 60
"""The limit of Nobitex; Wallex allows more."""
_HOUR_MINUTES = 60
_OK, _FORBIDDEN = 200, 403


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


SOURCES = (
    # From the beginning of 1401 on.
    RateSource(
        "Nobitex", "USDT@nobitex", "USDTIRT", "/market/udf/history", 30, 500, datetime(2022, 3, 21, tzinfo=TEHRAN)
    ),
    RateSource("Wallex", "USDT@wallex", "USDTTMN", "/v1/udf/history", 1, None, datetime(2018, 11, 27, tzinfo=TEHRAN)),
)


class _Body(msgspec.Struct):
    """Columns of equal length; numbers may come as texts."""

    t: list[int] = []
    o: list[Any] = []
    h: list[Any] = []
    l: list[Any] = []  # noqa: E741 - the source's name
    c: list[Any] = []
    v: list[Any] = []


async def extract_candles(
    http: HttpAdapter,
    source: RateSource,
    first: datetime,
    last: datetime,
    *,
    clock: Callable[[], datetime],
    gate: Callable[[], AbstractAsyncContextManager[None]],
) -> Answered:
    """The candles that open from the start of one Tehran hour, aware, to the end of another, in Toman.

    Candles of an hour if they begin with Tehran's hours, else shorter ones.

    Raises:
        SourceRejected: the exchange refuses this host, or the request.
        SourceUnavailable: it does not answer.
        ContractError: its answer is not as documented.
        ClockError: this host's clock is wrong.
    """
    as_of = clock()

    def read(answer: Answer) -> list[Candle]:
        nonlocal as_of
        candles = _candles(source, answer)
        as_of = min(as_of, http.as_of(answer, source=source.name))
        return candles

    start, end = int(first.timestamp()), int((last.astimezone(timezone.utc) + HOUR).timestamp()) - 1
    for minutes in (_HOUR_MINUTES, source.finer_minutes):
        step = minutes * 60
        params = {"symbol": source.pair, "resolution": str(minutes), "from": str(start), "to": str(end)}
        pages = -(-(end - start) // step // source.page_candles) if source.page_candles else 1
        found: dict[int, Candle] = {}
        for page in range(1, pages + 1):
            paged = {**params, "page": str(page)} if page > 1 else params
            candles = await http.get(source.path, paged, read, gate=gate)
            found |= {int(candle.opens.timestamp()): candle for candle in candles}
        if all(opens % step == HOUR.seconds // 2 % step for opens in found):
            return Answered([candle for opens, candle in found.items() if start <= opens <= end], as_of)
    raise ContractError(
        f"{source.name}'s candles do not begin with Tehran's hours, unlike documented", next_step=_correct(source)
    )


def _candles(source: RateSource, answer: Answer) -> list[Candle]:
    if answer.status == _FORBIDDEN:
        raise SourceRejected(
            f"{source.name} refuses this host (HTTP {answer.status})",
            next_step=f"set HTTPS_PROXY or ALL_PROXY to another way, or {source.setting}= to leave it out",
            status=answer.status,
        )
    body = json_answer(answer)
    fields = body if isinstance(body, dict) else {}
    said = one_line(str(fields.get("errmsg") or fields.get("message") or fields.get("s")))
    if may_pass(answer.status):
        wait = fields.get("backOff")
        raise SourceUnavailable(
            f"{source.name}: it makes its callers wait, or fails (HTTP {answer.status}: {said})",
            next_step="try again later",
            retry_after_seconds=float(wait) if isinstance(wait, int | float) else None,
            status=answer.status,
        )
    if answer.status != _OK or fields.get("s") not in ("ok", "no_data"):
        message = f"{source.name} refuses the request (HTTP {answer.status}: {said})"
        raise SourceRejected(message, next_step=_correct(source), status=answer.status)
    try:
        columns = msgspec.convert(body, _Body, strict=False)
        prices = (map(_text, column) for column in (columns.o, columns.h, columns.l, columns.c, columns.v))
        opens = [datetime.fromtimestamp(at, timezone.utc) for at in columns.t]
        return [Candle(*row) for row in zip(opens, *prices, strict=True)]
    except (ValueError, OverflowError, OSError) as error:
        message = f"{source.name}'s candles have another form: {one_line(str(error))}"
        raise ContractError(message, next_step=_correct(source)) from error


def _text(value: object) -> str:
    return value if isinstance(value, str) else repr(value) if isinstance(value, int | float) else shown(value)


def _correct(source: RateSource) -> str:
    return f"check {source.setting}; if it is right, the API has changed"
